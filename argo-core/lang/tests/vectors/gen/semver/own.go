package main

import (
	"strings"

	"github.com/Masterminds/semver/v3"

	"vectors/corpus"
	"vectors/emit"
)

// own tries the ranges and versions of the library's own tests, and ranges put together from parts.
func own() {
	dir := corpus.Dir("github.com/Masterminds/semver/v3")
	short := func(s string) bool { return len(s) < 100 && !strings.ContainsAny(s, "\n%") }
	literals := corpus.Literals(dir, short, "constraints_test.go", "version_test.go", "collection_test.go")
	var versions []string
	for _, s := range literals {
		emit.Add("parse", func() (any, error) {
			v, err := semver.NewVersion(s)
			if err != nil {
				return nil, err
			}
			return v.String(), nil
		}, s)
		emit.Add("strict", func() (any, error) {
			v, err := semver.StrictNewVersion(s)
			if err != nil {
				return nil, err
			}
			return v.String(), nil
		}, s)
		if _, err := semver.NewVersion(s); err == nil {
			versions = append(versions, s)
		}
	}
	for i, a := range versions {
		for j := range 6 {
			b := versions[(i*7+j*13)%len(versions)]
			emit.Add("compare", func() (any, error) { return semver.MustParse(a).Compare(semver.MustParse(b)), nil }, a, b)
		}
	}
	seen := map[[2]string]bool{}
	matches := func(c, v string) {
		if seen[[2]string{c, v}] {
			return
		}
		seen[[2]string{c, v}] = true
		emit.Add("matches", func() (any, error) {
			k, err := semver.NewConstraint(c)
			if err != nil {
				return nil, err
			}
			it, err := semver.NewVersion(v)
			if err != nil {
				return nil, err
			}
			return k.Check(it), nil
		}, c, v)
	}
	for _, row := range corpus.Rows(dir, 2, "constraints_test.go") {
		if short(row[0]) && short(row[1]) {
			if _, err := semver.NewVersion(row[1]); err == nil {
				matches(row[0], row[1])
			}
		}
	}
	for i, s := range literals {
		for j := range 5 {
			matches(s, versions[(i*11+j*17)%len(versions)])
		}
	}
	probes := []string{"0.0.0", "0.0.3", "0.0.4-rc.1", "0.2.3", "0.3.0-0", "1.0.0-alpha", "1.2.0", "1.2.3-rc.1", "1.2.3", "1.2.4-beta", "1.3.0", "1.9.9+b", "2.0.0-0", "2.0.0", "3.1.4", "10.0.0"}
	operators := []string{"", "=", "!=", ">", ">=", "<", "<=", "~", "~>", "^", "=>", "=<", "==", "~=", "^^", "> =", "!"}
	parts := []string{"1.2.3", "1.2", "1", "0.0.3", "0.2", "0", "0.0", "1.x", "1.2.x", "x", "*", "1.*.3", "1.2.3-rc.1", "2.0.0-0", "v1.2.3", "1.2.3+b", "01.2", "1.2.3.4", "1.2.3-", "", "a"}
	for _, op := range operators {
		for _, part := range parts {
			for i, v := range probes {
				if corpus.Pick(op+part+v, 3) || i == 8 {
					matches(op+part, v)
				}
			}
		}
	}
	for _, c := range []string{"1.2 - 1.4.5", "1.2.3-rc.1 - 2", "1 - 2 || 3", "1.2.3-2.0.0", "1 -2", "1- 2", "^1.2 || ~0.2.3", ">=1.2 <2 || 3.x", ">=1.2,<2||3.x", ",1.2", "1.2,", "||", "1.2 ||", "|| 1.2", ">1 <2 !=1.5", "> 1.2.3, < 2.0.0-0", ">=1.2.3-0", "^0.0.x", "^0.x", "~0.0.x", "~x", "^*", "!=x", ">x", "<*", "*-0", ">=1.0.0-alpha <1.0.0", "1.2.3 1.2.3", "1.2.3 || !=1.2.3", "  ^1.2 ", "^ 1.2", "~ 1", ">=\t1", "≥1"} {
		for _, v := range probes {
			matches(c, v)
		}
	}
	emit.Finish("semver", "github.com/Masterminds/semver/v3 v3.4.0 over the inputs of its own tests, and more")
}
