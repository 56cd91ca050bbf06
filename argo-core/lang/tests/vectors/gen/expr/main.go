// Vectors of expr-lang/expr.
package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/expr-lang/expr"

	"vectors/emit"
)

const envText = `{"a":{"b":[1,2,{"c":"x"}],"s-t":"dash","n":null},"n":5,"f":2.5,"name":"bob","none":null,"yes":true,"no":false,"list":["b","a","c"],"nums":[3,1,2],"people":[{"name":"A","age":30,"tags":["x"]},{"name":"B","age":20,"tags":[]},{"name":"C","age":30,"tags":["x","y"]}],"m":{"k1":1,"k2":2},"empty":[],"txt":"{\"x\":[1,2]}","steps":{"my-step":{"outputs":{"result":"7"}}}}`

func main() {
	time.Local = time.UTC
	if len(os.Args) > 1 {
		map[string]func(){"own": ownTests, "matrix": matrix, "probes": probes}[os.Args[1]]()
		return
	}
	var env map[string]any
	_ = json.Unmarshal([]byte(envText), &env)
	env = ints(env).(map[string]any)
	emit.Shared = env
	exprs := []string{"1", "1.5", "'a'", "\"a\\n\\t\\u00e9\"", "`raw\\n`", "true", "nil", "[1, 2]", "{'a': 1, b: 2}", "{}", "[]", "[1,2,]", "0x1F", "0b101", "0o17", "1_000", ".5", "1.", "1e3", "1E-2", "1__0",
		"1 + 2", "1 + 2.5", "'a' + 'b'", "7 / 2", "7 % 2", "-7 % 3", "7 % 0", "1 / 0 > 1", "2 ** 3", "2 ^ 3", "-2 ** 2", "2 ** 3 ** 2", "2 ** -1", "1 - 2 - 3", "10 / 2 / 5", "1 + 2 * 3 - 4", "(1 + 2) * 3", "-n", "+n", "--n", "- 5", "!yes", "not yes", "not no and yes", "!(yes && no)",
		"1 == 1.0", "1 == '1'", "n == 5", "'a' == 'a'", "[1] == [1]", "[1] == [1.0]", "{'a': 1} == {'a': 1}", "nil == nil", "none == nil", "n != nil", "1 < 2", "1 < 2 < 3", "3 > 2 > 2", "1 <= 1.5", "'a' < 'b'", "'a' < 1", "yes && no", "yes and no", "yes || no", "yes or no", "no || yes && no", "yes && 1", "1 && yes",
		"n in [1, 5]", "'x' in ['a']", "'k1' in m", "'zz' in m", "n not in [1]", "'a' not in ['a']", "1 in nil", "'b' in 'abc'", "name contains 'o'", "name startsWith 'b'", "name endsWith 'b'", "name matches '^b'", "not (name matches 'z')", "name not contains 'z'", "name not matches '^b'", "name matches '['", "none contains 'a'", "1 contains 'a'",
		"1..3", "3..1", "1..1", "(1..3)[1]", "1..n", "'a'..'b'", "yes ? 1 : 2", "no ? 1 : 2", "no ? 1 : yes ? 2 : 3", "1 ? 2 : 3", "none ?? 'd'", "n ?? 'd'", "a.n ?? 'd'", "none?.x", "none?.x.y", "none?.x?.y ?? 'd'", "a?.b", "none.x", "a.zz", "a.zz.y", "a?.zz?.y", "a['s-t']", "a.b[0]", "a.b[-1].c", "a.b[9]", "a.b[-9]", "a['b'][1]", "a?.['b']", "none?.[0]", "name[0]", "name[1:]", "name[:1]", "name[0:2]", "name[-1:]", "list[1:]", "list[:2]", "list[0:9]", "list[5:]", "list[-2:]", "list[2:1]", "nope", "nope ?? 1", "nope.x", "$env.n", "$env['n']", "steps['my-step'].outputs.result", "int(steps['my-step'].outputs.result) + 1", "none ?? none ?? 3", "none ?? 1 + 2", "(none ?? 1) + 2",
		"let x = 1; x + 1", "let x = 1; let y = x + 1; x * y", "let x = 1", "let n2 = n; filter(nums, # > 1) | len() == n2 - 3", "if yes { 1 } else { 2 }", "if no { 1 } else if yes { 2 } else { 3 }", "if yes { 1 }", "1; 2", "1 /* c */ + 2 // d", "// only", "# 1",
		"len(list)", "len(name)", "len('é')", "len(m)", "len(1)", "len(nil)", "len()", "type(1)", "type(1.5)", "type('a')", "type(nil)", "type([])", "type({})", "type(yes)", "abs(-1)", "abs(-1.5)", "abs('a')", "ceil(1.2)", "floor(1.8)", "round(1.5)", "round(2.5)", "round(-1.5)", "int('5')", "int(5.9)", "int(-5.9)", "int('x')", "int(nil)", "int('5.5')", "float('1.5')", "float(2)", "float('x')", "string(1)", "string(1.5)", "string(1e6)", "string(123456789.0)", "string(nil)", "string([1,'a'])", "string({'a': 1})", "string(yes)", "string('a')",
		"trim('  a ')", "trim('xxaxx', 'x')", "trimPrefix('abc', 'a')", "trimSuffix('abc', 'c')", "upper('aé')", "lower('AÉ')", "split('a,b,c', ',')", "split('a,b,c', ',', 2)", "split('abc', '')", "split('', ',')", "splitAfter('a,b', ',')", "replace('aaa', 'a', 'b')", "replace('aaa', 'a', 'b', 2)", "repeat('ab', 3)", "repeat('a', -1)", "repeat('a', 10000000)", "join(list, '-')", "join(list)", "join(nums, ',')", "indexOf('abc', 'c')", "indexOf('abc', 'z')", "lastIndexOf('abca', 'a')", "hasPrefix('abc', 'a')", "hasSuffix('abc', 'c')",
		"max(1, 5, 3)", "min(1, 5, 3)", "max(nums)", "min(nums)", "max(1, 2.5)", "max('a')", "max([])", "mean(nums)", "mean(1, 2)", "median(nums)", "median([1,2,3,4])", "sum(nums)", "sum([1, 2.5])", "sum(empty)", "sum(people, .age)", "mean(empty)",
		"toJSON({'b': 1, 'a': [1, nil]})", "toJSON('<a>')", "toJSON(nil)", "toJSON(1.0)", "toJSON([])", "fromJSON(txt)", "fromJSON(txt).x[1]", "fromJSON('bad')", "fromJSON('1')", "toBase64('hello')", "fromBase64('aGVsbG8=')", "fromBase64('!!')",
		"first(list)", "last(list)", "first(empty)", "last(empty)", "first(nil)", "get(m, 'k1')", "get(m, 'zz')", "get(list, 0)", "get(list, 9)", "get(nil, 'a')", "take(list, 2)", "take(list, 9)", "take(list, -1)", "keys({'a': 1})", "values({'a': 1})", "toPairs({'a': 1})", "fromPairs([['a', 1], ['b', 2]])", "reverse(nums)", "uniq([1, 1, 2])", "uniq(['a', 'b', 'a'])", "concat([1], [2, 3])", "concat([1])", "flatten([1, [2, [3]]])", "sort(nums)", "sort(nums, 'desc')", "sort(list)", "sort([1, 'a'])", "sort(nums, 'up')",
		"all(nums, # > 0)", "all(nums, {# > 1})", "any(nums, # > 2)", "none(nums, # > 5)", "one(nums, # == 2)", "filter(nums, # > 1)", "filter(people, .age > 20)", "map(people, .name)", "map(nums, # * 2)", "map(people, {.name + '!'})", "map(nums, #index)", "count(nums, # > 1)", "count([true, false, true])", "find(nums, # > 1)", "find(nums, # > 9)", "findIndex(nums, # == 2)", "findIndex(nums, # == 9)", "findLast(nums, # > 1)", "findLastIndex(nums, # > 1)", "groupBy(people, .age)[30] | len()", "sortBy(people, .age) | map(.name)", "sortBy(people, .name, 'desc') | map(.name)", "sortBy(people, .age, 'desc') | map(.name)", "reduce(nums, #acc + #)", "reduce(nums, #acc + #, 10)", "reduce(empty, #acc + #)", "filter(people, any(.tags, # == 'x')) | map(.name)", "filter(nums, 1)", "map(nil, #)", "filter(1, #)", "map(nums)", "len(filter(list, # != 'a'))", "people | filter(.age > 20) | map(.name) | join(',')", "nums | sort() | first()", "name | upper() | len()", "all(empty, false)", "any(empty, true)", "map(1..3, # ** 2)", "filter(m, # > 1)",
		"bitand(5, 3)", "bitor(5, 3)", "bitxor(5, 3)", "bitnand(5, 3)", "bitnot(5)", "bitshl(1, 4)", "bitshr(-16, 2)", "bitushr(16, 2)", "bitshl(1, -1)",
		"duration('1h').Hours()", "duration('1h') + duration('30m') == duration('90m')", "string(duration('90s'))", "duration('x')", "date('2024-02-03').Year()", "date('2024-02-03').Month()", "string(date('2024-02-03'))", "date('2024-02-03').Format('Jan 2')", "date('2024-02-03') < date('2024-02-04')", "(date('2024-02-04') - date('2024-02-03')).Hours()", "date('2024-02-03') + duration('24h') == date('2024-02-04')", "date('bad')", "date('2024-02-03T10:00:00Z').Unix()", "date('03/02/2024', '02/01/2006').Day()", "date('2024-02-03').Weekday()", "date('2024-01-01 10:00:00', '2006-01-02 15:04:05', 'Europe/Zurich').UTC().Hour()",
		"", "1 +", "(1", "1)", "[1", "{'a'", "foo(", "a.", "a..b", "1 1", "'unclosed", "@", "a ? b", "let = 1; 2", "&& 1", "a[", "a[1:2:3]", "!", "{1: 2}", "{a}", "\"\\q\"", "1 = 2", "x => 1", "map(nums, )", ".a", "#", "unknownFn(1)", "name()", "n.foo", "name.foo", "len(1, 2)", "n ?: 1", "yes ?: 1", "1.a", "1 .. 3", "not", "not in", "in", "a and", "'a' 'b'", "99999999999999999999", "-9223372036854775808", "9223372036854775807 + 1", "toJSON(1e21)", "1 ?? 2 + 3", "nums[nums[1]]", "nums[f]", "nums['a']", "m[1]", "{'a': {'b': [1]}}.a.b[0]", "[1,2,3][1:]", "'abc'[1]", "(yes)", "((n))", "n > 3 ? name : 'x'", "n > 3 and name == 'bob' ? 'ok' : 'no'", "map(people, {let t = .tags; len(t)})", "len(name) > 2 && name[0:1] == 'b'"}
	evaluate(exprs, env)
	emit.Finish("expr", "github.com/expr-lang/expr v1.17.8")
}

