package main

import (
	"path/filepath"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/gobwas/glob"

	"vectors/corpus"
	"vectors/emit"
)

// own tries the patterns and texts of the tests of gobwas/glob and doublestar, each pattern with the texts it stands
// beside and with some of the others.
func own() {
	rows := corpus.Rows(corpus.Dir("github.com/gobwas/glob"), 2, "glob_test.go")
	rows = append(rows, corpus.Rows(corpus.Dir("github.com/bmatcuk/doublestar/v4"), 2, "doublestar_test.go")...)
	short := func(s string) bool {
		return len(s) < 200 && !strings.ContainsAny(s, "\n\x00") && strings.ToValidUTF8(s, "") == s
	}
	var pairs [][2]string
	seen := map[[2]string]bool{}
	add := func(p, t string) {
		if pair := [2]string{p, t}; short(p) && short(t) && !seen[pair] {
			seen[pair] = true
			pairs = append(pairs, pair)
		}
	}
	var texts []string
	for _, row := range rows {
		add(row[0], row[1])
		texts = append(texts, row[1])
	}
	for i, row := range rows {
		for j := range 12 {
			add(row[0], texts[(i*31+j*97)%len(texts)])
		}
	}
	for _, s := range corpus.Literals(corpus.Dir("github.com/gobwas/glob"), short, "glob_test.go") {
		add(s, "http://www.google.com")
		add(s, "abcdef")
	}
	for _, pair := range pairs {
		p, t := pair[0], pair[1]
		g, err := glob.Compile(p)
		emit.Add("gobwas", func() (any, error) {
			if err != nil {
				return nil, err
			}
			return g.Match(t), nil
		}, p, t)
		gp, errp := glob.Compile(p, '/')
		emit.Add("gobwas_path", func() (any, error) {
			if errp != nil {
				return nil, errp
			}
			return gp.Match(t), nil
		}, p, t)
		emit.Add("doublestar", func() (any, error) {
			if !doublestar.ValidatePattern(p) {
				return nil, doublestar.ErrBadPattern
			}
			return doublestar.Match(p, t)
		}, p, t)
		// a pattern that is not read to its end may be wrong there
		if _, err := filepath.Match(p, "zzzzzz"); err == nil {
			if m, err := filepath.Match(p, t); err == nil {
				emit.Add("filepath", func() (any, error) { return m, nil }, p, t)
			}
		}
	}
	emit.Finish("glob", "github.com/gobwas/glob v0.2.3, github.com/bmatcuk/doublestar/v4 v4.10.4, path/filepath, over the inputs of the tests of the first two")
}
