package main

import (
	"fmt"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"

	"vectors/corpus"
	"vectors/emit"
)

// probes are templates where the language has edges.
func probes() {
	emit.Shared = data()
	for _, t := range probeTexts() {
		emit.Add("sprig", func() (any, error) { return run(t, "default", true) }, t, "$shared")
	}
	emit.Finish("template", "Go 1.26 text/template, github.com/Masterminds/sprig/v3 v3.3.0")
}

// sets are what ApplicationSets and notifications take away from Sprig.
func sets() {
	emit.Shared = data()
	texts := []string{"{{.name | upper}}", "{{env \"HOME\"}}", "{{expandenv \"$HOME\"}}", "{{genCA}}", "{{toYaml .map}}", "{{fromYaml \"a: 1\"}}", "{{normalize \"A_b\"}}", "{{slugify \"x\"}}", "{{include \"x\" .}}", "{{tpl \"x\" .}}", "{{required \"x\" .name}}", "{{lookup 1}}", "{{toToml .map}}", "{{.list | join \"-\"}}", "{{call .name}}", "{{slackChannel}}", "{{html .html}}", "{{len .list}}", "{{default \"d\" .missing}}", "{{dict \"a\" 1 | toJson}}", "{{regexReplaceAll \"a+\" \"caat\" \"o\"}}", "{{semverCompare \"^1.2\" \"1.3.0\"}}", "{{fail \"no\"}}", "{{date \"2006\" 0}}", "{{range $i, $e := .list}}{{$i}}{{$e}}{{end}}"}
	for _, op := range []string{"application_set", "notifications"} {
		own := map[string][]string{"application_set": {"normalize", "slugify", "toYaml", "fromYaml", "fromYamlArray", "tpl"}, "notifications": {"slackChannel", "slackUserByEmail", "slackUserGroup"}}[op]
		for _, t := range append(texts, probeTexts()[:60]...) {
			if uses(t, own) {
				continue
			}
			emit.Add(op, func() (any, error) {
				functions := sprig.GenericFuncMap()
				for _, gone := range []string{"env", "expandenv"} {
					delete(functions, gone)
				}
				if op == "application_set" {
					delete(functions, "getHostByName")
				}
				parsed, err := template.New("template").Funcs(functions).Parse(t)
				if err != nil {
					return nil, err
				}
				var out strings.Builder
				if err := parsed.Execute(&out, data()); err != nil {
					return nil, err
				}
				return out.String(), nil
			}, t, "$shared")
		}
	}
	emit.Finish("template", "Go 1.26 text/template with the functions of github.com/Masterminds/sprig/v3 v3.3.0 that ApplicationSets and notifications offer")
}

func uses(text string, names []string) bool {
	for _, name := range names {
		if strings.Contains(text, name) {
			return true
		}
	}
	return false
}

