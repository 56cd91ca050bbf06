// Command health runs upstream's health scripts on upstream's test objects and on changed copies of them, and writes
// inputs and verdicts, one JSON object a line:
//
//	go run ./health <argo-cd>/resource_customizations 300 7 OUT
//
// OUT.all.jsonl holds every test object and 300 changed ones a script (ARGO_HEALTH_VECTORS reads it), OUT.small.jsonl
// up to 7 a script with different verdicts: that is tests/data/health/changed.jsonl.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
	luajson "layeh.com/gopher-json"
	"sigs.k8s.io/yaml"
)

type verdict struct {
	Status  string `json:"status,omitempty"`
	Message string `json:"message,omitempty"`
	Err     string `json:"err,omitempty"`
}

var valid = map[string]bool{"Healthy": true, "Progressing": true, "Degraded": true, "Suspended": true, "Missing": true, "Unknown": true}

func decode(l *lua.LState, v any) lua.LValue {
	switch c := v.(type) {
	case bool:
		return lua.LBool(c)
	case float64:
		return lua.LNumber(c)
	case json.Number:
		f, _ := c.Float64()
		return lua.LNumber(f)
	case string:
		return lua.LString(c)
	case []any:
		arr := l.CreateTable(len(c), 0)
		for _, it := range c {
			arr.Append(decode(l, it))
		}
		return arr
	case map[string]any:
		t := l.CreateTable(0, len(c))
		keys := make([]string, 0, len(c))
		for k := range c {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		for _, k := range keys {
			t.RawSetH(lua.LString(k), decode(l, c[k]))
		}
		return t
	}
	return lua.LNil
}

func run(p *lua.FunctionProto, obj map[string]any) verdict {
	l := lua.NewState()
	defer l.Close()
	ctx, c := context.WithTimeout(context.Background(), time.Second)
	defer c()
	l.SetContext(ctx)
	l.SetGlobal("obj", decode(l, obj))
	l.Push(l.NewFunctionFromProto(p))
	if err := l.PCall(0, lua.MultRet, nil); err != nil {
		return verdict{Err: strings.Split(err.Error(), "\n")[0]}
	}
	r := l.Get(-1)
	if r.Type() == lua.LTNil {
		return verdict{}
	}
	if r.Type() != lua.LTTable {
		return verdict{Err: "type " + r.Type().String()}
	}
	b, err := luajson.Encode(r)
	if err != nil {
		return verdict{Err: err.Error()}
	}
	if string(b) == "[]" {
		return verdict{}
	}
	var h struct{ Status, Message string }
	if err := json.Unmarshal(b, &h); err != nil {
		return verdict{Err: err.Error()}
	}
	if !valid[h.Status] {
		return verdict{Status: "Unknown", Message: "Lua returned an invalid health status"}
	}
	return verdict{Status: h.Status, Message: h.Message}
}

func clone(v any) any {
	switch c := v.(type) {
	case map[string]any:
		m := map[string]any{}
		for k, x := range c {
			m[k] = clone(x)
		}
		return m
	case []any:
		a := make([]any, len(c))
		for i, x := range c {
			a[i] = clone(x)
		}
		return a
	}
	return v
}

var word = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_]*`)
var lit = regexp.MustCompile(`"([^"\n]*)"|'([^'\n]*)'`)

// prune keeps what the script can see by name
func prune(v any, words map[string]bool, src string, dyn bool) any {
	switch c := v.(type) {
	case map[string]any:
		m := map[string]any{}
		for k, x := range c {
			if dyn || words[k] || strings.Contains(src, `"`+k+`"`) {
				m[k] = prune(x, words, src, k == "racks" || k == "details" || k == "statuses" || k == "brokersState" || k == "executorState")
			}
		}
		return m
	case []any:
		a := make([]any, len(c))
		for i, x := range c {
			a[i] = prune(x, words, src, false)
		}
		return a
	}
	return v
}

type site struct {
	parent any
	key    string
	idx    int
}

