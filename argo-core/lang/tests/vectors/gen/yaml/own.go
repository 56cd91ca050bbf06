package main

import (
	"encoding/json"
	"strings"

	kyaml "sigs.k8s.io/kustomize/kyaml/yaml"
	"sigs.k8s.io/yaml"

	"vectors/corpus"
	"vectors/emit"
)

// ownTexts are the texts in the tests of go-yaml v2 and v3 and of sigs.k8s.io/yaml.
func ownTexts() []string {
	keep := func(s string) bool {
		return len(s) < 2000 && strings.ToValidUTF8(s, "") == s
	}
	var out []string
	seen := map[string]bool{}
	for pkg, files := range map[string][]string{
		"go.yaml.in/yaml/v2": {"decode_test.go", "encode_test.go", "limit_test.go"},
	} {
		for _, s := range corpus.Literals(corpus.Dir(pkg), keep, files...) {
			if !seen[s] {
				seen[s] = true
				out = append(out, s)
			}
		}
	}
	for _, pkg := range []string{"go.yaml.in/yaml/v3", "sigs.k8s.io/yaml"} {
		files := map[string][]string{"go.yaml.in/yaml/v3": {"decode_test.go", "encode_test.go", "node_test.go"}, "sigs.k8s.io/yaml": {"yaml_test.go", "err_test.go"}}[pkg]
		for _, s := range corpus.Literals(corpus.Dir(pkg), keep, files...) {
			if !seen[s] {
				seen[s] = true
				out = append(out, s)
			}
		}
	}
	return out
}

// own decodes and encodes them as Kubernetes does.
func own() {
	for _, text := range ownTexts() {
		emit.Add("decode", func() (any, error) {
			b, err := yaml.YAMLToJSON([]byte(text))
			return json.RawMessage(b), err
		}, text)
		for _, v := range []any{text, map[string]any{"k": []any{text}}} {
			emit.Add("encode", func() (any, error) { b, err := yaml.Marshal(v); return string(b), err }, v)
		}
	}
	emit.Finish("yaml", "sigs.k8s.io/yaml v1.6.0 over the texts of its own tests and of go-yaml's")
}

// kustomize reads with the fork of go-yaml v3 that kyaml has.
func kustomize() {
	read := func(text string) {
		emit.Add("kustomize", func() (any, error) {
			var v any
			if err := kyaml.Unmarshal([]byte(text), &v); err != nil {
				return nil, err
			}
			b, err := json.Marshal(v)
			return json.RawMessage(b), err
		}, text)
	}
	for _, s := range []string{"y", "Y", "yes", "Yes", "YES", "n", "N", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF", "true", "True", "TRUE", "tRue", "false", "False", "FALSE", "~", "null", "Null", "NULL", "", "0", "1", "-1", "+1", "0x1F", "0o17", "0b101", "1_000", "0.5", ".5", "5.", "1e3", "1.5e-7", "123456789012345678901234567890", "9223372036854775807", "18446744073709551615", ".inf", "1:30", "abc", "a b", "a#b", "1.10", "v1.2.3", "1.2.3", "'yes'", "\"on\"", "!!str yes", "!!bool true", "!!int 5", "!!str 5", "!!float 5", "!!str true", "\"a\\nb\"", "'it''s'", "|\n  yes\n", ">-\n  a\n  b\n"} {
		for _, text := range []string{s, "k: " + s, "- " + s, "k:\n  - " + s + "\n", "[" + s + "]"} {
			read(text)
		}
		if !strings.ContainsAny(s, "\n!") {
			read(s + ": v")
		}
	}
	for _, text := range []string{"a: 1\na: 2\n", "a: &x {b: yes}\nc: *x\n", "base: &b {x: on, y: 2}\nd:\n  <<: *b\n  y: 3\n", "d:\n  <<: [{a: 1}, {a: 2, b: no}]\n", "<<: 3\n", "a: [yes, no, on, off, y, n, true]\n", "{yes: no, on: off}\n", "- yes\n- no\n", "kind: ConfigMap\ndata:\n  a: yes\n  b: \"1\"\n  c: 1\n", "# only\n", "---\na: yes\n", "a: |\n  yes\n", "a:\n", "a: {}\nb: []\n", "x: *none\n", "a: &a [*a]\n"} {
		read(text)
	}
	emit.Finish("yaml", "sigs.k8s.io/kustomize/kyaml v0.19.0")
}