func probeTexts() []string {
	out := append([]string{}, structures...)
	for _, verb := range []string{"d", "5d", "-5d|", "05d", "+d", "x", "X", "#x", "o", "b", "c", "q", "U", "e", "f", ".2f", "8.3f", "g", "G", "s", "10s|", "-10s|", ".2s", "v", "+v", "#v", "T", "t", "z", "5", "[2]d", "[1]v", "*d", "x%", " x", "% x", "6.2f%%", "08b", "+.1e", "#q", "+q", "#o", "O", "v %v"} {
		for _, value := range []string{"42", "-7", "3.14", "\"héy\"", "true", "nil", ".list", ".map", ".f", "'a'", "(dict)", "(int64 9)", ".none"} {
			if text := fmt.Sprintf("{{printf \"%%%s\" %s}}", verb, value); corpus.Pick(text, 2) {
				out = append(out, text)
			}
		}
	}
	values := []string{"1", "1.0", "\"a\"", "\"b\"", "true", "nil", ".n", ".f", ".list", ".map", ".none", "(int64 1)", "'a'", ".missing", "(list 1)", ".zero", ".big"}
	for _, op := range []string{"eq", "ne", "lt", "le", "gt", "ge"} {
		for _, a := range values {
			for _, b := range values {
				if text := "{{" + op + " " + a + " " + b + "}}"; corpus.Pick(text, 5) {
					out = append(out, text)
				}
			}
		}
	}
	layouts := []string{"2006-01-02", "Mon Jan _2 15:04:05 2006", "02 Jan 06 15:04 MST", "3:04PM", "2006-002", "__2", "Jan 2, 2006 at 3:04pm (MST)", "20060102150405", "2006-01-02T15:04:05.000Z07:00", "05.999", "06/1/2", "Monday, January"}
	times := []string{"2024-03-05", "Tue Mar  5 06:07:08 2024", "05 Mar 24 06:07 UTC", "6:07PM", "2024-366", " 65", "Mar 5, 2024 at 6:07pm (PST)", "20240305060708", "2024-03-05T06:07:08.123+02:00", "08.5", "24/3/5", "Tuesday, March", "", "2023-02-30", "x"}
	for _, layout := range layouts {
		for _, time := range times {
			out = append(out, fmt.Sprintf("{{mustToDate %q %q}}", layout, time))
		}
		out = append(out, fmt.Sprintf("{{dateInZone %q (toDate \"2006-01-02T15:04:05Z07:00\" \"2024-03-05T16:07:08.25+05:30\") \"UTC\"}}", layout), fmt.Sprintf("{{dateInZone %q (toDate \"2006-01-02\" \"2024-12-31\") \"Europe/Zurich\"}}", layout))
	}
	for _, text := range []string{"", "a b&c=d/é?", "<script>alert('x')</script>", "a\"b\\c", "line\nbreak\ttab", "日本", "50% +1", "</SCRIPT>", "\u2028", "`x`", "=+@"} {
		for _, f := range []string{"html", "js", "urlquery", "quote", "squote", "b64enc", "b32enc", "sha1sum", "sha256sum", "adler32sum", "snakecase", "camelcase", "kebabcase", "swapcase", "title", "untitle", "initials", "nospace", "toJson", "toRawJson", "trunc 3", "trunc -3", "abbrev 6", "wrap 3", "indent 2", "nindent 1", "repeat 2", "regexQuoteMeta", "len", "printf \"%q\"", "printf \"%x\"", "substr 1 3", "trimAll \"a\"", "splitList \"\"", "upper", "lower", "toStrings", "kindOf", "empty", "urlParse"} {
			out = append(out, fmt.Sprintf("{{%q | %s}}", text, f))
		}
	}
	return out
}

