// Command upstream runs the tests of structured-merge-diff and of apimachinery's strategicpatch in instrumented copies, and writes what
// their tables ask of the library, and what it answers, as vectors: inputs and outcomes, one JSON value per line.
//
//	go run ./upstream ..
package main

import (
	"embed"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
)

//go:embed record/*.txt
var records embed.FS

// A package to instrument: functions get a wrapper that records the outermost calls.
type target struct {
	dir     string
	wrapped []string // Func or Receiver.Method
}

type suite struct {
	module  string
	prefix  string // of the files in record/
	targets []target
	run     []string
	limits  map[string]map[string]int // the most lines of an operation that are kept, by package; tests with random input write thousands
}

func main() {
	out, err := filepath.Abs(os.Args[1])
	check(err)
	suites := []suite{{
		module: "sigs.k8s.io/structured-merge-diff/v6",
		prefix: "smd",
		targets: []target{
			{"fieldpath", []string{"Set.Union", "Set.Intersection", "Set.Difference", "Set.RecursiveDifference", "Set.Leaves",
				"Set.EnsureNamedFieldsAreMembers", "Set.FromJSON", "PathElement.Compare", "Path.String", "DeserializePathElement", "includeMatcherFilter.Filter"}},
			{"typed", []string{"TypedValue.Merge", "TypedValue.Compare", "TypedValue.ToFieldSet", "TypedValue.RemoveItems",
				"TypedValue.ExtractItems", "ReconcileFieldSetWithSchema", "AsTyped"}},
			{"merge", []string{"Updater.Apply", "Updater.Update"}},
		},
		run: []string{"./fieldpath", "./typed", "./merge"},
		limits: map[string]map[string]int{
			"./fieldpath": {"parse": 60, "compare": 300},
			// What the operations are made of is in the tables of typed.
			"./merge": {"validate": 0, "compare": 0, "difference": 0, "merge": 0, "extract": 0, "string": 0, "leaves": 0, "union": 0},
		},
	}, {
		module: "k8s.io/apimachinery",
		prefix: "strategic",
		targets: []target{
			{"pkg/util/strategicpatch", []string{"StrategicMergeMapPatchUsingLookupPatchMeta", "CreateTwoWayMergeMapPatchUsingLookupPatchMeta",
				"CreateThreeWayMergePatch"}},
		},
		run: []string{"./pkg/util/strategicpatch"},
	}}
	for _, s := range suites {
		if len(os.Args) > 2 && os.Args[2] != s.prefix {
			continue
		}
		s.generate(out)
	}
}

func (s suite) generate(out string) {
	listed, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", s.module).Output()
	check(err)
	work, err := os.MkdirTemp("", "vectors")
	check(err)
	defer os.RemoveAll(work)
	check(os.CopyFS(work, os.DirFS(strings.TrimSpace(string(listed)))))
	check(filepath.WalkDir(work, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chmod(path, 0o755)
	}))
	for _, t := range s.targets {
		rename(filepath.Join(work, t.dir), t.wrapped)
		if t.dir == "merge" {
			// Versions are visited in random order, which shows in the conversions that are asked for.
			replace(filepath.Join(work, "merge", "update.go"), "for version, managed := range managedAtVersion {",
				"for _, version := range sortedVersions(managedAtVersion) {\n\t\tmanaged := managedAtVersion[version]")
		}
		name := s.prefix + "_" + filepath.Base(t.dir)
		write(filepath.Join(work, t.dir, "zz_record.go"), name+".go.txt")
	}
	record := filepath.Join(work, "pkg", "zzrecord")
	check(os.MkdirAll(record, 0o755))
	write(filepath.Join(record, "record.go"), "record.go.txt")
	results := filepath.Join(work, "results")
	check(os.MkdirAll(results, 0o755))
	for _, pkg := range s.run {
		command := exec.Command("go", "test", "-mod=mod", "-count=1", "-parallel=1", pkg)
		command.Dir = work
		command.Env = append(os.Environ(), "VECTORS="+filepath.Join(results, filepath.Base(pkg)), "GOFLAGS=-mod=mod", "GOWORK=off")
		if output, err := command.CombinedOutput(); err != nil {
			log.Fatalf("%s: %v\n%s", pkg, err, output)
		}
		text, err := os.ReadFile(filepath.Join(results, filepath.Base(pkg)))
		check(err)
		lines := bounded(strings.Split(strings.TrimSpace(string(text)), "\n"), s.limits[pkg])
		name := s.prefix + "_" + filepath.Base(pkg) + ".jsonl"
		check(os.WriteFile(filepath.Join(out, name), []byte(strings.Join(lines, "\n")+"\n"), 0o644))
		fmt.Printf("%s: %d lines\n", name, len(lines))
	}
}