func sites(v any, out *[]site) {
	switch c := v.(type) {
	case map[string]any:
		ks := make([]string, 0)
		for k := range c {
			ks = append(ks, k)
		}
		sort.Strings(ks)
		for _, k := range ks {
			*out = append(*out, site{c, k, 0})
			sites(c[k], out)
		}
	case []any:
		for i := range c {
			*out = append(*out, site{c, "", i})
			sites(c[i], out)
		}
	}
}

func mutate(r *rand.Rand, base map[string]any, lits []string, n int) map[string]any {
	o := clone(base).(map[string]any)
	for ; n > 0; n-- {
		var s []site
		for _, k := range []string{"status", "spec", "metadata"} {
			if x, ok := o[k]; ok {
				if k != "metadata" && r.Intn(60) == 0 {
					delete(o, k)
					continue
				}
				sites(x, &s)
			}
		}
		if st, ok := o["status"].(map[string]any); ok && r.Intn(25) == 0 {
			for k := range st {
				delete(st, k)
			}
			continue
		}
		if md, ok := o["metadata"].(map[string]any); ok {
			switch r.Intn(30) {
			case 0:
				md["generation"] = float64(r.Intn(4))
			case 1:
				md["deletionTimestamp"] = "2024-01-01T00:00:00Z"
			}
		}
		if len(s) == 0 {
			continue
		}
		p := s[r.Intn(len(s))]
		var old any
		set := func(v any) {
			if m, ok := p.parent.(map[string]any); ok {
				m[p.key] = v
			} else {
				p.parent.([]any)[p.idx] = v
			}
		}
		if m, ok := p.parent.(map[string]any); ok {
			old = m[p.key]
		} else {
			old = p.parent.([]any)[p.idx]
		}
		switch c := old.(type) {
		case string:
			switch q := r.Intn(10); {
			case (c == "True" || c == "False" || c == "Unknown") && q < 8:
				set([]string{"True", "False", "Unknown"}[r.Intn(3)])
			case q < 4 && len(lits) > 0:
				set(lits[r.Intn(len(lits))])
			case q < 8:
				if m, ok := p.parent.(map[string]any); ok {
					delete(m, p.key)
				}
			case q == 8:
				set("")
			default:
				set(c + "x")
			}
		case float64:
			switch r.Intn(4) {
			case 0:
				set(c + 1)
			case 1:
				set(c - 1)
			case 2:
				set(float64(0))
			default:
				if m, ok := p.parent.(map[string]any); ok {
					delete(m, p.key)
				}
			}
		case bool:
			if m, ok := p.parent.(map[string]any); ok && r.Intn(2) == 0 {
				delete(m, p.key)
			} else {
				set(!c)
			}
		case []any:
			switch q := r.Intn(6); {
			case q == 0:
				set([]any{})
			case q == 1:
				if m, ok := p.parent.(map[string]any); ok {
					delete(m, p.key)
				}
			case q == 2 && len(c) > 0:
				i := r.Intn(len(c))
				set(append(append([]any{}, c[:i]...), c[i+1:]...))
			case q == 3 && len(c) > 0:
				set(append(append([]any{}, c...), clone(c[r.Intn(len(c))])))
			default:
				d := append([]any{}, c...)
				r.Shuffle(len(d), func(i, j int) { d[i], d[j] = d[j], d[i] })
				set(d)
			}
		case map[string]any:
			if m, ok := p.parent.(map[string]any); ok && r.Intn(3) == 0 {
				delete(m, p.key)
			}
		}
	}
	return o
}

type vector struct {
	Gk      string         `json:"gk"`
	Input   map[string]any `json:"input"`
	Verdict verdict        `json:"expect"`
	Kind    string         `json:"src,omitempty"`
}

