// Benchmarks of the Go libraries, over the files that the Rust bench writes into ARGO_BENCH_INPUTS.
package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/Knetic/govaluate"
	"github.com/Masterminds/semver/v3"
	"github.com/Masterminds/sprig/v3"
	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"
	"github.com/itchyny/gojq"
	"github.com/robfig/cron/v3"
	"github.com/valyala/fasttemplate"
	"k8s.io/client-go/util/jsonpath"
	"sigs.k8s.io/yaml"
)

func input(b *testing.B, name string) []byte {
	b.Helper()
	dir := os.Getenv("ARGO_BENCH_INPUTS")
	if dir == "" {
		b.Skip("ARGO_BENCH_INPUTS is not set")
	}
	data, err := os.ReadFile(filepath.Join(dir, name))
	must(b, err)
	return data
}

func value(b *testing.B, name string) any {
	b.Helper()
	var out any
	must(b, json.Unmarshal(input(b, name), &out))
	return out
}

func must(b *testing.B, err error) {
	if err != nil {
		b.Helper()
		b.Fatal(err)
	}
}

// same compares with what the Rust side gave, so that both do the same work.
func same(b *testing.B, name, got string) {
	b.Helper()
	if want := string(input(b, name)); want != got {
		b.Fatalf("%s differs:\n%s\nwanted:\n%s", name, got, want)
	}
}

func BenchmarkTemplate(b *testing.B) {
	t := template.New("gotpl")
	functions := sprig.TxtFuncMap()
	functions["toYaml"] = func(v any) (string, error) {
		data, err := yaml.Marshal(v)
		return strings.TrimSuffix(string(data), "\n"), err
	}
	functions["include"] = func(name string, data any) (string, error) {
		var out strings.Builder
		err := t.ExecuteTemplate(&out, name, data)
		return out.String(), err
	}
	_, err := t.Funcs(functions).Option("missingkey=zero").Parse(string(input(b, "deployment.tpl")))
	must(b, err)
	data := value(b, "values.json")
	var out bytes.Buffer
	must(b, t.Execute(&out, data))
	same(b, "deployment.out", out.String())
	for b.Loop() {
		out.Reset()
		must(b, t.Execute(&out, data))
	}
}

// As Argo Workflows does it: tags replaced in the JSON text of the template, then read again.
func BenchmarkTags(b *testing.B) {
	text := string(input(b, "task.json"))
	for b.Loop() {
		for i := range 10000 {
			scope := map[string]string{
				"inputs.parameters.name":  fmt.Sprintf("task-%d", i),
				"inputs.parameters.image": "registry.local/team/app:v1.2.3",
				"inputs.parameters.index": fmt.Sprint(i),
				"workflow.name":           "fan-out-x7k2p",
				"workflow.namespace":      "batch",
			}
			t, err := fasttemplate.NewTemplate(text, "{{", "}}")
			must(b, err)
			replaced, err := t.ExecuteFuncStringWithErr(func(w io.Writer, tag string) (int, error) {
				v, ok := scope[strings.TrimSpace(tag)]
				if !ok {
					return fmt.Fprintf(w, "{{%s}}", tag)
				}
				quoted, err := json.Marshal(v)
				if err != nil {
					return 0, err
				}
				return w.Write(quoted[1 : len(quoted)-1])
			})
			must(b, err)
			var out any
			must(b, json.Unmarshal([]byte(replaced), &out))
		}
	}
}

func evaluate(b *testing.B, name string) {
	env := value(b, "env.json").(map[string]any)
	program, err := expr.Compile(string(input(b, name+".expr")), expr.Env(env))
	must(b, err)
	machine := vm.VM{}
	got, err := machine.Run(program, env)
	must(b, err)
	text, err := json.Marshal(got)
	must(b, err)
	same(b, name+".out", string(text))
	for b.Loop() {
		_, err := machine.Run(program, env)
		must(b, err)
	}
}

func BenchmarkExprCondition(b *testing.B)  { evaluate(b, "condition") }
func BenchmarkExprPredicates(b *testing.B) { evaluate(b, "predicates") }