var structures = []string{
	"{{define \"a\"}}{{define \"b\"}}x{{end}}{{end}}", "{{define \"a\"}}<{{template \"b\" .}}>{{end}}{{define \"b\"}}{{.}}{{end}}{{template \"a\" .name}}", "{{template \"r\" 3}}{{define \"r\"}}{{.}}{{if gt . 0}}{{template \"r\" (sub . 1)}}{{end}}{{end}}", "{{block \"b\" .map}}{{.x}}{{end}}{{template \"b\" (dict \"x\" 9)}}", "{{define \"a\"}}1{{end}}{{define \"a\"}}2{{end}}{{template \"a\"}}", "{{define \"a\"}} {{end}}{{define \"a\"}}2{{end}}{{template \"a\"}}", "{{block \"b\" .}}1{{end}}{{define \"b\"}}2{{end}}",
	"{{range .list}}{{if eq . \"b\"}}{{break}}{{end}}{{.}}{{end}}", "{{range .list}}{{if eq . \"b\"}}{{continue}}{{end}}{{.}}{{end}}", "{{range .list}}{{range $.nums}}{{break}}{{end}}{{.}}{{end}}", "{{range .list}}{{with .}}{{break}}{{end}}{{end}}x", "{{break}}", "{{continue}}", "{{if .t}}{{break}}{{end}}", "{{range .list}}{{else}}{{break}}{{end}}", "{{range .list}}{{define \"q\"}}{{break}}{{end}}{{end}}", "{{range .list}}{{break 1}}{{end}}",
	"{{range 3}}{{.}}{{end}}", "{{range $i := 3}}{{$i}}{{end}}", "{{range $i, $v := 3}}{{$i}}{{end}}", "{{range 0}}x{{else}}none{{end}}", "{{range -1}}x{{else}}none{{end}}", "{{range \"abc\"}}{{.}}{{end}}", "{{range 2.5}}{{end}}", "{{range true}}{{end}}", "{{range nil}}{{end}}", "{{range .none}}x{{else}}e{{end}}", "{{range $k, $v := .map}}{{$k}}:{{$v}};{{end}}", "{{range $k, $v := dict \"b\" 1 \"a\" 2}}{{$k}}{{$v}}{{end}}", "{{$x := 1}}{{range .list}}{{$x = add $x 1}}{{end}}{{$x}}", "{{$x := 1}}{{range .list}}{{$x := add $x 1}}{{end}}{{$x}}", "{{range $i, $x := .list}}{{$x = \"q\"}}{{$x}}{{end}}", "{{with $x := .name}}{{$x}}{{end}}{{$x}}", "{{with .none}}a{{else with .name}}b{{.}}{{else}}c{{end}}", "{{if $x := .name}}{{$x}}{{end}}", "{{if and .t .missing}}a{{else if or .no 1}}b{{end}}",
	"a  {{- 1}}  b", "a {{1 -}}  b", "a\n\n{{- 1 -}}\n\nb", "{{- /* c */ -}}", "x{{- \"\" -}}y", "{{-1}}", "{{- -1}}", "{{1 - }}", "{{1-}}", "a {{-}} b", "{{ \"}}\" }}", "{{`}}`}}", "{{/* {{ */}}x", "{{/* a */ }}", "{{ /* a */}}", "{{-/* a */-}}", "{{\n.name\n}}", "{{.name\n|\nupper}}", "{{if .t\n}}x{{end}}",
	"{{1_000}}", "{{0b11}}", "{{0o17}}", "{{017}}", "{{0x1p4}}", "{{1e3}}", "{{1.5e-3}}", "{{.5}}", "{{1i}}", "{{1+2i}}", "{{'\\n'}}", "{{'é'}}", "{{'\\u00e9'}}", "{{\"\\101\"}}", "{{9223372036854775807}}", "{{9223372036854775808}}", "{{1e400}}", "{{0xffffffffffffffff}}", "{{-0}}", "{{+1}}", "{{1.}}", "{{1e}}", "{{08}}",
	"{{.map.x}}", "{{.map.z.w}}", "{{.map.q}}", "{{.map.q.r}}", "{{.map.x.y}}", "{{(.map).z.w}}", "{{$.name}}", "{{.}}", "{{$}}", "{{.name.}}", "{{.name..}}", "{{.Name}}", "{{.map.x 1}}", "{{.list.0}}", "{{index .list 0}}", "{{index .list 9}}", "{{index .list -1}}", "{{index .list \"a\"}}", "{{index .map \"x\"}}", "{{index .map \"q\"}}", "{{index .map 1}}", "{{index .users 0 \"n\"}}", "{{index .users 0 \"tags\" 0}}", "{{index .name 0}}", "{{index nil 0}}", "{{index .none 0}}", "{{index .list}}", "{{index}}", "{{index 1 0}}", "{{slice .list 1 2}}", "{{slice .name 1}}", "{{slice .name 1 2 3}}", "{{slice .list 2 1}}", "{{slice .list 0 9}}", "{{slice 1 0}}",
	"{{and}}", "{{or}}", "{{and 0 (fail \"x\")}}", "{{or 1 (fail \"x\")}}", "{{not}}", "{{not 1 2}}", "{{and 1 0 (fail \"x\")}}", "{{or \"\" 0 nil}}", "{{and nil 1}}", "{{not nil}}", "{{eq}}", "{{eq 1}}", "{{eq 1 2 3 1}}", "{{eq .list .list}}", "{{eq .map .map}}", "{{eq nil nil}}", "{{ne 1 1 1}}", "{{print 1 2 \"a\" \"b\" 3 nil}}", "{{println 1 \"a\"}}", "{{print .list .map}}", "{{print nil}}", "{{nil}}", "{{nil | print}}", "{{print (print)}}", "{{len nil}}", "{{len 1}}", "{{call nil}}", "{{call 1}}", "{{call}}", "{{html nil 1 \"<\"}}", "{{js nil \"'\" 1}}", "{{urlquery nil 1 \"& \"}}",
	"{{.name | upper | printf \"%s-%s\" .n}}", "{{.name | 1}}", "{{1 | .name}}", "{{(1) | print}}", "{{\"a\" | printf}}", "{{printf | print}}", "{{upper}}", "{{upper 1}}", "{{upper .list}}", "{{upper nil}}", "{{upper .none}}", "{{add \"x\"}}", "{{$x := 1 | add 2}}{{$x}}", "{{$x, $y := .list}}", "{{$x := }}", "{{$x = 1}}", "{{$.x = 1}}", "{{$1 := 2}}{{$1}}", "{{$é := 2}}{{$é}}", "{{template}}", "{{template .name}}", "{{template \"x\" 1 2}}", "{{define}}x{{end}}", "{{define \"x\" .}}y{{end}}", "{{block \"x\"}}{{end}}", "{{else}}", "{{end}}", "{{if .t}}{{else}}{{else if .t}}{{end}}", "{{with .t}}{{else if .t}}{{end}}", "{{range .list}}{{else if .t}}{{end}}", "{{if}}", "{{with}}", "{{range}}{{end}}", "{{if .t}}", "{{end .t}}", "{{if .t}}{{end}}{{end}}", "{{nope}}", "{{.name | nope}}", "{{\"a}}", "{{`a}}", "{{'a}}", "{{''}}", "{{(}}", "{{)}}", "{{()}}", "{{1 2}}", "{{.a b}}", "{{true 1}}", "{{nil 1}}", "{{@}}", "{{a-b}}", "{{.a-b}}", "{{.a b.c}}", "{{}}", "{{ }}", "{{|}}", "{{.name |}}", "{{\x00}}",
	"{{dict | toJson}}", "{{dict 1 2 3 | toJson}}", "{{dict nil 1 | toJson}}", "{{set (dict) \"a\" 1 | toJson}}", "{{merge (dict \"a\" nil) (dict \"a\" 1) | toJson}}", "{{merge (dict \"a\" (list 1)) (dict \"a\" (list 2)) | toJson}}", "{{mergeOverwrite (dict \"a\" (dict \"b\" 1)) (dict \"a\" 2) | toJson}}", "{{mustMerge (dict \"a\" 1) (dict \"b\" 2) | toJson}}", "{{deepCopy (dict \"a\" (list 1)) | toJson}}", "{{dig \"a\" \"b\" \"c\" (dict \"a\" (dict \"b\" 0))}}", "{{dig \"a\" \"b\" \"c\" (dict \"a\" 1)}}", "{{dig \"a\" (dict)}}", "{{pluck \"a\" (dict \"a\" 1) (dict) (dict \"a\" nil) | toJson}}", "{{keys (dict \"a\" 1) (dict \"b\" 2) | sortAlpha}}", "{{pick (dict \"a\" 1 \"b\" 2) \"b\" \"c\" | toJson}}", "{{omit (dict \"a\" 1 \"b\" 2) \"b\" \"c\" | toJson}}", "{{has nil (list 1 nil)}}", "{{without (list 1 2 1) 1 | toJson}}", "{{uniq (list 1 1.0 \"1\") | toJson}}", "{{chunk 2 (list 1 2 3) | toJson}}", "{{chunk -1 (list 1)}}", "{{slice (list 1 2 3) 1 3 | toJson}}", "{{reverse (list 1 2) | toJson}}", "{{concat (list 1) (list) (list 2) | toJson}}", "{{append nil 1}}", "{{first nil}}", "{{last (list)}}", "{{rest (list 1) | toJson}}", "{{initial (list 1 2) | toJson}}", "{{compact (list 0 nil \"\" false 1) | toJson}}", "{{until 0 | toJson}}", "{{untilStep 0 10 3 | toJson}}", "{{untilStep 0 10 0 | toJson}}", "{{seq 1 2 0}}", "{{seq 0.5}}", "{{max}}", "{{max \"5\" 3}}", "{{min 1 -2 3}}", "{{round 2.5 0}}", "{{round -2.5 0}}", "{{round 1e20 2}}", "{{floor -0.5}}", "{{ceil -0.5}}", "{{div 7 -2}}", "{{mod -7 3}}", "{{mod 1 0}}", "{{mulf 1e308 10}}", "{{divf 1 0}}", "{{addf 0.1 0.2}}", "{{int \"0x1f\"}}", "{{int \"010\"}}", "{{int \"1e3\"}}", "{{int 1e30}}", "{{int true}}", "{{int nil}}", "{{int64 \"9223372036854775808\"}}", "{{float64 \"1e400\"}}", "{{float64 \"0x1p3\"}}", "{{atoi \" 1\"}}", "{{toDecimal \"0777\"}}", "{{toDecimal \"9\"}}", "{{toString nil}}", "{{toString (list 1 \"a\")}}", "{{toStrings (list 1 nil) | toJson}}",
	"{{regexMatch \"(\" \"a\"}}", "{{mustRegexFind \"(\" \"a\"}}", "{{regexFindAll \"a*\" \"baaab\" -1 | toJson}}", "{{regexFindAll \"a*\" \"baaab\" 0 | toJson}}", "{{regexReplaceAll \"(a)(b)?\" \"abac\" \"$2$1-\"}}", "{{regexReplaceAll \"a\" \"a$1\" \"$$\"}}", "{{regexReplaceAll \"(?P<x>a)\" \"ba\" \"${x}!\"}}", "{{regexReplaceAllLiteral \"a\" \"ba\" \"$1\"}}", "{{regexSplit \",\" \"a,b,,c\" -1 | toJson}}", "{{regexSplit \"\" \"abc\" -1 | toJson}}", "{{regexSplit \",\" \"a,b\" 0 | toJson}}", "{{semver \"1.2.3-rc.1+b\" | toJson}}", "{{(semver \"v1.2\").Original}}", "{{semverCompare \">1.x\" \"2.0.0-rc\"}}", "{{semverCompare \"~1\" \"x\"}}", "{{(semver \"1.2.3\").Compare (semver \"1.2.4\")}}", "{{((semver \"1.2.3\").IncMinor).String}}", "{{sha512sum \"\"}}", "{{b64dec \"YQ\"}}", "{{b64dec \"YQ==\"}}", "{{b32dec \"x\"}}", "{{fromJson \"[1,{}]\" | toJson}}", "{{fromJson \"{\" | toJson}}", "{{mustFromJson \"{\"}}", "{{fromJson \"1.0\"}}", "{{fromJson \"12345678901234567890\"}}", "{{toJson 1e21}}", "{{toJson 0.1}}", "{{toPrettyJson (dict \"b\" (list 1) \"a\" (dict)) }}", "{{ternary 1 2 nil}}", "{{ternary 1 2 \"x\"}}", "{{coalesce nil 0 \"\" (list)}}", "{{default nil nil}}", "{{default 1 nil 2}}", "{{empty nil}}", "{{empty (dict)}}", "{{all}}", "{{any}}", "{{fail}}", "{{fail 1}}", "{{typeOf (dict)}}", "{{typeOf (list)}}", "{{kindOf (int64 1)}}", "{{typeIs \"int\" 1}}", "{{typeIsLike \"int\" 1}}", "{{kindIs \"invalid\" nil}}", "{{deepEqual nil nil}}", "{{deepEqual (list) nil}}", "{{duration \"95x\"}}", "{{durationRound 3600}}", "{{durationRound \"-90m\"}}", "{{unixEpoch 0}}", "{{dateModify \"-1.5h\" (toDate \"2006-01-02\" \"2024-03-05\") | date \"2006-01-02 15:04\"}}", "{{mustDateModify \"x\" (toDate \"2006-01-02\" \"2024-03-05\")}}", "{{toDate \"2006-01-02\" \"x\" | date \"2006\"}}", "{{cat}}", "{{cat nil nil}}", "{{plural \"a\" \"b\" 0}}", "{{plural \"a\" \"b\" -1}}", "{{substr 2 1 \"abc\"}}", "{{substr 0 -1 \"abc\"}}", "{{substr 5 9 \"abc\"}}", "{{trunc 0 \"abc\"}}", "{{abbrevboth 1 2 \"abc\"}}", "{{wrapWith 3 \"-\" \"abcdef gh\"}}", "{{split \"\" \"ab\" | toJson}}", "{{splitn \",\" 1 \"a,b\" | toJson}}", "{{splitn \",\" 0 \"a,b\" | toJson}}", "{{join \",\" (dict \"a\" 1)}}", "{{sortAlpha \"x\" | toJson}}", "{{sortAlpha (list 2 10 \"1\") | toJson}}", "{{replace \"\" \"-\" \"ab\"}}", "{{trimPrefix \"\" \"a\"}}", "{{contains \"\" \"\"}}", "{{indent -1 \"a\"}}", "{{base \"/\"}}", "{{dir \"\"}}", "{{ext \".a\"}}", "{{clean \"\"}}", "{{isAbs \"\"}}", "{{osBase \"a/\"}}", "{{urlParse \"http://[::1]:80/a%20b?q=1&q=2#é\" | toJson}}", "{{urlParse \":bad\"}}", "{{urlJoin (dict \"host\" \"h\" \"scheme\" \"s\" \"userinfo\" \"u:p@\")}}", "{{urlJoin (dict)}}",
}
