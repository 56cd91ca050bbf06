package main

import (
	"strconv"
	"strings"
	"text/template"

	"github.com/BurntSushi/toml"
	"github.com/Masterminds/sprig/v3"

	"vectors/emit"
)

// helmTests runs what Helm has for TOML: the library behind it, with errors as text or as a failure.
func helmTests() {
	emit.Shared = data()
	write := func(v any) (string, error) {
		var out strings.Builder
		err := toml.NewEncoder(&out).Encode(v)
		return out.String(), err
	}
	functions := sprig.TxtFuncMap()
	functions["mustToToml"] = write
	functions["toToml"] = func(v any) string {
		text, err := write(v)
		if err != nil {
			return err.Error()
		}
		return text
	}
	functions["fromToml"] = func(text string) map[string]any {
		m := map[string]any{}
		if err := toml.Unmarshal([]byte(text), &m); err != nil {
			m["Error"] = err.Error()
		}
		return m
	}
	values := []string{".", ".name", ".n", ".f", ".big", ".list", ".nums", ".map", ".none", ".t", ".empty", ".el", ".em", ".users", ".html", ".text", ".missing",
		"1", "-7", "1.5", "1e30", "1e-9", "true", "nil", "(list)", "(dict)", "(list 1 \"a\" true)", "(list (list 1 2) (list \"a\"))", "(list nil)", "(list 1 nil)", "(list (dict))", "(list (dict \"a\" 1) 2)",
		"(dict \"a\" nil)", "(dict \"a\" nil \"b\" 1)", "(dict \"a\" (list nil))", "(dict \"a\" (list (dict \"b\" nil)))", "(dict \"a\" (list 1 (dict \"b\" nil \"c\" 1 \"d\" (dict \"e\" 2))))", "(dict \"a\" (list 1 (dict \"b\" 1 \"c\" nil)))", "(dict \"a\" (list 1 (dict \"b\" (list (dict \"x\" 1)) \"y\" 2)))",
		"(dict \"b\" 1 \"a\" 2 \"C\" 3)", "(dict \"b\" (dict \"x\" 1) \"a\" 2)", "(dict \"a\" (dict \"b\" (dict \"c\" (dict \"d\" 1))))", "(dict \"a\" (dict) \"b\" (dict))", "(dict \"a\" (dict \"b\" (dict)) \"c\" (dict \"d\" 1))", "(dict \"a\" (list (dict \"b\" 1) (dict \"b\" 2 \"c\" (list (dict \"d\" 1) (dict)))))", "(dict \"a\" (list (dict \"b\" (dict \"c\" 1)) (dict \"b\" (dict))))", "(dict \"a\" (list (list (dict \"b\" 1))))",
		"(dict \"a b\" 1 \"\" 2 \"é\" 3 \"x.y\" (dict \"q\\\"\" (dict \"z\" 1)) \"ok-1_\" 4)", "(dict \"s\" \"q\\\" b\\\\ n\\n t\\t r\\r \\x00\\x08\\x0c\\x1f\\x7f é \\u2028\")", "(dict \"f\" 3.0 \"g\" 0.1 \"h\" -2.5e-7 \"i\" 123456789012345678.0)", "(dict \"t\" (toDate \"2006-01-02\" \"2024-03-05\"))", "(dict \"l\" (list \"a\\nb\" 'x' 1.0))", "(until 3)", "(splitList \",\" \"a,b\")", "(dict \"s\" (splitList \",\" \"a,b\") \"e\" (list) \"i\" (int64 7))"}
	texts := []string{"", "a = 1", "a = 1\nb = \"x\"\n[c]\nd = 1.5\n[c.e]\nf = true", "[[a]]\nb = 1\n[[a]]\nc = [1, 2]", "a.b.c = 1\na.d = [[1], [\"x\"]]", "a = {b = 1, c = {d = 2}}", "a = 0x1F\nb = 0o17\nc = 0b11\nd = 1_000\ne = +5\nf = -0", "a = 1e3\nb = 5e-2\nc = 1_0.5\nd = -0.0", "a = \"\"\"\nx\\\n   y\"\"\"\nb = 'l\\n'\nc = '''\nm'''", "a = \"\\u00e9\\t\\\"\"", "\"q k\" = 1\n'' = 2", "# only a comment", "a = [\n 1, # c\n 2,\n]", "a = 2024-03-05T06:07:08Z", "a = 2024-03-05T06:07:08.5Z\nb = [2024-03-05 06:07:08Z]"}
	wrong := []string{"a", "a =", "= 1", "a = 1\na = 2", "[a]\n[a]", "a = \"x", "a = 01", "[a", "a = 1 b = 2", "a = {b = 1", "a = .5", "a = nope", "a = 1\n[a]\nb = 1", "a = \"\\q\"", "a = 2024-13-01", "a = 9223372036854775808", "a = [1", "a = 1__0", "\x00"}
	ask := func(t string) {
		emit.Add("helm", func() (any, error) {
			parsed, err := template.New("template").Funcs(functions).Parse(t)
			if err != nil {
				return nil, err
			}
			var out strings.Builder
			err = parsed.Execute(&out, data())
			if err != nil {
				return nil, err
			}
			return out.String(), nil
		}, t, "$shared")
	}
	for _, v := range values {
		ask("{{toToml " + v + "}}")
		ask("{{mustToToml " + v + "}}")
	}
	for _, t := range texts {
		from := "(fromToml " + quoted(t) + ")"
		ask("{{" + from + "}}")
		ask("{{toJson " + from + "}}")
		ask("{{toToml " + from + "}}")
		ask("{{range $k, $v := " + from + "}}{{$k}} {{typeOf $v}};{{end}}")
	}
	for _, t := range wrong {
		ask("{{hasKey (fromToml " + quoted(t) + ") \"Error\"}}")
	}
	ask("{{fromToml 1}}")
	emit.Finish("template", "github.com/BurntSushi/toml v1.6.0 as Helm 4.2 calls it")
}

func quoted(text string) string {
	return strconv.Quote(text)
}
