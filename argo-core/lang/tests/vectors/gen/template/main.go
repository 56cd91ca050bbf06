// Vectors of text/template with Masterminds/sprig v3.
package main

import (
	"encoding/json"
	"os"
	"strings"
	"text/template"
	"time"

	"github.com/Masterminds/sprig/v3"

	"vectors/emit"
)

const dataText = `{"name":"bob","n":3,"f":2.5,"big":1234567,"list":["a","b","c"],"nums":[3,1,2],"map":{"y":2,"x":1,"z":{"w":"deep"}},"none":null,"t":true,"no":false,"empty":"","zero":0,"el":[],"em":{},"users":[{"n":"A","tags":["x"]},{"n":"B","tags":[]}],"html":"<a href=\"x\">'&'</a>","text":"line1\nline2\n"}`

func main() {
	time.Local = time.UTC
	if len(os.Args) > 1 {
		map[string]func(){"go": ownTests, "sprig": sprigTests, "helm": helmTests, "probes": probes, "sets": sets}[os.Args[1]]()
		return
	}
	emit.Shared = data()
	plain := []string{"", "text", "{{.name}}", "{{ .name }}", "{{- .name -}}", "a {{- .name }} b", "a {{ .name -}} b", "a\n{{- .name}}\nb", "{{/* c */}}x", "{{- /* c */ -}} x", "x {{- /* c */}} y", "{{/* c */ }}", "{{.n}}", "{{.f}}", "{{.big}}", "{{.list}}", "{{.map}}", "{{.none}}", "{{.missing}}", "{{.missing.x}}", "{{.none.x}}", "{{.name.x}}", "{{.map.x}}", "{{.map.z.w}}", "{{.map.q}}", "{{.map.q.r}}", "{{.}}", "{{$}}", "{{$.name}}", "{{1}}", "{{-1}}", "{{1.5}}", "{{1e3}}", "{{0x10}}", "{{'a'}}", "{{\"q\\n\"}}", "{{`raw`}}", "{{true}}", "{{nil}}", "{{1_000}}", "{{.t}}",
		"{{if .t}}1{{end}}", "{{if .no}}1{{else}}2{{end}}", "{{if .zero}}1{{else if .name}}2{{else}}3{{end}}", "{{if .el}}1{{else}}0{{end}}", "{{if .em}}1{{else}}0{{end}}", "{{if .none}}1{{else}}0{{end}}", "{{if not .t}}1{{else}}0{{end}}", "{{with .map}}{{.x}}{{end}}", "{{with .none}}x{{else}}y{{end}}", "{{with .none}}x{{else with .name}}{{.}}{{end}}", "{{with $x := .n}}{{$x}}{{end}}",
		"{{range .list}}{{.}},{{end}}", "{{range $i, $e := .list}}{{$i}}{{$e}}{{end}}", "{{range $e := .list}}{{$e}}{{end}}", "{{range .map}}{{.}} {{end}}", "{{range $k, $v := .map}}{{$k}}={{$v}} {{end}}", "{{range .el}}x{{else}}none{{end}}", "{{range .none}}x{{else}}none{{end}}", "{{range .n}}x{{end}}", "{{range 3}}{{.}}{{end}}", "{{range $i := 3}}{{$i}}{{end}}", "{{range .name}}x{{end}}", "{{range .list}}{{if eq . \"b\"}}{{break}}{{end}}{{.}}{{end}}", "{{range .list}}{{if eq . \"b\"}}{{continue}}{{end}}{{.}}{{end}}", "{{range .users}}{{.n}}{{range .tags}}[{{.}}]{{end}}{{end}}", "{{range $i, $u := .users}}{{$i}}{{$u.n}}{{end}}",
		"{{$x := 1}}{{$x}}", "{{$x := 1}}{{$x = 2}}{{$x}}", "{{$x := 1}}{{if .t}}{{$x = 2}}{{end}}{{$x}}", "{{$x := 1}}{{if .t}}{{$x := 2}}{{end}}{{$x}}", "{{$x}}", "{{$x = 1}}", "{{$m := .map}}{{$m.x}}", "{{define \"T\"}}<{{.}}>{{end}}{{template \"T\" .name}}", "{{template \"T\"}}", "{{define \"T\"}}{{.}}{{end}}{{template \"T\"}}", "{{block \"B\" .n}}b{{.}}{{end}}", "{{define \"T\"}}{{$.name}}{{end}}{{template \"T\" .}}",
		"{{and 1 0}}", "{{and 1 2}}", "{{or 0 \"\"}}", "{{or 0 2}}", "{{and .none .none.x}}", "{{not 0}}", "{{len .list}}", "{{len .map}}", "{{len .name}}", "{{len 3}}", "{{len .none}}", "{{index .list 1}}", "{{index .list 9}}", "{{index .map \"x\"}}", "{{index .map \"q\"}}", "{{index .map \"z\" \"w\"}}", "{{index .users 0 \"n\"}}", "{{index .none 1}}", "{{index .list \"a\"}}", "{{index .list}}", "{{print 1 2 \"x\" 3 4}}", "{{print \"a\" \"b\"}}", "{{print .none}}", "{{println 1 \"a\"}}", "{{printf \"%d-%s\" 1 \"x\"}}", "{{printf \"%v\" .list}}", "{{printf \"%d\" .n}}", "{{printf \"%.2f\" .f}}", "{{printf \"%q\" .name}}", "{{printf \"%5s|%-5s|\" .name .name}}", "{{printf \"%T\" .n}}", "{{printf}}", "{{html .html}}", "{{js .html}}", "{{urlquery .html}}", "{{.html | html}}", "{{eq 1 1}}", "{{eq 1 2 1}}", "{{eq .name \"bob\"}}", "{{eq .n 3}}", "{{eq .n 3.0}}", "{{eq .none nil}}", "{{ne 1 2}}", "{{lt 1 2}}", "{{le 2 2}}", "{{gt \"b\" \"a\"}}", "{{ge 1.5 1.5}}", "{{lt 1 \"a\"}}", "{{eq .list .list}}", "{{lt .t .no}}", "{{eq 1}}", "{{lt 1}}", "{{call .name}}", "{{.name | printf \"%s-%s\" \"x\"}}", "{{(index .users 0).n}}", "{{(.map).x}}", "{{\"a\" | print \"b\" | len}}", "{{.list | len}}", "{{.n | printf \"%v %v\" 1}}",
		"{{", "{{.name", "{{.name}", "{{end}}", "{{if}}{{end}}", "{{if .t}}", "{{else}}", "{{range .list}}", "{{nofn}}", "{{.a b}}", "{{1 2}}", "{{\"unclosed}}", "{{.name | }}", "{{| .name}}", "{{(1}}", "{{1)}}", "{{break}}", "{{define \"x\"}}", "{{define x}}{{end}}", "{{template x}}", "{{$}", "{{.name.}}", "{{/* unclosed", "{{if .t}}{{else}}{{else}}{{end}}", "{{.x := 1}}", "{{nil | print}}", "{{'ab'}}", "{{1a}}", "{{-}}", "{{ - 1}}", "{{a.b}}", "{{if .t}}x{{end .t}}", "{{with}}{{end}}", "{{$x, $y := .list}}", "{{template \"nope\" .}}", "{{block \"x\"}}{{end}}", "{{ .name.x.y }}", "{{ .list.x }}", "{{ .list 1 }}", "{{ print (printf \"%d\" 1) }}", "{{ \"a\\x41\\u00e9\" }}", "{{not}}", "{{.missing | len}}", "{{print .missing}}"}
	sp := []string{"{{abbrev 5 \"hello world\"}}", "{{abbrev 3 \"hello\"}}", "{{abbrevboth 5 10 \"1234 5678 9123\"}}", "{{trunc 3 \"hello\"}}", "{{trunc -3 \"hello\"}}", "{{trunc 9 \"hello\"}}", "{{trim \"  a \"}}", "{{trimAll \"$\" \"$5$\"}}", "{{trimSuffix \"-\" \"a-\"}}", "{{trimPrefix \"-\" \"-a\"}}", "{{upper \"aé\"}}", "{{lower \"AÉ\"}}", "{{title \"hello wORLD foo-bar\"}}", "{{untitle \"Hello World\"}}", "{{repeat 3 \"ab\"}}", "{{repeat -1 \"a\"}}", "{{substr 0 2 \"abc\"}}", "{{substr -1 2 \"abc\"}}", "{{substr 1 -1 \"abc\"}}", "{{substr 1 9 \"abc\"}}", "{{nospace \" a b \"}}", "{{initials \"First Try\"}}", "{{swapcase \"aBc De\"}}", "{{wrap 5 \"hello big world\"}}", "{{wrapWith 5 \"|\" \"hello bigbigworld\"}}", "{{contains \"a\" \"cat\"}}", "{{hasPrefix \"c\" \"cat\"}}", "{{hasSuffix \"t\" \"cat\"}}", "{{quote \"a\" 1 nil \"b\\\"c\"}}", "{{squote \"a\" 1 \"it's\"}}", "{{cat \"a\" 1 nil \"b\"}}", "{{indent 2 .text}}", "{{nindent 2 \"a\\nb\"}}", "{{replace \"a\" \"b\" \"aaa\"}}", "{{plural \"one\" \"many\" 1}}", "{{plural \"one\" \"many\" 2}}", "{{sortAlpha .list}}", "{{sortAlpha (list 3 \"a\" 1)}}", "{{split \"-\" \"a-b-c\"}}", "{{(split \"-\" \"a-b\")._1}}", "{{splitList \",\" \"a,b\"}}", "{{splitn \"-\" 2 \"a-b-c\"}}", "{{join \"-\" .list}}", "{{join \"-\" (list 1 nil \"a\")}}", "{{join \"-\" \"x\"}}", "{{toString 1.5}}", "{{toString .list}}", "{{toStrings .nums}}", "{{upper 1}}",
		"{{snakecase \"FirstName\"}}", "{{snakecase \"HTTPServer\"}}", "{{snakecase \"foo bar-baz\"}}", "{{snakecase \"NoHTTPS\"}}", "{{snakecase \"GO_PATH\"}}", "{{snakecase \"http2xx\"}}", "{{snakecase \"HTTP20xOK\"}}", "{{snakecase \"a1B2\"}}", "{{camelcase \"http_server\"}}", "{{camelcase \"foo-bar baz\"}}", "{{camelcase \"_foo_\"}}", "{{camelcase \"FOO_BAR\"}}", "{{kebabcase \"FirstName\"}}", "{{kebabcase \"HTTPServer\"}}",
		"{{regexMatch \"^a+$\" \"aaa\"}}", "{{regexMatch \"[\" \"a\"}}", "{{regexFind \"[a-z]+\" \"12ab\"}}", "{{regexFind \"z\" \"a\"}}", "{{regexFindAll \"[0-9]\" \"1a2b3\" 2}}", "{{regexFindAll \"[0-9]\" \"1a2b3\" -1}}", "{{regexReplaceAll \"a(x*)b\" \"-ab-axxb-\" \"${1}W\"}}", "{{regexReplaceAll \"a(x*)b\" \"-ab-\" \"$1W\"}}", "{{regexReplaceAllLiteral \"a(x*)b\" \"-ab-\" \"${1}\"}}", "{{regexSplit \"z+\" \"pizza\" -1}}", "{{regexSplit \"z+\" \"pizza\" 1}}", "{{regexSplit \"a\" \"banana\" 2}}", "{{regexQuoteMeta \"1.2+3\"}}", "{{mustRegexMatch \"[\" \"a\"}}", "{{regexFind \"[\" \"a\"}}",
		"{{atoi \"12\"}}", "{{atoi \"x\"}}", "{{int 3.9}}", "{{int \"12\"}}", "{{int \"x\"}}", "{{int64 \"0x10\"}}", "{{float64 \"1.5\"}}", "{{float64 1}}", "{{toDecimal 777}}", "{{until 3}}", "{{until -3}}", "{{untilStep 3 6 2}}", "{{untilStep 6 0 -2}}", "{{untilStep 0 5 -1}}", "{{add 1 2 3}}", "{{add}}", "{{add1 4}}", "{{sub 5 2}}", "{{div 7 2}}", "{{div 7 0}}", "{{mod 7 3}}", "{{mul 2 3 4}}", "{{add \"1\" 2.7}}", "{{add1f 1.5}}", "{{addf 0.1 0.2}}", "{{subf 7.5 2 3}}", "{{divf 10 3}}", "{{mulf 1.5 2}}", "{{divf 10 0}}", "{{max 1 5 3}}", "{{biggest 1 2}}", "{{min 4 2}}", "{{maxf 1 2.5}}", "{{minf 1.5 3}}", "{{ceil 1.2}}", "{{floor 1.8}}", "{{round 123.5555 3}}", "{{round 123.555 2}}", "{{round -1.55 1}}", "{{round 123.5555 3 0.6}}", "{{seq 5}}", "{{seq -3}}", "{{seq 0 2}}", "{{seq 2 -2}}", "{{seq 0 2 10}}", "{{seq 0 -2 -5}}", "{{seq}}",
		"{{date \"2006-01-02\" (toDate \"2006-01-02\" \"2024-03-05\")}}", "{{dateInZone \"15:04 MST\" (toDate \"2006-01-02\" \"2024-03-05\") \"UTC\"}}", "{{dateInZone \"15:04\" (toDate \"2006-01-02\" \"2024-03-05\") \"Europe/Zurich\"}}", "{{toDate \"2006-01-02\" \"2024-03-05\" | dateModify \"25h\" | date \"2006-01-02 15\"}}", "{{toDate \"2006-01-02\" \"2024-03-05\" | dateModify \"bad\" | date \"2006-01-02\"}}", "{{htmlDate 0}}", "{{htmlDateInZone 0 \"UTC\"}}", "{{date \"2006\" 86400}}", "{{unixEpoch (toDate \"2006-01-02\" \"2024-03-05\")}}", "{{duration 95}}", "{{duration \"95\"}}", "{{durationRound \"2h10m5s\"}}", "{{durationRound \"2400h10m5s\"}}", "{{durationRound \"59s\"}}", "{{durationRound \"1h\"}}", "{{mustToDate \"2006-01-02\" \"x\"}}", "{{(toDate \"2006-01-02\" \"2024-03-05\").Year}}", "{{(toDate \"2006-01-02\" \"2024-03-05\").Unix}}",
		"{{default \"d\" .missing}}", "{{default \"d\" 0}}", "{{default \"d\" .name}}", "{{default \"d\" false}}", "{{default true false}}", "{{.empty | default \"x\"}}", "{{empty .el}}", "{{empty .zero}}", "{{empty \"a\"}}", "{{coalesce 0 1 2}}", "{{coalesce .none .name}}", "{{coalesce}}", "{{all 1 \"a\" true}}", "{{all 1 0}}", "{{any 0 \"\" 1}}", "{{compact (list 1 0 \"\" \"a\")}}", "{{ternary \"a\" \"b\" true}}", "{{true | ternary \"a\" \"b\"}}", "{{ternary 1 2 .no}}", "{{fail \"boom\"}}", "{{typeOf 1}}", "{{typeOf .n}}", "{{typeOf .list}}", "{{typeOf .map}}", "{{typeOf \"a\"}}", "{{typeOf nil}}", "{{typeIs \"string\" \"a\"}}", "{{typeIsLike \"string\" \"a\"}}", "{{kindOf .list}}", "{{kindOf .map}}", "{{kindOf .none}}", "{{kindIs \"map\" .map}}", "{{deepEqual (list 1 2) (list 1 2)}}", "{{deepEqual 1 1.0}}", "{{deepCopy .map}}",
		"{{list 1 2}}", "{{tuple 1 \"a\"}}", "{{first .list}}", "{{rest .list}}", "{{last .list}}", "{{initial .list}}", "{{first (list)}}", "{{rest (list)}}", "{{append .list \"d\"}}", "{{prepend .list \"z\"}}", "{{push .list 1}}", "{{concat .list (list 1)}}", "{{reverse .list}}", "{{uniq (list 1 1 2)}}", "{{without .list \"a\"}}", "{{has \"a\" .list}}", "{{has 4 .list}}", "{{slice .list 1}}", "{{slice .list 1 2}}", "{{slice .list}}", "{{slice .list 5}}", "{{chunk 2 .list}}", "{{chunk 0 .list}}", "{{first \"abc\"}}", "{{append 1 2}}", "{{mustFirst .list}}", "{{has 1 nil}}",
		"{{dict \"a\" 1 \"b\"}}", "{{get (dict \"a\" 1) \"a\"}}", "{{get (dict) \"a\"}}", "{{$d := dict \"a\" 1}}{{$_ := set $d \"b\" 2}}{{$d}}", "{{unset (dict \"a\" 1 \"b\" 2) \"a\"}}", "{{hasKey .map \"x\"}}", "{{pluck \"n\" (index .users 0) (index .users 1) (dict)}}", "{{keys (dict \"a\" 1)}}", "{{keys .map | sortAlpha}}", "{{values (dict \"a\" 1)}}", "{{pick .map \"x\" \"q\"}}", "{{omit .map \"x\"}}", "{{merge (dict \"a\" 1) (dict \"a\" 2 \"b\" 3)}}", "{{merge (dict \"a\" 0) (dict \"a\" 2)}}", "{{merge (dict \"m\" (dict \"x\" 1)) (dict \"m\" (dict \"x\" 2 \"y\" 3))}}", "{{mergeOverwrite (dict \"a\" 1) (dict \"a\" 2 \"b\" 3)}}", "{{mergeOverwrite (dict \"a\" 1) (dict \"a\" 0)}}", "{{mergeOverwrite (dict \"m\" (dict \"x\" 1)) (dict \"m\" (dict \"x\" 2 \"y\" 3))}}", "{{mergeOverwrite (dict \"a\" (list 1)) (dict \"a\" (list 2 3))}}", "{{merge (dict \"a\" false) (dict \"a\" true)}}", "{{mergeOverwrite (dict \"a\" true) (dict \"a\" false)}}", "{{mergeOverwrite (dict \"a\" \"x\") (dict \"a\" \"\")}}", "{{dig \"z\" \"w\" \"def\" .map}}", "{{dig \"z\" \"q\" \"def\" .map}}", "{{dig \"x\" \"q\" \"def\" .map}}", "{{dig \"a\" .map}}", "{{set . \"new\" 1}}", "{{hasKey \"x\" \"y\"}}",
		"{{b64enc \"hello\"}}", "{{b64dec \"aGVsbG8=\"}}", "{{b64dec \"!!\"}}", "{{b32enc \"hello\"}}", "{{b32dec \"NBSWY3DP\"}}", "{{sha1sum \"a\"}}", "{{sha256sum \"a\"}}", "{{sha512sum \"a\"}}", "{{adler32sum \"abc\"}}", "{{toJson .map}}", "{{toJson .html}}", "{{toRawJson .html}}", "{{toPrettyJson .map}}", "{{toJson .big}}", "{{toJson nil}}", "{{fromJson \"{\\\"a\\\":[1]}\"}}", "{{fromJson \"bad\"}}", "{{mustFromJson \"bad\"}}", "{{toJson (list 1 1.5 \"a\")}}", "{{(fromJson \"{\\\"a\\\":1}\").a}}",
		"{{base \"/a/b.c\"}}", "{{base \"\"}}", "{{dir \"/a/b\"}}", "{{dir \"a\"}}", "{{clean \"a/../b/./c//d\"}}", "{{clean \"/../a\"}}", "{{ext \"a.tar.gz\"}}", "{{isAbs \"/a\"}}", "{{isAbs \"a\"}}", "{{osBase \"/a/b\"}}", "{{osDir \"/a/b\"}}", "{{osExt \"a.b\"}}", "{{urlParse \"https://u:p@h.com:8080/p/q?a=1#f\"}}", "{{(urlParse \"http://h/p\").host}}", "{{urlJoin (dict \"scheme\" \"http\" \"host\" \"h:1\" \"path\" \"/p\" \"query\" \"q=1\" \"fragment\" \"f\")}}", "{{urlParse \"mailto:x@y\"}}", "{{urlParse \"/just/path\"}}", "{{(semver \"1.2.3-a+b\").Prerelease}}", "{{semver \"v1.2\"}}", "{{(semver \"1.2.3\").Major}}", "{{semver \"bad\"}}", "{{semverCompare \"^1.2\" \"1.3.0\"}}", "{{semverCompare \"~1.2\" \"1.3.0\"}}", "{{semverCompare \">=1.0-0\" \"1.1.0-rc1\"}}", "{{hello}}", "{{getHostByName \"\"}}", "{{nospace 1}}", "{{.list | join \",\" | upper | quote}}", "{{range $i := until 3}}{{$i}},{{end}}", "{{\"a,b\" | splitList \",\" | first}}", "{{if and .t (not .no)}}y{{end}}", "{{.text | trim | quote}}", "{{ternary \"a\" \"b\" 1}}", "{{trunc \"a\" \"b\"}}", "{{repeat \"a\" 3}}", "{{list 1 | toJson | b64enc}}", "{{printf \"%s\" (list \"a\")}}", "{{.f | int}}", "{{.big | int}}", "{{.big | toString}}", "{{.big | int64 | quote}}", "{{mul .n 2}}", "{{.n | add 1}}", "{{print (add 1 2)}}", "{{index (splitList \"/\" \"a/b\") 1}}"}
	for _, t := range plain {
		for _, mode := range []string{"default", "zero", "error"} {
			if mode != "default" && !strings.Contains(t, "missing") && !strings.Contains(t, ".q") && !strings.Contains(t, "none") {
				continue
			}
			emit.Add("text", func() (any, error) { return run(t, mode, false) }, t, "$shared", mode)
		}
	}
	for _, t := range sp {
		emit.Add("sprig", func() (any, error) { return run(t, "default", true) }, t, "$shared")
	}
	emit.Finish("template", "Go 1.26 text/template, github.com/Masterminds/sprig/v3 v3.3.0")
}

func data() any {
	var d any
	_ = json.Unmarshal([]byte(dataText), &d)
	return d
}

func run(text, mode string, withSprig bool) (any, error) {
	return runOn(text, mode, withSprig, data())
}

func runOn(text, mode string, withSprig bool, data any) (any, error) {
	t := template.New("template")
	if withSprig {
		t = t.Funcs(sprig.TxtFuncMap())
	}
	t, err := t.Option("missingkey=" + mode).Parse(text)
	if err != nil {
		return nil, err
	}
	var out strings.Builder
	if err := t.Execute(&out, data); err != nil {
		return nil, err
	}
	return out.String(), nil
}
