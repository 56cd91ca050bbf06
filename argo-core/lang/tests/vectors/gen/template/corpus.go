package main

import (
	"encoding/json"
	"strings"

	"vectors/corpus"
	"vectors/emit"
)

// goData stands in for the struct of Go's own tests: the same names with JSON values.
const goData = `{"True":true,"I":17,"U16":16,"X":"x","S":"xyz","U":{"V":"v"},"V0":"<6666>","V1":"<7777>","W0":"[888]","W1":"[999]","SI":[3,4,5],"SICap":[0,0,0,0,0],"SIEmpty":[],"SB":[true,false],"AI":[3,4,5],"MSI":{"one":1,"two":2,"three":3},"MSIone":{"one":1},"MSIEmpty":{},"MXI":{"one":1},"SMSI":[{"one":1,"two":2},{"eleven":11,"twelve":12}],"Empty0":null,"Empty1":3,"Empty2":"empty2","Empty3":[7,8],"Empty4":{"U":{"V":"UinEmpty"}},"Str":"foo","PI":23,"PS":"a string","PSI":[21,22,23],"NIL":null,"GetU":{"V":"v"},"Method0":"M0","NilOKFunc":null,"x":"X","y":0,"a":"A","ThreeArgs":null,"Foo":{"Bar":"foobar"}}`

// ownTests runs the templates of Go's own tests, and its functions over every kind of argument.
func ownTests() {
	emit.Shared = parse(goData)
	keep := func(s string) bool { return strings.Contains(s, "{{") && len(s) < 2000 }
	texts := corpus.Literals(corpus.Dir("text/template"), keep, "exec_test.go", "multi_test.go", "parse/parse_test.go", "parse/lex_test.go")
	for _, t := range append(texts, builtinMatrix()...) {
		v, err := runOn(t, "default", false, parse(goData))
		emit.Add("text", func() (any, error) { return v, err }, t, "$shared", "default")
		strict, strictErr := runOn(t, "error", false, parse(goData))
		if v != strict || (err == nil) != (strictErr == nil) || err != nil && err.Error() != strictErr.Error() {
			emit.Add("text", func() (any, error) { return strict, strictErr }, t, "$shared", "error")
		}
	}
	emit.Finish("template", "Go 1.26 text/template, its own tests")
}

// sprigTests runs the templates of Sprig's tests, and its functions over every kind of argument.
func sprigTests() {
	emit.Shared = data()
	keep := func(s string) bool {
		if !strings.Contains(s, "{{") || len(s) > 1000 {
			return false
		}
		// what reads a clock, a random source or the machine has no one answer
		for _, word := range []string{"rand", "now", "ago", "uuid", "gen", "shuffle", "env", "getHostByName", "bcrypt", "htpasswd", "AES", "derivePassword", "buildCustom", "Local", ".Time", "values", "keys", "$HOME", "PATH"} {
			if strings.Contains(s, word) {
				return false
			}
		}
		return true
	}
	texts := corpus.Literals(corpus.Dir("github.com/Masterminds/sprig/v3"), keep, "*_test.go")
	for _, t := range append(texts, sprigMatrix()...) {
		emit.Add("sprig", func() (any, error) { return runOn(t, "default", true, data()) }, t, "$shared")
	}
	emit.Finish("template", "github.com/Masterminds/sprig/v3 v3.3.0, its own tests and its functions over every kind of argument")
}

func parse(text string) any {
	var d any
	_ = json.Unmarshal([]byte(text), &d)
	return d
}