func BenchmarkGovaluate(b *testing.B) {
	e, err := govaluate.NewEvaluableExpression(string(input(b, "filter.govaluate")))
	must(b, err)
	env := value(b, "parameters.json").(map[string]any)
	for b.Loop() {
		got, err := e.Evaluate(env)
		must(b, err)
		if got != true {
			b.Fatal(got)
		}
	}
}

func documents(b *testing.B) [][]byte {
	return bytes.Split(input(b, "manifests.yaml"), []byte("---\n"))[1:]
}

func BenchmarkYamlDecode(b *testing.B) {
	docs := documents(b)
	b.SetBytes(int64(len(input(b, "manifests.yaml"))))
	for b.Loop() {
		for _, doc := range docs {
			var out any
			must(b, yaml.Unmarshal(doc, &out))
		}
	}
}

func BenchmarkYamlEncode(b *testing.B) {
	var values []any
	size := 0
	for _, doc := range documents(b) {
		var out any
		must(b, yaml.Unmarshal(doc, &out))
		values = append(values, out)
		text, err := yaml.Marshal(out)
		must(b, err)
		size += len(text)
	}
	b.SetBytes(int64(size))
	for b.Loop() {
		for _, it := range values {
			_, err := yaml.Marshal(it)
			must(b, err)
		}
	}
}

func BenchmarkJsonPath(b *testing.B) {
	data := value(b, "list.json")
	text := string(input(b, "list.jsonpath"))
	path := jsonpath.New("bench")
	must(b, path.Parse(text))
	var out bytes.Buffer
	must(b, path.Execute(&out, data))
	same(b, "list.out", out.String())
	for b.Loop() {
		out.Reset()
		// execution consumes a range: a fresh parse of these few bytes is part of every use
		path := jsonpath.New("bench")
		must(b, path.Parse(text))
		must(b, path.Execute(&out, data))
	}
}

func BenchmarkCron(b *testing.B) {
	schedule, err := cron.ParseStandard("30 6 * * 1-5")
	must(b, err)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for b.Loop() {
		at := start
		for range 100 {
			at = schedule.Next(at)
		}
		if at.Year() != 2026 {
			b.Fatal(at)
		}
	}
}

func BenchmarkCronRare(b *testing.B) {
	schedule, err := cron.ParseStandard("0 0 29 2 *")
	must(b, err)
	zone, err := time.LoadLocation("Europe/Zurich")
	must(b, err)
	start := time.Date(2025, 1, 1, 0, 0, 0, 0, zone)
	for b.Loop() {
		if at := schedule.Next(start); at.Year() != 2028 {
			b.Fatal(at)
		}
	}
}

func BenchmarkSemver(b *testing.B) {
	constraint, err := semver.NewConstraint(">=1.2.0 <2.0.0 || ~3.1 || ^4.5.6")
	must(b, err)
	versions := strings.Fields(string(input(b, "versions.txt")))
	for b.Loop() {
		hits := 0
		for _, text := range versions {
			version, err := semver.NewVersion(text)
			must(b, err)
			if constraint.Check(version) {
				hits++
			}
		}
		if hits == 0 {
			b.Fatal("none")
		}
	}
}

func BenchmarkJq(b *testing.B) {
	query, err := gojq.Parse(string(input(b, "object.jq")))
	must(b, err)
	code, err := gojq.Compile(query)
	must(b, err)
	data := value(b, "object.json")
	run := func() (out []any) {
		iter := code.Run(data)
		for {
			v, ok := iter.Next()
			if !ok {
				return out
			}
			if err, ok := v.(error); ok {
				b.Fatal(err)
			}
			out = append(out, v)
		}
	}
	var texts []string
	for _, it := range run() {
		text, err := json.Marshal(it)
		must(b, err)
		texts = append(texts, string(text))
	}
	same(b, "object.out", strings.Join(texts, "\n"))
	for b.Loop() {
		run()
	}
}
