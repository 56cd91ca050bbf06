// Vectors of sigs.k8s.io/yaml.
package main

import (
	"encoding/json"
	"os"

	"sigs.k8s.io/yaml"

	"vectors/emit"
)

func main() {
	if len(os.Args) > 1 {
		map[string]func(){"own": own, "kustomize": kustomize}[os.Args[1]]()
		return
	}
	scalars := []string{"y", "Y", "yes", "Yes", "YES", "yEs", "n", "no", "No", "on", "On", "ON", "off", "OFF", "true", "True", "TRUE", "tRue", "false", "~", "null", "Null", "NULL", "nULL", "",
		"0", "1", "-1", "+1", "007", "017", "08", "0o17", "0x1F", "-0x1f", "0b101", "-0b11", "1_000", "_1", "1__0", "0.5", ".5", "5.", "-.5", "1e3", "1E3", "1e+3", "1.5e-7", "1e21", "1e400", "123456789012345678901234567890", "9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616", "-9223372036854775808", "-9223372036854775809",
		".inf", "-.inf", ".nan", "inf", "nan", "NaN", "Inf", "1:30", "12:30:45", "190:20:30.15", "2001-01-01", "2001-1-1", "2001-12-14t21:59:43.10-05:00", "2001-12-14 21:59:43.10 -5", "2024-01-01T00:00:00Z",
		"abc", "a b", "a: b", "a #b", "a#b", "#a", "- a", "-a", "--- a", "---", "...", "?a", "? a", ":a", ": a", "a:", "[a", "a]", "{a", "a}", "a,b", ",a", "&a", "*a", "!a", "|a", ">a", "%a", "@a", "`a", "'a", "\"a", "a'b", "a\"b", "a\\b", "<<", "=", "1.0", "1.10", "v1.2.3", "1.2.3", "1e", "0x", "0xg", "+", "-", ".", "..", "é", "日本", "\U0001F600", "a\tb", "\ta", "a\t", " a", "a ", "a\u00a0b", "a\u0085b", "a\u2028b", "\ufeffa", "a\rb", "\x01", "\x7f", "0.0", "-0", "-0.0", "0777", "0o8", "1,000", "12e03", "685.230_15e+03", "+.inf", "0b", "1_0.5", "true ", "null # c"}
	for _, s := range scalars {
		for _, text := range []string{s, "k: " + s, "- " + s, "'" + s + "'", "\"" + s + "\"", s + ": v", "[" + s + "]", "!!str " + s} {
			emit.Add("decode", func() (any, error) {
				b, err := yaml.YAMLToJSON([]byte(text))
				return json.RawMessage(b), err
			}, text)
		}
		for _, v := range []any{s, map[string]any{"k": s}, []any{s}, map[string]any{s: "v"}, map[string]any{"a": []any{map[string]any{"b": s, "c": 1}}}} {
			emit.Add("encode", func() (any, error) { b, err := yaml.Marshal(v); return string(b), err }, v)
		}
	}
	for _, s := range []string{"a\nb", "a\nb\n", "a\n\nb\n\n", "\n", "\na", "  a\nb", "a \nb", "a\n b", "a\n\tb", "a\tb\nc", "\n\n", "a\n ", "a\r\nb", "é\nb", "a\n# b", "\U0001F600\nx", "line1\nline2\n\n\n", " \n", "a\n b\n  c\n"} {
		for _, v := range []any{s, map[string]any{"k": s}, []any{s}, map[string]any{s: "v"}, []any{[]any{s, s}}} {
			emit.Add("encode", func() (any, error) { b, err := yaml.Marshal(v); return string(b), err }, v)
		}
	}
	for _, v := range []any{nil, true, 1, 1.5, 1e21, 1e6, 1234567.5, -0.1, 1e-7, map[string]any{}, []any{}, map[string]any{"a": map[string]any{}, "b": []any{}, "c": nil}, []any{[]any{1, []any{2}}, map[string]any{"x": []any{map[string]any{"y": 1}}}}, []any{nil, map[string]any{}},
		map[string]any{"a10": 1, "a2": 1, "a1": 1, "A": 1, "b": 1, "a-b": 1, "a.b": 1, "a_b": 1, "1": 1, "10": 1, "2": 1, "a01": 1, "": 1, "é": 1, "a b": 1, "z/y": 1, "-": 1}} {
		emit.Add("encode", func() (any, error) { b, err := yaml.Marshal(v); return string(b), err }, v)
	}
	docs := []string{"a: 1\nb:\n  - x\n  - y: z\n", "a: &x {b: 1}\nc: *x\n", "base: &b {x: 1, y: 2}\nd:\n  <<: *b\n  y: 3\n", "d:\n  y: 3\n  <<: {y: 1, z: 2}\n", "d:\n  <<: [{a: 1}, {a: 2, b: 3}]\n", "<<: 3\n", "a: |\n  x\n  y\n", "a: |-\n  x\n\n", "a: |+\n  x\n\n", "a: >\n  x\n  y\n\n  z\n", "a: >-\n  x\n   y\n", "a: |2\n   x\n", "{a: 1, b: [c, d]}", "{\"a\":1,\"b\":[true,null]}", "a:\n- b\n- c\n", "? a\n: b\n", "1: x\ntrue: y\n1.5: z\nnull: w\n", "1: x\n1.5: z\ntrue: y\n", "yes: a\nno: b\non: c\n", "a: !!int '3'\n", "a: !!float 3\n", "a: !!str 3\n", "a: !!binary aGk=\n", "a: !!bool 'yes'\n", "a: !foo bar\n", "a: !!null ''\n", "[a, [b, c]]: d\n", "a: b: c\n", "a:\n\tb: 1\n", "a: [1, 2\n", "'a\n\n  b'\n", "\"a\\n\\x41\\u00e9\\U0001F600\\e\\_\"\n", "\"a\\\n   b\"\n", "a: 'it''s'\n", "# c\n", "", "---\n", "--- a\n", "---\na: 1\n...\n", "%YAML 1.1\n---\na: 1\n", "a: *nope\n", "a: 1\n b: 2\n", "- a\nb: 1\n", "a: 1 #c\nb: 'x' # d\n", "k: 3.0\n", "k: 12345678901234567890\n", "a:    \nb: ~\n", "a: 0x7FFFFFFFFFFFFFFF\n", "a: @x\n", "a: `x\n", "a: %x\n", "a: - b\n", "a: [yes, no]\n", "{yes: no}\n", "a: 2001-12-14\n", "a: {b: c, }\n", "a: [1,]\n", "a: \"x\n", "a: x: y\n", "? [a]\n: b\n", "a: \"\\q\"\n", "- - - a\n", "-\n  a: 1\n-\n  b: 2\n", "a: >\n\n  x\n", "a: .inf\n", "a: ! x\n", "a: &n x\nb: *n\n"}
	for _, text := range docs {
		emit.Add("decode", func() (any, error) {
			b, err := yaml.YAMLToJSON([]byte(text))
			return json.RawMessage(b), err
		}, text)
	}
	// block scalars at the end of a text, with and without a last line break
	for _, head := range []string{"|", "|-", "|+", ">", ">-", ">+"} {
		for _, body := range []string{"  b", "  b\n", "  b\n\n", "  b\n ", "  b\n  ", "  b\n  c", "  b\n\n  c", "  b\n   c", "  b\r\n  c", "  b\n# c", "  ", "", "  b\n...", "  b\n---"} {
			for _, text := range []string{"a: " + head + "\n" + body, "- " + head + "\n" + body, head + "\n" + body, "a:\n  c: " + head + "\n  " + body} {
				emit.Add("decode", func() (any, error) {
					b, err := yaml.YAMLToJSON([]byte(text))
					return json.RawMessage(b), err
				}, text)
			}
		}
	}
	for _, text := range []string{"a: 1\na: 2\n", "a: 1\nb: 2\nb: 3\n", "{a: 1, a: 2}", "- a: 1\n  a: 2\n", "a: {b: 1}\nc: 2\n", "yes: 1\ntrue: 2\n"} {
		emit.Add("decode_strict", func() (any, error) {
			b, err := yaml.YAMLToJSONStrict([]byte(text))
			return json.RawMessage(b), err
		}, text)
	}
	emit.Finish("yaml", "sigs.k8s.io/yaml v1.6.0")
}
