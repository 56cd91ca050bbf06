package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"github.com/expr-lang/expr"

	"vectors/corpus"
	"vectors/emit"
)

const module = "github.com/expr-lang/expr"

// corpusText has the names that upstream's tests use, with JSON values.
const corpusText = `{"ok":true,"i":1,"i32":2,"i64":3,"str":"str","f64":0.5,"f32":1.5,"array":[1,2,3,4,5],"foo":{"Bar":"bar","Baz":"baz","bar":{"baz":"deep"}},"list":[{"Bar":"bar","Value":1},{"Bar":"baz","Value":2}],"Int":7,"String":"string","Bool":true,"Float64":1.25,"Any":"any","Nil":null,"Map":{"foo":1,"bar":2},"ArrayOfAny":[1,"2",true],"ArrayOfInt":[1,2,3,4,5],"ArrayOfString":["foo","bar","baz"],"ArrayOfFoo":[{"Value":"a"},{"Value":"b"}],"Foo":{"Bar":{"Baz":"qux"}},"Empty":{},"one":1,"two":2,"three":3,"MultiDimArray":[[1,2,3],[1,2,3]],"Num":42,"word":"hello","person":{"Name":"Arvin","Age":25},"a":1,"b":2,"c":{"d":3},"x":4,"y":5,"num":10,"s":"text","numbers":[3,1,2],"users":[{"name":"A","age":20},{"name":"B","age":30}]}`

// ownTests runs the expressions of upstream's own tests and of its generated corpus.
func ownTests() {
	var env map[string]any
	_ = json.Unmarshal([]byte(corpusText), &env)
	env = ints(env).(map[string]any)
	emit.Shared = env
	emit.Errors = "exact"
	dir := corpus.Dir(module)
	keep := func(s string) bool {
		unstable := strings.Contains(s, "now()") || strings.Contains(s, "keys(") || strings.Contains(s, "values(") || strings.Contains(s, "toPairs(") || strings.Contains(s, "$env")
		return !unstable && len(s) > 1 && len(s) < 400 && strings.ContainsAny(s, "()[]{}.+-*/<>=&|?:#'\" ") && !strings.Contains(s, " | ...")
	}
	texts := corpus.Literals(dir, keep, "expr_test.go", "builtin/builtin_test.go", "checker/checker_test.go", "parser/parser_test.go", "parser/lexer/lexer_test.go", "compiler/compiler_test.go", "vm/vm_test.go", "optimizer/*_test.go", "test/operator/*_test.go", "test/pipes/*_test.go", "ast/print_test.go", "test/coredns/*_test.go", "test/issues/*/*_test.go")
	generated, err := os.ReadFile(filepath.Join(dir, "testdata", "generated.txt"))
	if err != nil {
		panic(err)
	}
	for _, line := range strings.Split(string(generated), "\n") {
		if keep(line) && corpus.Pick(line, 14) {
			texts = append(texts, line)
		}
	}
	examples, err := os.ReadFile(filepath.Join(dir, "testdata", "examples.md"))
	if err != nil {
		panic(err)
	}
	for i, part := range strings.Split(string(examples), "```") {
		if i%2 == 1 && keep(part) {
			texts = append(texts, strings.TrimSpace(part))
		}
	}
	for _, t := range texts {
		emit.Add("eval", func() (any, error) { return eval(t, env) }, t, "$shared")
	}
	emit.Finish("expr", module+" v1.17.8, its own tests and corpus")
}

// matrix runs operators and functions over every kind of operand, known when compiling and not.
func matrix() {
	var env map[string]any
	_ = json.Unmarshal([]byte(`{"i":3,"f":2.5,"s":"abc","t":true,"nil1":null,"l":[1,"a",null],"ss":["b","a"],"m":{"i":3,"f":2.5,"s":"abc","t":true,"n":null,"l":[1,2],"m":{"k":"v"}}}`), &env)
	env = ints(env).(map[string]any)
	emit.Shared = env
	emit.Errors = "exact"
	operands := []string{"1", "2.5", "'abc'", "true", "nil", "[1, 2]", "['b', 'a']", "{'k': 1}", "i", "f", "s", "t", "nil1", "l", "ss", "m", "m.i", "m.f", "m.s", "m.t", "m.n", "m.l", "m.m", "m.zz", "1..3", "split('x,y', ',')", "duration('1h')", "date('2024-02-03')", "b'ab'", "#", "nope", "groupBy([1,2], # % 2)", "fromJSON('[1]')", "''", "[]"}
	var texts []string
	for _, a := range operands {
		for _, op := range []string{"-", "+", "!", "not "} {
			texts = append(texts, op+a)
		}
		for _, op := range []string{"==", "!=", "<", ">=", "&&", "or", "+", "-", "*", "/", "%", "**", "^", "in", "not in", "contains", "startsWith", "matches", "..", "??", "|| true ||"} {
			for _, b := range operands {
				if t := a + " " + op + " " + b; corpus.Pick(t, 16) {
					texts = append(texts, t)
				}
			}
		}
		for _, shape := range []string{"%[0]", "%['k']", "%.k", "%?.k", "%?.k?.x ?? 'd'", "%[1:]", "%[:1]", "%[-1]", "% ? 1 : 2", "%()", "%.foo()", "{'a': %}", "{(%): 1}", "[%, 1]", "let v = %; v", "%[i]", "%[m.s]", "%[f]", "all(%, true)", "map(%, #)", "filter(%, # == 1)", "reduce(%, #acc)", "sum(%)", "count(%)", "sortBy(%, #)", "find(%, # != 1)", "findLastIndex(%, true)", "groupBy(%, 1)", "% | len()", "if % { 1 } else { 2 }", "map([1], %)", "filter([1], %)"} {
			texts = append(texts, strings.ReplaceAll(shape, "%", a))
		}
		for _, name := range []string{"len", "type", "abs", "ceil", "floor", "round", "int", "float", "string", "trim", "trimPrefix", "upper", "lower", "toJSON", "fromJSON", "toBase64", "fromBase64", "first", "last", "reverse", "uniq", "duration", "bitnot", "max", "min", "mean", "median", "concat", "flatten", "sort", "fromPairs", "date", "timezone", "join", "indexOf", "split", "get", "take", "repeat", "hasPrefix", "bitand"} {
			texts = append(texts, name+"("+a+")")
			for _, b := range operands {
				if t := name + "(" + a + ", " + b + ")"; corpus.Pick(t, 40) {
					texts = append(texts, t)
				}
			}
		}
	}
	for _, t := range texts {
		emit.Add("eval", func() (any, error) { return eval(t, env) }, t, "$shared")
	}
	emit.Finish("expr", module+" v1.17.8, operators and functions over every kind of operand")
}

func eval(text string, env map[string]any) (any, error) {
	program, err := expr.Compile(text, expr.Env(env))
	if err != nil {
		return nil, err
	}
	v, err := expr.Run(program, env)
	if err != nil {
		return nil, err
	}
	return plain(v), nil
}
