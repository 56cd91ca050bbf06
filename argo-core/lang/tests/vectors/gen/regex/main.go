// Vectors of Go's regexp.
package main

import (
	"regexp"
	"unicode/utf8"

	"vectors/corpus"
	"vectors/emit"
)

func main() {
	emit.Errors = "exact"
	keep := func(s string) bool { return len(s) > 0 && len(s) < 120 && utf8.ValidString(s) }
	patterns := corpus.Literals(corpus.Dir("regexp"), keep, "all_test.go", "find_test.go")
	patterns = append(patterns, corpus.Literals(corpus.Dir("regexp/syntax"), keep, "parse_test.go", "simplify_test.go")...)
	patterns = append(patterns, `\d+`, `\w+`, `\s`, `\bfoo\b`, `[\d\-]+`, `[^\w]`, `[[:alpha:]]`, `[[:^digit:]]+`, `[[a]`, `[a&&b]`, `[a--b]`, `[a~~b]`, `\<a`, `\_`, `\-`, `a{,2}`, `a{2`, `{`, `}`, `x{2}{3}`, `a**`, `a*+`, `*a`, `(*)`, `(?i)k`, `(?i)\w`, `(?i)[a-z]+`, `(?s).`, `(?m)^b$`, `(?U)a+`, `(?x)a`, `(?=a)`, `(?<=a)`, `(?P<n>a)(?P<n>b)`, `(?P<1a>b)`, `(?P<n`, `\pL`, `\p{Greek}`, `\p{^Greek}`, `\PN`, `\p{Foo}`, `\x41`, `\x{1F600}`, `\101`, `\1`, `\8`, `\Qa.b\E*`, `\Q`, `\Z`, `\C`, `\y`, `\`, `a\`, `[`, `[]`, `[]a]`, `[^]a]`, `[z-a]`, `[a-\d]`, `[[:foo:]]`, `(`, `)`, `(a`, `a)`, `a|*`, `a{1001}`, `(a{100}){11}`, `(a*)*`, `(|a)*`, `^*`, `$`, `a$b`, `é+`, `.`, `[^\n]`, `\/`, `\"`, `(?:a|b)+c`, `^v?\d+\.\d+$`, `(?i:AB)c`, `(?-i)a`, `(?i-)a`, `(?)`, `(?i)*`, `\x{}`, `\xg1`, `\x{110000}`)
	texts := []string{"", "a", "abc", "aaa bbb", "foo bar-12", "Kk\u212a\u017f", "line1\nb\nline3", "é٣x", "v1.2", "{a}", "a.b*"}
	for _, p := range patterns {
		r, err := regexp.Compile(p)
		if err != nil {
			emit.Add("match", func() (any, error) { return nil, err }, p, "a")
			continue
		}
		for _, t := range texts {
			if !r.MatchString(t) && !corpus.Pick(p+t, 16) {
				continue
			}
			emit.Add("match", func() (any, error) { return r.MatchString(t), nil }, p, t)
			if !corpus.Pick(t+p, 6) {
				continue
			}
			emit.Add("find_all", func() (any, error) {
				if found := r.FindAllString(t, -1); found != nil {
					return found, nil
				}
				return []string{}, nil
			}, p, t)
			emit.Add("groups", func() (any, error) {
				if found := r.FindStringSubmatch(t); found != nil {
					return found, nil
				}
				return nil, nil
			}, p, t)
			for _, with := range []string{"<$0>", "${1}x", "$1x", "$$", "$"} {
				if corpus.Pick(with+p+t, 3) {
					emit.Add("replace", func() (any, error) { return r.ReplaceAllString(t, with), nil }, p, t, with)
				}
			}
		}
		emit.Add("quote_meta", func() (any, error) { return regexp.QuoteMeta(p), nil }, p)
	}
	emit.Finish("regex", "Go 1.26 regexp, its own tests")
}
