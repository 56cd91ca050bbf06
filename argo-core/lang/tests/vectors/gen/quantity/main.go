// Vectors of k8s.io/apimachinery: quantities, intstr, validation.
package main

import (
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/apimachinery/pkg/util/validation"
	"strings"

	"vectors/emit"
)

func main() {
	texts := []string{"0", "-0", "0m", "1", "100m", "1500m", "0.5", ".5", "5.", "1.5", "1000", "1024", "1Ki", "1.5Ki", "1Mi", "1.5Gi", "1Ti", "1Pi", "1Ei", "8Ei", "1k", "1M", "1G", "1T", "1P", "1E", "9E", "10E", "1e3", "1E3", "1e-3", "1.5e3", "12e6", "1e0", "1e+3", "1n", "1u", "0.1n", "1.1u", "0.0000000001", "1.23456789012", "-1", "-100m", "-1.5Gi", "+1", "+1Ki", "1000m", "1000k", "1000000", "1024Ki", "1025Ki", "1048576", "0.1Ki", "0.5Mi", "123456789", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "99999999999999999999", "1e30", "0.000001", "100k", "1010", "3.1Gi", "2.5", "0.25", "010", "00.5", "1.000", "500Mi", "", "a", "1x", "1 ", " 1", "1.2.3", "1kk", "1Kii", "ki", "1ki", "1K", "1mi", "--1", "1e", "1e1.5", "1m1", ".", "+", "1i", "1Ee3", "0.1", "12345678901234567890123456789012345678901", "1.0000000000000000000000001"}
	for _, t := range texts {
		emit.Add("canonical", func() (any, error) {
			q, err := resource.ParseQuantity(t)
			if err != nil {
				return nil, err
			}
			return q.String(), nil
		}, t)
		if q, err := resource.ParseQuantity(t); err == nil {
			emit.Add("value", func() (any, error) { return q.Value(), nil }, t)
			if q.CmpInt64(1<<50) < 0 && q.CmpInt64(-(1<<50)) > 0 {
				emit.Add("milli", func() (any, error) { return q.MilliValue(), nil }, t)
			}
		}
	}
	some := []string{"0", "1", "100m", "1Ki", "1k", "1.5Gi", "1e3", "-1", "1Mi", "250m", "1n", "2.5"}
	for _, a := range some {
		for _, b := range some {
			x, y := resource.MustParse(a), resource.MustParse(b)
			emit.Add("compare", func() (any, error) { return x.Cmp(y), nil }, a, b)
			emit.Add("add", func() (any, error) { z := x.DeepCopy(); z.Add(y); return z.String(), nil }, a, b)
			emit.Add("sub", func() (any, error) { z := x.DeepCopy(); z.Sub(y); return z.String(), nil }, a, b)
		}
	}
	for _, v := range []any{3, 0, -1, "25%", "0%", "100%", "33%", "150%", "-5%", "x", "5", "%", "1.5%", "", "25 %"} {
		for _, total := range []int{0, 1, 3, 7, 10, 100} {
			for _, up := range []bool{true, false} {
				var i intstr.IntOrString
				switch w := v.(type) {
				case int:
					i = intstr.FromInt32(int32(w))
				case string:
					i = intstr.FromString(w)
				}
				emit.Add("scaled", func() (any, error) { return intstr.GetScaledValueFromIntOrPercent(&i, total, up) }, v, total, up)
			}
		}
	}
	long := strings.Repeat("a", 64)
	for _, n := range []string{"a", "a-b", "A", "-a", "a-", "a.b", "a..b", "", "1a", "a_b", long, long + "." + long, strings.Repeat("a.", 127) + "a", "é", "example.com/a", "a/b/c", "/a", "a/", "Ab/c", "x.y/Z_1", "a b"} {
		emit.Add("dns1123_label", func() (any, error) { return list(validation.IsDNS1123Label(n)), nil }, n)
		emit.Add("dns1123_subdomain", func() (any, error) { return list(validation.IsDNS1123Subdomain(n)), nil }, n)
		emit.Add("dns1035_label", func() (any, error) { return list(validation.IsDNS1035Label(n)), nil }, n)
		emit.Add("label_value", func() (any, error) { return list(validation.IsValidLabelValue(n)), nil }, n)
		emit.Add("qualified_name", func() (any, error) { return list(validation.IsQualifiedName(n)), nil }, n)
	}
	for _, s := range []string{"", "0", "1234567890", "abcdef", "4294967295"} {
		emit.Add("safe_encode", func() (any, error) { return rand.SafeEncodeString(s), nil }, s)
	}
	emit.Finish("quantity", "k8s.io/apimachinery v0.35.0")
}

func list(l []string) []string {
	if l == nil {
		return []string{}
	}
	return l
}
