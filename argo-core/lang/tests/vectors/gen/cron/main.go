// Vectors of robfig/cron v3.
package main

import (
	"time"

	"github.com/robfig/cron/v3"

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
				var out []string
				t := at.UTC()
				for i := 0; i < 3; i++ {
					t = schedule.Next(t)
					if t.IsZero() {
						out = append(out, "never")
						break
					}
					out = append(out, t.UTC().Format(time.RFC3339Nano))
				}
				return out, nil
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
	emit.Finish("cron", "github.com/robfig/cron/v3 v3.0.1")
}
