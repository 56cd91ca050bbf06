package main

import (
	"encoding/json"
	"fmt"

	"vectors/emit"
)

// probes are expressions where the language has edges.
func probes() {
	var env map[string]any
	_ = json.Unmarshal([]byte(envText), &env)
	env = ints(env).(map[string]any)
	emit.Shared = env
	emit.Errors = "exact"
	var texts []string
	add := func(format string, args ...any) { texts = append(texts, fmt.Sprintf(format, args...)) }
	bounds := []string{"", "0", "1", "2", "-1", "-2", "9", "-9", "n"}
	for _, of := range []string{"nums", "name", "empty", "list", "'aéz'", "none"} {
		for _, from := range bounds {
			add("%s[%s:%s]", of, from, "2")
			add("%s[%s:%s]", of, from, "")
			add("%s[%s:%s]", of, "1", from)
			if from != "" {
				add("%s[%s]", of, from)
			}
		}
	}
	for _, body := range []string{"#", "# > 1", "#index", "# + #index", "{# == 2 and true}", "let x = #; x * 2", "#acc", ".missing", "nil", "'s'", "not (# > 1)", "[#]", "{k: #}", "#.a", "# in [1, 2]", "type(#)", "1; #", "# ?? 0"} {
		for _, f := range []string{"map", "filter", "all", "any", "none", "one", "count", "sum", "find", "findIndex", "findLast", "findLastIndex", "groupBy", "sortBy"} {
			add("%s(nums, %s)", f, body)
		}
		add("map(1..3, map(1..2, %s))", body)
		add("reduce(nums, %s)", body)
		add("reduce(nums, %s, 10)", body)
		add("nums | map(%s) | len()", body)
	}
	for _, text := range []string{`'\n'`, `"\t\\"`, `'\x41'`, `'\u0041'`, `'\u{1F600}'`, `'\U0001F600'`, `'\101'`, `'\q'`, `'\'`, `'a"b'`, `"a'b"`, "`a\\n`", "`a``b`", `'é'`, `'\u00e9' == 'é'`, `"\a\b\f\v\r"`, `'\x4'`, `'\u12'`, `'\400'`, `b"ab"`, `b'\xff'`, `b"é"`, `b"\u0041"`, `string(b"ab")`, `len(b"abc")`, `b"a" == b"a"`} {
		add("%s", text)
		add("len(%s)", text)
	}
	for _, it := range []string{"none?.x", "none?.x.y", "none.x", "a.n?.q", "a.n.q", "a?.b[0]", "a.zz", "a.zz?.q", "a.zz.q", "a['zz']", "a?.['b']", "a?.b?.[2]?.c", "none?.[0]", "none?.f()", "name?.x", "(none)?.x ?? 1", "none ?? none ?? 3", "none ?? (1 + 2)", "none ?? 1 + 2", "1 + none ?? 2", "1 + (none ?? 2)", "nope", "nope?.x", "a.b.c", "name.x", "n.x", "list.x", "list['x']", "m[1]", "m['k1']", "m.k1 + m['k2']", "'k1' in m", "1 in nums", "n in 1..9", "'b' not in list", "nil in list", "n not in none", "[1] in [[1]]", "n matches '5'", "name matches '^b'", "name matches '['", "name not matches 'x'", "name contains none", "none contains 'a'", "name startsWith 'b' and name endsWith 'b'", "not name contains 'z'", "!(name contains 'z')"} {
		add("%s", it)
		add("string(%s)", it)
	}
	for _, it := range []string{"let x = 1; let x = 2; x", "let n = 1; n", "let len = 1; len", "let x = 1, 2", "let x = 1", "let = 1; 1", "let x 1; x", "x; 1", "1; 2", "1; 2; 3", "(1; 2) + 1", "let f = 1; f()", "let x = let y = 2; y; x", "if yes {1}", "if yes {1} else {2}", "if no {1} else if yes {2} else {3}", "if n {1} else {2}", "if yes {let x = 4; x} else {0} + 1", "(if yes {1} else {2}) + 1", "yes ? 1 : no ? 2 : 3", "yes ? no ? 1 : 2 : 3", "yes ?: 2", "none ?: 2", "yes ? 'a' : 1", "1 ? 2 : 3", "yes and 1", "1 or yes", "not 1", "!name", "-name", "+none", "-true", "1 < 'a'", "'a' < 'b' < 'c'", "1 < 2 == true", "1 < 2 < 3 < 4", "1 == 1 == true", "nil < 1", "[1] < [2]", "true < false", "1..3 == [1,2,3]", "3..1 | len()", "1.5..3", "'a'..'c'", "1..1000001", "1 / 0", "1 % 0", "5 % -3", "5.5 % 2", "2 ** 0.5", "0 ** 0", "(-8) ** (1/3)", "9223372036854775807 + 1", "-9223372036854775808", "1e308 * 10", "0.1 + 0.2", "1_000 + 1", "0x_1", "1__0", "1e3", "1.e3", ".5 + 5.", "0b2", "0o8", "0xg"} {
		add("%s", it)
	}
	for _, it := range []string{"date('2024-03-05')", "date('2024-03-05T06:07:08Z')", "date('2024-03-05T06:07:08+02:00')", "date('05 Mar 24 06:07 UTC')", "date('2024-03-05 06:07:08')", "date('06:07:08')", "date('2024-02-30')", "date('x')", "date('')", "date('05.03.2024', '02.01.2006')", "date('x', '2006')", "date('2024-03-05 06:07', '2006-01-02 15:04', 'Europe/Zurich')", "date('2024-03-05', '2006-01-02', 'Nowhere/X')"} {
		for _, m := range []string{".Year()", ".Month()", ".Weekday()", ".YearDay()", ".Unix()", ".Format('Mon Jan _2 15:04:05 MST 2006')", ".Add(duration('25h')).Day()", ".Sub(date('2024-01-01')).Hours()", ".In(timezone('Asia/Tokyo')).Hour()", ".Truncate(duration('1h')).Minute()", ".Before(date('2025-01-01'))", ".IsZero()", ".Nope()", ".String()"} {
			add("%s%s", it, m)
		}
		add("%s + duration('1h') > %s", it, it)
		add("(%s - date('2024-01-01')).String()", it)
	}
	for _, it := range []string{"1h", "90m", "1.5h", "-2s", "1h1m1s1ms1us1ns", "0", "", "x", "1", "1d", "µ", "1µs", "9223372036854775807ns", "9223372036854775808ns", "1e3s", ".5s", "+1s"} {
		for _, m := range []string{".Hours()", ".Minutes()", ".Seconds()", ".Milliseconds()", ".String()", ".Round(duration('1m')).String()", ".Abs().String()"} {
			add("duration('%s')%s", it, m)
		}
	}
	evaluate(texts, env)
	emit.Finish("expr", "github.com/expr-lang/expr v1.17.8")
}
