// Vectors of time.ParseDuration, Duration.String, time.Format, fmt.Sprintf and strconv.
package main

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"vectors/emit"
)

func main() {
	for _, s := range []string{"", "0", "+0", "-0", "1", "1s", "-1s", "+1s", "1.5h", "1h2m3s", "1h2m3.5s", ".5s", "5.s", "1.s", ".s", "1", "1x", "1ms", "1us", "1µs", "1μs", "1ns", "1.5ns", "100h", "2562047h47m16.854775807s", "2562047h47m16.854775808s", "-2562047h47m16.854775808s", "9223372036854775807ns", "9223372036854775808ns", "-9223372036854775808ns", "3000000h", "0.3333333333333333333h", "0.9223372036854775807h", "1m-1s", "1 s", "s", "1d", "1h1h", "1.5.5s", "--1s", "1e3s", "0.000000001s", "12m30", "1H", "0x1s", "1_0s", "1y2d", "52763797000ns", "0.1ms0.1us"} {
		emit.Add("parse", func() (any, error) { d, err := time.ParseDuration(s); return int64(d), err }, s)
	}
	for _, n := range []int64{0, 1, 999, 1000, 1001, 1500, 999999, 1000000, 1500000, 999999999, 1000000000, 1500000000, 59e9, 60e9, 61e9, 3599e9, 3600e9, 3661e9 + 5, 86400e9, 36000e9, math.MaxInt64, math.MinInt64, -1, -1500, -90e9, 100, 10000, 1e12 + 1} {
		emit.Add("format", func() (any, error) { return time.Duration(n).String(), nil }, n)
	}
	times := []string{"2024-02-29T13:04:05.123456789Z", "2006-01-02T15:04:05Z", "1999-12-31T00:00:00Z", "2026-11-23T09:08:07.5+02:00", "0001-01-01T00:00:00Z"}
	layouts := []string{time.ANSIC, time.UnixDate, time.RubyDate, time.RFC822, time.RFC822Z, time.RFC850, time.RFC1123, time.RFC1123Z, time.RFC3339, time.RFC3339Nano, time.Kitchen, time.Stamp, time.StampMilli, time.StampMicro, time.DateTime, time.DateOnly, "06/1/2", "Jan _2", "__2 002", "3PM 03pm", "15h04m05.999", "05,000", "January Monday", "Janet Monk", "2006-01-02T15:04:05.000Z0700", "Z07", "-07", "20060102150405", "_2006", "1 01 11", "4 5", "x.00y", "Mon, 2 Jan"}
	for _, t := range times {
		at, _ := time.Parse(time.RFC3339Nano, t)
		for _, l := range layouts {
			emit.Add("layout", func() (any, error) { return at.Format(l), nil }, t, l)
		}
	}
	for _, c := range [][2]string{{"2006-01-02", "2024-02-29"}, {"2006-01-02", "2023-02-29"}, {"2006-01-02", "2024-2-9"}, {"2006-1-2", "2024-2-9"}, {time.RFC3339, "2024-02-29T10:00:00Z"}, {time.RFC3339, "2024-02-29T10:00:00.123+02:00"}, {time.RFC3339, "2024-02-29 10:00:00Z"}, {"Jan _2 2006", "Feb  9 2024"}, {"3:04PM", "1:30AM"}, {"3:04PM", "13:30AM"}, {time.ANSIC, "Thu Feb 29 10:00:00 2024"}, {"15:04", "25:00"}, {"2006", "24"}, {"06", "69"}, {"06", "68"}, {"2006-01-02 15:04:05.000", "2024-01-01 00:00:00.123"}, {"2006-01-02 15:04:05.999", "2024-01-01 00:00:00"}, {"January 2, 2006", "march 5, 2024"}, {"2006-01-02", "2024-01-01x"}} {
		emit.Add("parse_layout", func() (any, error) {
			t, err := time.Parse(c[0], c[1])
			return t.UTC().Format(time.RFC3339Nano), err
		}, c[0], c[1])
	}
	values := []any{nil, true, 1, -5, 42, 3.14159, 1e21, -0.5, 0.00001, "abc", "", "é\n\"", []any{1, "a", nil}, map[string]any{"b": 1, "a": []any{"x"}}, 1234567.5, 65}
	verbs := []string{"%v", "%d", "%s", "%q", "%x", "%X", "%t", "%f", "%.2f", "%e", "%g", "%c", "%U", "%5d", "%-5v|", "%05d", "%+d", "%T", "%o", "%b", "%#v", "%+v", "%6.2f", "%+q", "% d", "% x", "%#x", "%08.3f", "%10s|", "%-10q|", "%.1s", "%G", "%5t", "%03v", "%O", "%#q", "%x%x", "%%", "%z", "%!", "%", "%[1]v %[1]d", "%[2]d", "a%vb"}
	for _, v := range values {
		var exact any
		b, _ := json.Marshal(v)
		_ = json.Unmarshal(b, &exact)
		exact = ints(exact, v)
		for _, verb := range verbs {
			emit.Add("sprintf", func() (any, error) { return fmt.Sprintf(verb, exact), nil }, verb, exact)
		}
	}
	emit.Add("sprintf", func() (any, error) { return fmt.Sprintf("%s %s", "a"), nil }, "%s %s", "a")
	emit.Add("sprintf", func() (any, error) { return fmt.Sprintf("%s", "a", 1), nil }, "%s", "a", 1)
	emit.Add("sprintf", func() (any, error) { return fmt.Sprintf("%*d|%-*d", 5, 42, 4, 7), nil }, "%*d|%-*d", 5, 42, 4, 7)
	emit.Add("sprintf", func() (any, error) { return fmt.Sprintf("%.*f", 2, 3.14159), nil }, "%.*f", 2, 3.14159)
	for _, s := range []string{"1", "1.5", "-2e3", "0x1p4", "inf", "-Inf", "NaN", "", "abc", "1_000", "0x_1", "1e400", "+5", ".5", "5.", "1e", "infinity", "0b1", " 1"} {
		emit.Add("parse_float", func() (any, error) {
			f, err := strconv.ParseFloat(s, 64)
			return strconv.FormatFloat(f, 'g', -1, 64), err
		}, s)
		emit.Add("parse_int", func() (any, error) { return strconv.ParseInt(s, 0, 64) }, s)
	}
	emit.Finish("duration", "Go 1.26 time, fmt, strconv")
}

// ints gives the integers of a value back after a trip through JSON.
func ints(got, want any) any {
	switch w := want.(type) {
	case int:
		return w
	case []any:
		for i := range w {
			got.([]any)[i] = ints(got.([]any)[i], w[i])
		}
	case map[string]any:
		for k := range w {
			got.(map[string]any)[k] = ints(got.(map[string]any)[k], w[k])
		}
	}
	return got
}
