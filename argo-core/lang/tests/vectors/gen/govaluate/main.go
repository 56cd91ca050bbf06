// Vectors of Knetic/govaluate: plain expressions, and a workflow's `when` with bare words as strings.
package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/Knetic/govaluate"

	"vectors/emit"
)

func main() {
	env := map[string]any{"a": 4.0, "b": 2.0, "s": "str", "t": true, "f": false, "x-y": "dash", "arr": []any{1.0, "two"}, "n": nil}
	emit.Shared = env
	exprs := []string{"1", "1 + 2", "1 + 2 * 3", "(1 + 2) * 3", "10 - 2 - 3", "2 ** 3", "2 ** 3 ** 2", "7 / 2", "7 % 4", "1 / 0", "-1", "- 1", "!true", "!t", "~5", "5 & 3", "5 | 3", "5 ^ 3", "1 << 4", "256 >> 4", "1 == 1", "1 == '1'", "'a' == 'a'", "\"a\" == 'a'", "'a' != 'b'", "1 < 2", "2 <= 2", "'a' < 'b'", "'a' < 1", "a > b", "a + b", "a + s", "s + 'x'", "'x' + 1", "'x' + 1.5", "t && f", "t || f", "f || t && f", "t && 1", "1 && t", "f && 1", "t ? 'y' : 'n'", "f ? 'y' : 'n'", "t ? 'y'", "f ? 'y'", "1 ? 2 : 3", "n ?? 'd'", "a ?? 'd'", "nope", "nope ?? 1", "'two' in arr", "1 in arr", "3 in arr", "'a' in ('a', 'b')", "'c' in ('a', 'b')", "1 in (1)", "1 IN (1,2)", "s =~ '^s'", "s !~ '^s'", "s =~ '['", "1 =~ '1'", "[x-y] == 'dash'", "[x-y]", "x-y", "0x10", "0xzz", "1.5.2", "1e3", "'2024-01-02' > '2024-01-01'", "'2024-01-02'", "'2024-01-02T10:00:00Z' == '2024-01-02T10:00:00Z'", "'12:30PM'", "a.B", "a.b", "a.", "foo(1)", "(1", "1)", "", "   ", "1 +", "+ 1", "* 1", "1 2", "'a' 'b'", "a b", "=", "1 = 2", "a == -1", "a==-1", "a == !t", "!!t", "--1", "1 - -1", "'unclosed", "[unclosed", "@", "1 # 2", "a\\-b", "'it\\'s'", "true", "false", "true == t", "True", "(t)", "((a))", "1,2", "(1,2)", "(1,2,3) == (1,2,3)", "t == (a > b)", "a > b == t", "1 + 2 == 3 && 4 > 3", "a > 1 ? b : s", "a >= 4 && b <= 2 || f", "'é' == 'é'", "'' == ''", "1 == 1.0", "a * b / 2 - 1 + 3 % 2", "100 - 10 * 2 / 5", "1 < 2 == t", "5 > 3 > 1", "in", "a in", "? :", "()", "a ()", "'abc' =~ 'b' && 'abc' !~ 'z'", "a && b", "1 - 2 + 3", "8 / 4 / 2", "2 * 3 % 4", "t ? f ? 1 : 2 : 3", "1 | 2 & 3", "1 + 1 << 2", "!f && t", "!(a > b)", "-a + b", "-(a)", "~a", "s == str", "'a,b' == 'a,b'", "1 === 1", "a <> b", "a => b", "t and f", "t or f", "not t", "null", "nil", "'a' > 'A'", "s > 1", "[a] + [b]", "'\\n'"}
	for _, e := range exprs {
		emit.Add("eval", func() (any, error) {
			x, err := govaluate.NewEvaluableExpression(e)
			if err != nil {
				return nil, err
			}
			v, err := x.Evaluate(env)
			if f, ok := v.(float64); ok && (math.IsInf(f, 0) || math.IsNaN(f)) {
				return nil, nil
			}
			return v, err
		}, e, "$shared")
		emit.Add("when", func() (any, error) { return when(e) }, e)
	}
	for _, e := range []string{"heads == heads", "heads == tails", "yes == 'yes'", "foo-bar == foo-bar", "v1.2 == v1.2", "1.2.3 == 1.2.3", "Succeeded != Failed", "main in (main, dev)", "'' == ''", " == ''", "true", "false", "5 > 3", "5 > abc", "a_b == a_b", "a/b == a/b", "a:b == a:b", "'a b' == 'a b'", "a b == c", "{{x}} == 1", "é == é", "[1,2] == x", "x == [1,2]", "null == null", "\"x\" == x", "a =~ a", "a =~ '^a$'", "1 == 1 && x == x || y != y", "not == not", "{\"a\":1} == 1", "${x} == 1", "a == b ? true : false"} {
		emit.Add("when", func() (any, error) { return when(e) }, e)
	}
	emit.Finish("govaluate", "github.com/Knetic/govaluate 9aa49832a739")
}

func when(e string) (any, error) {
	if e == "" {
		return true, nil
	}
	x, err := govaluate.NewEvaluableExpression(e)
	if err != nil {
		if strings.Contains(err.Error(), "Invalid token") {
			return nil, fmt.Errorf("Invalid 'when' expression '%s': %v (hint: try wrapping the affected expression in quotes (\"))", e, err)
		}
		return nil, fmt.Errorf("Invalid 'when' expression '%s': %v", e, err)
	}
	tokens := x.Tokens()
	for i, t := range tokens {
		if t.Kind == govaluate.VARIABLE {
			tokens[i].Kind = govaluate.STRING
		}
	}
	x, err = govaluate.NewEvaluableExpressionFromTokens(tokens)
	if err != nil {
		return nil, fmt.Errorf("Failed to parse 'when' expression '%s': %v", e, err)
	}
	v, err := x.Evaluate(nil)
	if err != nil {
		return nil, fmt.Errorf("Failed to evaluate 'when' expresion '%s': %v", e, err)
	}
	b, ok := v.(bool)
	if !ok {
		return nil, fmt.Errorf("Expected boolean evaluation for '%s'. Got %v", e, v)
	}
	return b, nil
}