func main() {
	root, per, keep, out := os.Args[1], 0, 0, os.Args[4]
	fmt.Sscan(os.Args[2], &per)
	fmt.Sscan(os.Args[3], &keep)
	files, _ := filepath.Glob(root + "/*/*/health.lua")
	sort.Strings(files)
	all, _ := os.Create(out + ".all.jsonl")
	small, _ := os.Create(out + ".small.jsonl")
	wa, ws := bufio.NewWriter(all), bufio.NewWriter(small)
	nAll, nSmall, nCase, bad := 0, 0, 0, 0
	emit := func(w *bufio.Writer, v vector) {
		b, _ := json.Marshal(v)
		b = bytes.ReplaceAll(b, []byte(`\u003c`), []byte("<"))
		b = bytes.ReplaceAll(b, []byte(`\u003e`), []byte(">"))
		b = bytes.ReplaceAll(b, []byte(`\u0026`), []byte("&"))
		w.Write(b)
		w.WriteString("\n")
	}
	for _, f := range files {
		dir := filepath.Dir(f)
		gk := filepath.Base(filepath.Dir(dir)) + "/" + filepath.Base(dir)
		src, _ := os.ReadFile(f)
		l := lua.NewState()
		fn, err := l.LoadString(string(src))
		if err != nil {
			panic(err)
		}
		words := map[string]bool{"apiVersion": true, "kind": true, "metadata": true, "name": true, "generation": true}
		for _, w := range word.FindAllString(string(src), -1) {
			words[w] = true
		}
		var lits []string
		for _, m := range lit.FindAllStringSubmatch(string(src), -1) {
			lits = append(lits, m[1]+m[2])
		}
		tf, err := os.ReadFile(dir + "/health_test.yaml")
		if err != nil {
			panic(err)
		}
		var tests struct {
			Tests []struct {
				InputPath    string
				HealthStatus struct{ Status, Message string }
			}
		}
		if err := yaml.Unmarshal(tf, &tests); err != nil {
			panic(err)
		}
		r := rand.New(rand.NewSource(int64(len(src))))
		seen := map[string]int{}
		inputs := map[string]bool{}
		kept := 0
		var bases []map[string]any
		for _, t := range tests.Tests {
			b, err := os.ReadFile(dir + "/" + t.InputPath)
			if err != nil {
				fmt.Println("no input", gk, t.InputPath)
				continue
			}
			o := map[string]any{}
			if err := yaml.Unmarshal(b, &o); err != nil {
				panic(err)
			}
			av, _ := o["apiVersion"].(string)
			kd, _ := o["kind"].(string)
			own := strings.Split(av, "/")[0] + "/" + kd
			if _, err := os.Stat(root + "/" + own + "/health.lua"); err == nil && own != gk {
				fmt.Println("of another script", gk, t.InputPath, own)
				continue
			}
			v := run(fn.Proto, o)
			if v.Status != t.HealthStatus.Status || v.Message != t.HealthStatus.Message {
				bad++
				fmt.Println("upstream case differs", gk, t.InputPath, v, t.HealthStatus)
			}
			emit(wa, vector{gk, o, v, "case"})
			nCase++
			p := prune(o, words, string(src), false).(map[string]any)
			if pv := run(fn.Proto, p); pv != v {
				fmt.Println("prune changed", gk, t.InputPath, pv, v)
				p = o
			}
			bases = append(bases, p)
		}
		for i := 0; i < per && len(bases) > 0; i++ {
			m := mutate(r, bases[r.Intn(len(bases))], lits, 1+r.Intn(4))
			v := run(fn.Proto, m)
			b, _ := json.Marshal(m)
			if inputs[string(b)] {
				continue
			}
			inputs[string(b)] = true
			emit(wa, vector{gk, m, v, "mutated"})
			nAll++
			sig := v.Status + "|" + v.Message + "|" + v.Err
			if seen[sig] < 2 && kept < keep && len(b) < 1100 {
				seen[sig]++
				kept++
				nSmall++
				emit(ws, vector{gk, m, v, ""})
			}
		}
	}
	wa.Flush()
	ws.Flush()
	fmt.Println("scripts", len(files), "cases", nCase, "differ", bad, "mutated", nAll, "kept", nSmall)
}
