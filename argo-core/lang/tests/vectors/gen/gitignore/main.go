// Vectors of git's own reading of .gitignore: `git check-ignore` over one tree of files and directories.
package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"vectors/emit"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	files := []string{"a", "b/a", "b/c/a", "b/c/d/e.log", "keep.log", "x.log", "b/keep.log", "build/out/x.o", "src/build/y.o", "doc/frotz/z", "a b", "sp ", "#hash", "!bang", "back\\slash", "foo", "d/foo/bar", "d/foo.txt", "é", "ab1", "a-b", "[x]", "q]", "UPPER", "m/n/o/p/q", "..x"}
	dirs := []string{"empty", "b/empty", "build/empty"}
	rules := []string{"", "a", "/a", "a/", "*.log", "*.log\n!keep.log", "!keep.log\n*.log", "/*.log", "b", "b/", "/b/", "b/*", "b/**", "b/**/a", "**/a", "**/c/a", "b/c", "c", "c/", "/c", "build", "build/", "/build", "/build/", "!build", "build\n!build/out", "build/*\n!build/out", "build/*\n!build/out/\nbuild/out/*.o", "*", "*\n!*/", "*\n!*/\n!*.log", "/*\n!/b", "/*\n!/b/\n/b/*\n!/b/c", "**", "**/", "/**", "***", "*/", "*/*", "a*", "?", "??", "[ab]", "[!a]", "[^a]", "[a-c]*", "[z-a]", "[", "[a", "[]x]*", "[]-]*", "[a-]*", "[[:alpha:]]", "[[:upper:]]*", "[[:nope:]]", "[[:digit:]x]", "ab[0-9]", "ab[[:digit:]]", "\\#hash", "#hash", "\\!bang", "!bang\n", "sp ", "sp\\ ", "a b", "a b   ", "back\\\\slash", "back\\slash", "a\\", "doc/frotz", "doc/frotz/", "frotz", "frotz/", "/frotz", "doc/*", "doc/**", "/doc", "foo", "foo/", "foo/*", "d/foo*", "d/**/bar", "d/**bar", "d**/bar", "d/**/foo", "foo**", "**foo", "m/**/q", "m/n/**/q", "m/**/n/**/q", "m/*/o", "m/?/o", "m[/]n", "m[!x]n", "m?n", "m*n", "é", "?\nx", "\\[x\\]", "[[]x]", "q\\]", "upper", "UPPER", "a\r\nb\r\n", "\ufeffa", "/", "//", "!", "!/", "..x", "./a", "a//b", "*.log\n\n# c\n!x.log", "*.o\n!y.o", "src/\n!src/build", "src/*\n!src/build\nsrc/build/*\n!src/build/y.o", "empty", "empty/", "/empty/", "b/empty", "**/empty/", "{a,b}", "a|b", "(a)", "a.", "b/c/d/*", "b/*/a", "b/?/a", "*/a", "*/*/a", "/*/a", "b/c/**", "b/c/**/e.log", "**/d/**", "**/*.log", "/**/*.log", "**.log", "b/**.log", "d/f\\oo", "\\a", "[\\a]", "[\\]]", "[a\\-z]*"}
	root, err := os.MkdirTemp("", "ignore")
	check(err)
	defer os.RemoveAll(root)
	git := func(in string, args ...string) []byte {
		cmd := exec.Command("git", args...)
		cmd.Dir, cmd.Stdin = root, strings.NewReader(in)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
		out, _ := cmd.Output() // exit code 1: nothing is ignored
		return out
	}
	git("", "init", "-q")
	kinds := map[string]bool{}
	var paths []string
	add := func(path string, dir bool) {
		if _, known := kinds[path]; !known {
			kinds[path] = dir
			paths = append(paths, path)
		}
	}
	for _, f := range append(append([]string{}, files...), dirs...) {
		for at, c := range f {
			if c == '/' {
				add(f[:at], true)
			}
		}
		add(f, false)
	}
	for _, d := range dirs {
		kinds[d] = true
		check(os.MkdirAll(filepath.Join(root, d), 0o755))
	}
	for _, f := range files {
		check(os.MkdirAll(filepath.Dir(filepath.Join(root, f)), 0o755))
		check(os.WriteFile(filepath.Join(root, f), nil, 0o644))
	}
	for _, rule := range rules {
		check(os.WriteFile(filepath.Join(root, ".gitignore"), []byte(rule), 0o644))
		out := git(strings.Join(paths, "\x00"), "check-ignore", "--no-index", "--stdin", "-z", "-v", "-n")
		fields := bytes.Split(bytes.TrimSuffix(out, []byte{0}), []byte{0})
		for at := 0; at+3 < len(fields); at += 4 {
			pattern, path := string(fields[at+2]), string(fields[at+3])
			ignored := pattern != "" && !strings.HasPrefix(pattern, "!")
			emit.Add("gitignore", func() (any, error) { return ignored, nil }, rule, path, kinds[path])
		}
	}
	emit.Finish("glob", "git check-ignore 2.39")
}
