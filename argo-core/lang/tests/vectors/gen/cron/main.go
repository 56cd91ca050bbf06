// Vectors of robfig/cron v3.
package main

import (
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"vectors/corpus"
	"vectors/emit"
)

func main() {
	specs := []string{"* * * * *", "*/5 * * * *", "0 0 * * *", "0 0 1 * *", "0 0 29 2 *", "0 0 31 * *", "0 0 31 2 *", "15,45 * * * *", "0 9-17 * * mon-fri", "0 0 13 * 5", "0 0 * * 0", "0 0 1,15 * 3", "0 0 */2 * 1", "30 2 * * *", "30 1 * * *", "0 2 * * *", "0 0 1 1 *", "59 23 31 12 *", "0 0 1 jan,jul *", "0 12 ? * SUN", "5/20 * * * *", "1-10/3 * * * *", "*/90 * * * *", "0 */5 * * *", "@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually", "@every 1h30m", "@every 500ms", "@every 1.5s", "@every 0s", "@every -1h", "@every x", "@reboot", "@",
		"CRON_TZ=America/New_York 30 2 * * *", "TZ=America/New_York 30 1 * * *", "CRON_TZ=Europe/London 0 1 * * *", "CRON_TZ=Europe/Zurich 30 2 * * *", "CRON_TZ=America/Sao_Paulo 0 0 * * *", "CRON_TZ=Asia/Kolkata 0 6 * * *", "CRON_TZ=Australia/Lord_Howe */30 2 * * *", "CRON_TZ=America/New_York */15 * * * *", "CRON_TZ=Bad/Zone 0 0 * * *", "CRON_TZ=UTC @daily", "CRON_TZ=America/New_York 0 0 8 3 *",
		"", "*", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *", "* * * * 7", "a * * * *", "*/0 * * * *", "5-1 * * * *", "1-2-3 * * * *", "1/2/3 * * * *", "-1 * * * *", "* * * foo *", ", * * * *", "1, * * * *", "*-5 * * * *", "0 0 * * mon,", "0 0 L * *", "0 0 ? ? ?", "*/-1 * * * *", "1.5 * * * *", "0 0 * * SUN-TUE", "  0   0 * * *  "}
	starts := []string{"2026-01-01T00:00:00Z", "2026-02-28T23:59:59.5Z", "2026-03-08T05:30:00Z", "2026-03-08T06:59:59Z", "2026-03-29T00:30:00Z", "2026-10-25T00:30:00Z", "2026-11-01T04:30:00Z", "2026-11-01T05:45:00Z", "2026-12-31T23:59:00Z", "2027-06-15T12:34:56Z"}
	for _, spec := range specs {
		schedule, err := cron.ParseStandard(spec)
		if err != nil {
			emit.Add("next", func() (any, error) { return nil, err }, spec, starts[0])
			continue
		}
		for _, start := range starts {
			at, _ := time.Parse(time.RFC3339Nano, start)
			emit.Add("next", func() (any, error) {
				return firings(schedule, at.UTC(), 3), nil
			}, spec, start)
		}
	}
	parser := cron.NewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)
	for _, spec := range []string{"*/10 * * * * *", "0 * * * *", "30 0 0 1 1 *", "* * * *", "61 * * * * *", "* * * * * * *"} {
		emit.Add("next_seconds", func() (any, error) {
			schedule, err := parser.Parse(spec)
			if err != nil {
				return nil, err
			}
			at, _ := time.Parse(time.RFC3339, starts[0])
			return schedule.Next(at).UTC().Format(time.RFC3339Nano), nil
		}, spec, starts[0])
	}
	zones(specs)
	rows(parser)
	emit.Finish("cron", "github.com/robfig/cron/v3 v3.0.1")
}

// firings are the next times of a schedule, and "never" at their end when there are no more.
func firings(schedule cron.Schedule, t time.Time, count int) []string {
	var out []string
	for i := 0; i < count; i++ {
		t = schedule.Next(t)
		if t.IsZero() {
			return append(out, "never")
		}
		out = append(out, t.UTC().Format(time.RFC3339Nano))
	}
	return out
}