// plain gives maps string keys, as JSON needs them.
func plain(v any) any {
	switch x := v.(type) {
	case map[any]any:
		out := map[string]any{}
		for k, e := range x {
			out[fmt.Sprint(k)] = plain(e)
		}
		return out
	case time.Duration:
		return int64(x)
	case [][2]any:
		out := []any{}
		for _, e := range x {
			out = append(out, []any{plain(e[0]), plain(e[1])})
		}
		return out
	case map[string]any:
		for k := range x {
			x[k] = plain(x[k])
		}
	case *time.Location:
		return x.String()
	case map[any][]any:
		out := map[string]any{}
		for k, e := range x {
			out[fmt.Sprint(k)] = plain(e)
		}
		return out
	case []any:
		for i := range x {
			x[i] = plain(x[i])
		}
	case float64:
		if math.IsInf(x, 0) || math.IsNaN(x) {
			return nil
		}
	}
	return v
}

// ints turns whole floats to ints, as an environment built by Go code has them.
func ints(v any) any {
	switch x := v.(type) {
	case float64:
		if x == float64(int(x)) {
			return int(x)
		}
	case []any:
		for i := range x {
			x[i] = ints(x[i])
		}
	case map[string]any:
		for k := range x {
			x[k] = ints(x[k])
		}
	}
	return v
}

// evaluate adds a case for each expression, over the shared environment.
func evaluate(exprs []string, env map[string]any) {
	for _, e := range exprs {
		emit.Add("eval", func() (any, error) {
			program, err := expr.Compile(e, expr.Env(env))
			if err != nil {
				return nil, err
			}
			v, err := expr.Run(program, env)
			if d, ok := v.(time.Duration); ok {
				return int64(d), err
			}
			return plain(v), err
		}, e, "$shared")
	}
}
