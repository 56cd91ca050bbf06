// Vectors of gobwas/glob, doublestar and path/filepath.
package main

import (
	"os"
	"path/filepath"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/gobwas/glob"

	"vectors/emit"
)

func main() {
	if len(os.Args) > 1 {
		own()
		return
	}
	patterns := []string{"*", "**", "a", "a*", "*a", "a*b", "?", "a?c", "[abc]", "[a-c]", "[!a-c]", "[^a-c]", "[!abc]x", "{a,b}", "{a,b*}/c", "{a,{b,c}}", "a/*", "a/**", "**/a", "a/**/b", "*/b", "a**", "**a", "a/**b", "**/*.yaml", "*.yaml", "*.{yaml,yml}", "apps/*/config.json", "https://*.example.com/*", "git@github.com:org/**", "\\*", "a\\", "[", "[]", "[a", "{a", "a}", "]", "", "/", "//", "a//b", "[a-]", "[-a]", "a,b", "{,a}b", "é*", "[é]", "***", "a/*/c", "in-*", "!a", "^a", "(a|b)", "a.b", "a+b", "$a", "{a/b,c}/d", "**/", "/**", "/**/", "a/**/", "{**/,}x", "[[:alpha:]]", "[a\\]b]", "*-[0-9]"}
	texts := []string{"", "a", "b", "ab", "abc", "a/b", "a/b/c", "b/c", "a/c", "/", "a/", "/a", "x", "x.yaml", "d/x.yaml", "x.yml", "apps/foo/config.json", "apps/foo/bar/config.json", "https://x.example.com/y", "git@github.com:org/r/s", "*", "é", "in-cluster", "a\\", "[", "]", "c/d", "a/b/d", "a,b", "a.b", "axb", "!a", "x-3", "a//b", "-"}
	for _, p := range patterns {
		g, err := glob.Compile(p)
		gp, errp := glob.Compile(p, '/')
		for _, t := range texts {
			if err == nil {
				emit.Add("gobwas", func() (any, error) { return g.Match(t), nil }, p, t)
			}
			if errp == nil {
				emit.Add("gobwas_path", func() (any, error) { return gp.Match(t), nil }, p, t)
			}
			if doublestar.ValidatePattern(p) {
				emit.Add("doublestar", func() (any, error) { return doublestar.Match(p, t) }, p, t)
			}
			if _, err := filepath.Match(p, "zzzzzz"); err == nil {
				if m, err := filepath.Match(p, t); err == nil {
					emit.Add("filepath", func() (any, error) { return m, nil }, p, t)
				}
			}
		}
		if err != nil {
			emit.Add("gobwas", func() (any, error) { return nil, err }, p, "a")
		}
		if !doublestar.ValidatePattern(p) {
			emit.Add("doublestar", func() (any, error) { return nil, doublestar.ErrBadPattern }, p, "a")
		}
	}
	emit.Finish("glob", "github.com/gobwas/glob v0.2.3, github.com/bmatcuk/doublestar/v4 v4.10.4, path/filepath")
}