// zones adds the next ten firings of every schedule as a clock of five zones shows them, from before each change of the
// clocks: by an hour at one, two and three, by half an hour, and at midnight.
func zones(specs []string) {
	changes := map[string][]string{
		"America/New_York":    {"2026-03-07T12:00:00Z", "2026-03-08T06:45:00Z", "2026-10-31T12:00:00Z", "2026-11-01T05:15:00Z"},
		"Europe/London":       {"2026-03-28T12:00:00Z", "2026-03-29T00:45:00Z", "2026-10-24T12:00:00Z", "2026-10-25T00:15:00Z"},
		"Europe/Zurich":       {"2026-03-28T12:00:00Z", "2026-03-29T00:45:00Z", "2026-10-24T12:00:00Z", "2026-10-25T00:15:00Z"},
		"Australia/Lord_Howe": {"2026-04-04T02:00:00Z", "2026-04-04T14:45:00Z", "2026-10-03T02:00:00Z", "2026-10-03T15:20:00Z"},
		"America/Sao_Paulo":   {"2018-02-17T12:00:00Z", "2018-02-18T01:15:00Z", "2018-11-03T12:00:00Z", "2018-11-04T02:45:00Z"},
	}
	more := []string{"0 0 * * 6,0", "0 1 * * *", "0 1 * * 0", "30 0 * * *", "59 23 * * *", "0 3 * * *", "15 2 * * 0", "*/20 0-3 * * *", "*/7 1,2 * * *", "0 */2 * * *", "1 0 1 */3 *", "45 1 25 * *"}
	for _, name := range []string{"America/New_York", "Europe/London", "Europe/Zurich", "Australia/Lord_Howe", "America/Sao_Paulo"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			panic(err)
		}
		for _, spec := range append(append([]string{}, specs...), more...) {
			schedule, err := cron.ParseStandard(spec)
			if err != nil {
				continue
			}
			for _, start := range changes[name] {
				at, _ := time.Parse(time.RFC3339Nano, start)
				emit.Add("next", func() (any, error) { return firings(schedule, at.In(zone), 10), nil }, spec, start, name, 10)
			}
		}
	}
}

// rows adds the tables of robfig/cron's own tests: a time and a schedule, in the order of the table.
func rows(seconds cron.Parser) {
	dir := corpus.Dir("github.com/robfig/cron/v3")
	layouts := []string{"Mon Jan 2 15:04 2006", "Mon Jan 2 15:04:05 2006", "2006-01-02T15:04:05-0700", time.RFC3339}
	seen := map[string]bool{}
	for _, row := range corpus.Rows(dir, 2, "spec_test.go", "parser_test.go", "constantdelay_test.go", "cron_test.go") {
		for _, layout := range layouts {
			text := row[0]
			name := "UTC"
			if rest, found := strings.CutPrefix(text, "TZ="); found {
				name, text, _ = strings.Cut(rest, " ")
			}
			zone, err := time.LoadLocation(name)
			if err != nil {
				continue
			}
			at, err := time.ParseInLocation(layout, text, zone)
			at = at.In(zone)
			if err != nil {
				continue
			}
			spec, start := row[1], at.UTC().Format(time.RFC3339Nano)
			emit.Add("next", func() (any, error) {
				schedule, err := cron.ParseStandard(spec)
				if err != nil {
					return nil, err
				}
				return firings(schedule, at, 10), nil
			}, spec, start, name, 10)
			emit.Add("next_seconds", func() (any, error) {
				schedule, err := seconds.Parse(spec)
				if err != nil {
					return nil, err
				}
				return firings(schedule, at, 1)[0], nil
			}, spec, start, name)
		}
	}
	for _, spec := range corpus.Literals(dir, func(s string) bool { return len(s) < 60 }, "spec_test.go", "parser_test.go") {
		if seen[spec] {
			continue
		}
		seen[spec] = true
		emit.Add("next", func() (any, error) {
			schedule, err := cron.ParseStandard(spec)
			if err != nil {
				return nil, err
			}
			at, _ := time.Parse(time.RFC3339, "2026-01-01T00:00:00Z")
			return firings(schedule, at, 3), nil
		}, spec, "2026-01-01T00:00:00Z")
	}
}