// bounded drops lines beyond the limits, sequences of steps that repeat another, and definitions nobody refers to.
func bounded(lines []string, limits map[string]int) []string {
	type line struct {
		Op, Define       string
		ID               int
		Schema, Sequence *int
		Types            map[string]int
	}
	counts, sequences, order := map[string]int{}, map[int][]string{}, []int{}
	var kept []string
	parsed := func(text string) (it line) {
		check(json.Unmarshal([]byte(text), &it))
		return it
	}
	for _, text := range lines {
		it := parsed(text)
		if limit, ok := limits[it.Op]; ok && counts[it.Op] >= limit {
			continue
		}
		counts[it.Op]++
		if it.Sequence != nil {
			if _, ok := sequences[*it.Sequence]; !ok {
				order = append(order, *it.Sequence)
			}
			sequences[*it.Sequence] = append(sequences[*it.Sequence], text)
			continue
		}
		kept = append(kept, text)
	}
	seen := map[string]bool{}
	for _, sequence := range order {
		steps := sequences[sequence]
		same := strings.ReplaceAll(strings.Join(steps, "\n"), fmt.Sprintf("\"sequence\":%d,", sequence), "")
		if !seen[same] {
			seen[same] = true
			kept = append(kept, steps...)
		}
	}
	used := map[int]bool{}
	for _, text := range kept {
		if it := parsed(text); it.Schema != nil {
			used[*it.Schema] = true
			for _, id := range it.Types {
				used[id] = true
			}
		}
	}
	return slices.DeleteFunc(kept, func(text string) bool { it := parsed(text); return it.Define != "" && !used[it.ID] })
}

// rename gives the functions of a package the suffix of the recorded ones.
func rename(dir string, wrapped []string) {
	want := map[string]bool{}
	for _, name := range wrapped {
		want[name] = true
	}
	entries, err := os.ReadDir(dir)
	check(err)
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".go") || strings.HasSuffix(entry.Name(), "_test.go") {
			continue
		}
		path := filepath.Join(dir, entry.Name())
		text, err := os.ReadFile(path)
		check(err)
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, text, 0)
		check(err)
		var ends []int
		for _, decl := range file.Decls {
			function, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			name := function.Name.Name
			if function.Recv != nil {
				receiver := function.Recv.List[0].Type
				if star, ok := receiver.(*ast.StarExpr); ok {
					receiver = star.X
				}
				name = receiver.(*ast.Ident).Name + "." + name
			}
			if want[name] {
				ends = append(ends, files.Position(function.Name.End()).Offset)
				delete(want, name)
			}
		}
		sort.Sort(sort.Reverse(sort.IntSlice(ends)))
		for _, end := range ends {
			text = append(text[:end:end], append([]byte("Recorded"), text[end:]...)...)
		}
		check(os.WriteFile(path, text, 0o644))
	}
	if len(want) > 0 {
		log.Fatalf("%s has no %v", dir, want)
	}
}

func replace(path, old, new string) {
	text, err := os.ReadFile(path)
	check(err)
	if strings.Count(string(text), old) != 1 {
		log.Fatalf("%s has not one %q", path, old)
	}
	check(os.WriteFile(path, []byte(strings.Replace(string(text), old, new, 1)), 0o644))
}

func write(path, record string) {
	text, err := records.ReadFile("record/" + record)
	check(err)
	check(os.WriteFile(path, text, 0o644))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
