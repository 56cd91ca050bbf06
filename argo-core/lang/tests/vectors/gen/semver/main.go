// Vectors of Masterminds/semver v3.
package main

import (
	"os"

	"github.com/Masterminds/semver/v3"

	"vectors/emit"
)

func main() {
	if len(os.Args) > 1 {
		own()
		return
	}
	versions := []string{"1.2.3", "v1.2.3", "1", "1.2", "v1", "0.0.0", "0.2.3", "0.0.3", "1.2.3-alpha", "1.2.3-alpha.1", "1.2.3-beta+build.1", "1.2.3+meta", "2.0.0", "2.0.0-rc.1", "11.1.0", "11.0.0", "1.2.4-0", "10.20.30", "3.4.5-rc1", "0.3.0", "1.3.0", "1.9.9", "01.2.3", "1.2.3-01", "1.2.3.4", "a", "", "v", "1.2.x", "1..2", "1.2.3-", "1.2.3-a..b", "18446744073709551615.0.0", "18446744073709551616.0.0", " 1.2.3", "1.2.3 ", "V1.2.3", "1.2.3-A-b.0a"}
	for _, v := range versions {
		emit.Add("parse", func() (any, error) {
			x, err := semver.NewVersion(v)
			if err != nil {
				return nil, err
			}
			return x.String(), nil
		}, v)
		emit.Add("strict", func() (any, error) {
			x, err := semver.StrictNewVersion(v)
			if err != nil {
				return nil, err
			}
			return x.String(), nil
		}, v)
	}
	var good []string
	for _, v := range versions {
		if _, err := semver.NewVersion(v); err == nil {
			good = append(good, v)
		}
	}
	for _, a := range good {
		for _, b := range good {
			emit.Add("compare", func() (any, error) { return semver.MustParse(a).Compare(semver.MustParse(b)), nil }, a, b)
		}
	}
	constraints := []string{"*", "", "x", "1.2.3", "=1.2.3", "!=1.2.3", ">1.2.3", ">=1.2.3", "<1.2.3", "<=1.2.3", "=>1.2.3", "=<1.2.3", "~1.2.3", "~>1.2", "~1", "~1.x", "^1.2.3", "^1", "^0", "^0.2", "^0.2.3", "^0.0.3", "^0.0", "1.x", "1.2.x", "1.2.*", "!=1.x", "!=1.2.x", ">1.x", ">11", ">11.1", "<=11", "<=1.2", ">=1.2, <2", ">=1.2 <2", "1.2 - 1.4", "1.2.3 - 2", "<1 || >=2", ">=1.2, <1.9 || ^3", ">=1.0.0-0", "^1.2.3-alpha", "~1.2.3-beta.1", ">=2.0.0-rc.0", "1.2.3-alpha", "*-0", ">0.0.0-0, <2", "v1.2.3", ">= v1.0", "a", ">", "1.2.3.4", "1 2 3", "^^1", ">=1,,<2", "1||2", "|| 1", "1 -2", "~0.0.0", "=*", "!=*", ">*", "<*", ">=1.2.x", "^1.x.x", "~*", "1.X", "10.20.30", ">=1.2.3-alpha.0 <1.2.3"}
	for _, c := range constraints {
		k, err := semver.NewConstraint(c)
		if err != nil {
			emit.Add("matches", func() (any, error) { return nil, err }, c, "1.2.3")
			continue
		}
		for _, v := range good {
			emit.Add("matches", func() (any, error) { return k.Check(semver.MustParse(v)), nil }, c, v)
		}
	}
	emit.Finish("semver", "github.com/Masterminds/semver/v3 v3.4.0")
}
