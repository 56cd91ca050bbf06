package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"

	"vectors/corpus"

	"sigs.k8s.io/yaml"
)

// ownTests runs the programs of gojq's tests of its command on their inputs, those that need nothing but a value.
func ownTests() {
	b, err := os.ReadFile(filepath.Join(corpus.Dir("github.com/itchyny/gojq"), "cli", "test.yaml"))
	if err != nil {
		panic(err)
	}
	var tests []struct {
		Name  string
		Args  []string
		Input string
		Env   []string
	}
	if err := yaml.Unmarshal(b, &tests); err != nil {
		panic(err)
	}
	seen := map[string]bool{}
	for _, t := range tests {
		program, null, ok := "", false, len(t.Env) == 0
		for i, a := range t.Args {
			switch {
			case a == "-n" || a == "-nc" || a == "-cn" || a == "--null-input":
				null = true
			case a == "-c" || a == "-r" || a == "-j" || a == "--compact-output" || a == "--raw-output":
			case i == len(t.Args)-1 && !strings.HasPrefix(a, "--"):
				program = a
			default:
				ok = false
			}
		}
		if !ok || len(t.Args) == 0 || unsuitable(program) {
			continue
		}
		var docs []any
		if null {
			docs = []any{nil}
		} else {
			d := json.NewDecoder(strings.NewReader(t.Input))
			d.UseNumber()
			for {
				var v any
				if err := d.Decode(&v); err != nil {
					if err != io.EOF {
						docs = nil
					}
					break
				}
				docs = append(docs, v)
			}
		}
		for i, doc := range docs {
			key, _ := json.Marshal([]any{program, doc})
			if i < 5 && len(key) < 4000 && !seen[string(key)] && finite(doc) && short(doc) {
				seen[string(key)] = true
				add(program, doc)
			}
		}
	}
}

// unsuitable are programs that read a clock, files, or what the command alone knows, and those that give too much.
func unsuitable(program string) bool {
	for _, word := range []string{"now", "input", "import", "include", "modulemeta", "get_search_list", "$__prog", "$ENV", "env", "builtins", "localtime", "strflocaltime", "$ARGS", "halt", "debug", "stderr"} {
		if strings.Contains(program, word) {
			return true
		}
	}
	return false
}

// finite tells whether all numbers of a document are 64-bit floats.
func finite(v any) bool {
	switch v := v.(type) {
	case json.Number:
		_, err := v.Float64()
		return err == nil
	case []any:
		for _, x := range v {
			if !finite(x) {
				return false
			}
		}
	case map[string]any:
		for _, x := range v {
			if !finite(x) {
				return false
			}
		}
	}
	return true
}
