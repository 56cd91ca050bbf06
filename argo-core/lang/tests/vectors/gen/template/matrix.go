package main

import (
	"sort"

	"github.com/Masterminds/sprig/v3"

	"vectors/corpus"
)

// kinds has one argument of every kind a template can have.
var kinds = []string{`"abc"`, `""`, `"12"`, `"a b-C_d"`, `3`, `-1`, `0`, `2.5`, `true`, `nil`, `.none`, `.missing`, `.list`, `.nums`, `.el`, `.map`, `.em`, `.name`, `.n`, `.f`, `.big`, `.t`, `(list 1 "a" nil)`, `(dict "a" 1)`, `.users`, `"2024-03-05"`, `"1h30m"`, `"1.2.3"`, `(int64 7)`, `(splitList "," "b,a")`, `(split "-" "x-y")`, `"^a+"`, `"line1\nline2"`}

func sprigMatrix() []string {
	skip := map[string]bool{}
	for _, it := range []string{"now", "ago", "date", "date_in_zone", "dateInZone", "date_modify", "dateModify", "mustDateModify", "must_date_modify", "htmlDate", "htmlDateInZone", "durationRound", "uuidv4", "shuffle", "env", "expandenv", "getHostByName", "bcrypt", "htpasswd", "encryptAES", "decryptAES", "derivePassword", "keys", "values", "toDate", "mustToDate", "unixEpoch", "hello"} {
		skip[it] = true
	}
	var names []string
	for name := range sprig.TxtFuncMap() {
		if skip[name] || len(name) > 4 && (name[:4] == "rand" || name[:3] == "gen" || name[:5] == "build") {
			continue
		}
		names = append(names, name)
	}
	sort.Strings(names)
	var out []string
	for _, name := range names {
		out = append(out, "{{"+name+"}}")
		for _, a := range kinds {
			if t := "{{" + name + " " + a + "}}"; corpus.Pick(t, 2) {
				out = append(out, t)
			}
			for _, b := range kinds {
				if t := "{{" + name + " " + a + " " + b + "}}"; corpus.Pick(t, 160) {
					out = append(out, t)
				}
				for _, c := range kinds {
					if t := "{{" + name + " " + a + " " + b + " " + c + "}}"; corpus.Pick(t, 20000) {
						out = append(out, t)
					}
				}
			}
			if t := "{{" + a + " | " + name + "}}"; corpus.Pick(t, 12) {
				out = append(out, t)
			}
			if t := "{{" + name + " " + a + " | typeOf}}"; corpus.Pick(t, 6) {
				out = append(out, t)
			}
		}
	}
	return out
}

func builtinMatrix() []string {
	args := []string{`"abc"`, `""`, `3`, `-1`, `0`, `2.5`, `true`, `nil`, `.NIL`, `.missing`, `.SI`, `.SIEmpty`, `.MSI`, `.MSIEmpty`, `.Str`, `.I`, `.True`, `.U.V`, `(print 1)`, `(len "ab")`, `1e3`, `'a'`, `0x10`, `"%v|%d"`, `.SMSI`}
	var out []string
	for _, name := range []string{"and", "or", "not", "len", "index", "slice", "print", "printf", "println", "html", "js", "urlquery", "call", "eq", "ne", "lt", "le", "gt", "ge"} {
		out = append(out, "{{"+name+"}}")
		for _, a := range args {
			out = append(out, "{{"+name+" "+a+"}}")
			for _, b := range args {
				if t := "{{" + name + " " + a + " " + b + "}}"; corpus.Pick(t, 9) {
					out = append(out, t)
				}
				for _, c := range args {
					if t := "{{" + name + " " + a + " " + b + " " + c + "}}"; corpus.Pick(t, 900) {
						out = append(out, t)
					}
				}
			}
			if t := "{{" + a + " | " + name + "}}"; corpus.Pick(t, 3) {
				out = append(out, t)
			}
		}
	}
	for _, a := range args {
		for _, shape := range []string{"{{if %}}y{{else}}n{{end}}", "{{with %}}{{.}}{{else}}n{{end}}", "{{range %}}<{{.}}>{{else}}n{{end}}", "{{range $i, $v := %}}<{{$i}}{{$v}}>{{end}}", "{{$x := %}}{{$x}}", "{{% | printf \"%s\"}}", "{{template \"x\" %}}{{define \"x\"}}[{{.}}]{{end}}", "{{%.Foo}}", "{{(%).Foo}}", "{{% 1}}"} {
			t := ""
			for _, r := range shape {
				if r == '%' {
					t += a
				} else {
					t += string(r)
				}
			}
			out = append(out, t)
		}
	}
	return out
}
