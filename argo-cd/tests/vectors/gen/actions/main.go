// Command actions runs upstream's action scripts on upstream's test objects and on changed copies of them, at one
// fixed time, and writes what they say, one JSON object a line:
//
//	go run ./actions <argo-cd>/resource_customizations 12 > ../data/actions.jsonl
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
	luajson "layeh.com/gopher-json"
	"sigs.k8s.io/yaml"
)

var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

type vector struct {
	Gk      string            `json:"gk"`
	Action  string            `json:"action,omitempty"`
	Params  map[string]string `json:"params,omitempty"`
	Input   map[string]any    `json:"input"`
	Actions any               `json:"actions,omitempty"`
	Output  any               `json:"output,omitempty"`
	Err     string            `json:"err,omitempty"`
}

func decode(l *lua.LState, v any) lua.LValue {
	switch c := v.(type) {
	case bool:
		return lua.LBool(c)
	case float64:
		return lua.LNumber(c)
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

var layouts = strings.NewReplacer("%Y", "2006", "%m", "01", "%d", "02", "%X", "15:04:05", "%H", "15", "%M", "04", "%y", "06", "!", "")

func date(l *lua.LState) int {
	l.Push(lua.LString(now.Format(layouts.Replace(l.CheckString(1)))))
	return 1
}

func run(src string, obj map[string]any, params map[string]string) (any, string) {
	l := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer l.Close()
	for n, f := range map[string]lua.LGFunction{lua.LoadLibName: lua.OpenPackage, lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable} {
		if err := l.CallByParam(lua.P{Fn: l.NewFunction(f), NRet: 0, Protect: true}, lua.LString(n)); err != nil {
			panic(err)
		}
	}
	l.PreloadModule("os", func(l *lua.LState) int {
		l.Push(l.SetFuncs(l.NewTable(), map[string]lua.LGFunction{"date": date}))
		return 1
	})
	p := l.NewTable()
	for k, v := range params {
		p.RawSetString(k, lua.LString(v))
	}
	l.SetGlobal("actionParams", p)
	l.SetGlobal("obj", decode(l, obj))
	if err := l.DoString(src); err != nil {
		return nil, strings.Split(err.Error(), "\n")[0]
	}
	b, err := luajson.Encode(l.Get(-1))
	if err != nil {
		return nil, err.Error()
	}
	var out any
	if err := json.Unmarshal(b, &out); err != nil {
		panic(err)
	}
	return out, ""
}

// clean makes lists objects again where the input has objects
func clean(out, in any) any {
	switch o := out.(type) {
	case map[string]any:
		i, _ := in.(map[string]any)
		for k := range o {
			if v, ok := i[k]; ok {
				o[k] = clean(o[k], v)
			}
		}
	case []any:
		if m, ok := in.(map[string]any); ok && len(o) == 0 && m != nil {
			return map[string]any{}
		}
		if i, ok := in.([]any); ok {
			for k := range o {
				if k < len(i) {
					o[k] = clean(o[k], i[k])
				}
			}
		}
	}
	return out
}

// patch is the merge patch from one object to another
func patch(from, to map[string]any) map[string]any {
	p := map[string]any{}
	for k, v := range to {
		old, there := from[k]
		a, aok := old.(map[string]any)
		b, bok := v.(map[string]any)
		if aok && bok {
			if inner := patch(a, b); len(inner) > 0 {
				p[k] = inner
			}
		} else if x, y := fmt.Sprintf("%#v", old), fmt.Sprintf("%#v", v); !there || x != y {
			p[k] = v
		}
	}
	for k := range from {
		if _, there := to[k]; !there {
			p[k] = nil
		}
	}
	return p
}

// full leaves nulls out, which Lua does not know
func full(v any) any {
	switch c := v.(type) {
	case map[string]any:
		for k, x := range c {
			if x == nil {
				delete(c, k)
			} else {
				c[k] = full(x)
			}
		}
	case []any:
		for i, x := range c {
			c[i] = full(x)
		}
	}
	return v
}

// trim leaves out what no script reads
func trim(o map[string]any) map[string]any {
	if m, ok := o["metadata"].(map[string]any); ok {
		delete(m, "managedFields")
		if a, ok := m["annotations"].(map[string]any); ok {
			delete(a, "kubectl.kubernetes.io/last-applied-configuration")
		}
	}
	if s, ok := o["spec"].(map[string]any); ok {
		for _, k := range []string{"template", "spec", "values", "source", "dataFrom", "data", "analysis", "selector"} {
			if t, ok := s[k].(map[string]any); ok && t["spec"] != nil {
				t["spec"] = map[string]any{"containers": []any{}}
			}
		}
	}
	return o
}

func clone(v map[string]any) map[string]any {
	b, _ := json.Marshal(v)
	o := map[string]any{}
	json.Unmarshal(b, &o)
	return o
}

// change drops or flips one of the fields that actions read
func change(r *rand.Rand, o map[string]any) {
	var sites []func()
	var walk func(v any, depth int)
	walk = func(v any, depth int) {
		m, ok := v.(map[string]any)
		if !ok {
			return
		}
		keys := make([]string, 0)
		for k := range m {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		for _, k := range keys {
			if k == "apiVersion" || k == "kind" || k == "name" || k == "namespace" || (depth == 0 && k != "status") {
				walk(m[k], depth+1)
				continue
			}
			sites = append(sites, func() {
				if b, ok := m[k].(bool); ok && r.Intn(2) == 0 {
					m[k] = !b
				} else {
					delete(m, k)
				}
			})
			walk(m[k], depth+1)
		}
	}
	walk(o, 0)
	if len(sites) > 0 {
		sites[r.Intn(len(sites))]()
	}
}

func main() {
	root, per := os.Args[1], 0
	fmt.Sscan(os.Args[2], &per)
	w := bufio.NewWriter(os.Stdout)
	defer w.Flush()
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	dirs, _ := filepath.Glob(root + "/*/*/actions")
	sort.Strings(dirs)
	for _, dir := range dirs {
		gk := filepath.Base(filepath.Dir(filepath.Dir(dir))) + "/" + filepath.Base(filepath.Dir(dir))
		discovery, err := os.ReadFile(dir + "/discovery.lua")
		if err != nil {
			panic(err)
		}
		r := rand.New(rand.NewSource(int64(len(discovery))))
		tf, _ := os.ReadFile(dir + "/action_test.yaml")
		var tests struct {
			DiscoveryTests []struct{ InputPath string }
			ActionTests    []struct {
				Action, InputPath string
				Parameters        map[string]string
			}
		}
		if err := yaml.Unmarshal(tf, &tests); err != nil {
			panic(err)
		}
		load := func(p string) map[string]any {
			b, err := os.ReadFile(dir + "/" + p)
			if err != nil {
				panic(err)
			}
			o := map[string]any{}
			if err := yaml.Unmarshal(b, &o); err != nil {
				panic(err)
			}
			return trim(full(o).(map[string]any))
		}
		seen := map[string]bool{}
		discover := func(o map[string]any) {
			a, fault := run(string(discovery), o, nil)
			b, _ := json.Marshal([]any{a, fault})
			if seen[string(b)] {
				return
			}
			seen[string(b)] = true
			e.Encode(vector{Gk: gk, Input: o, Actions: a, Err: fault})
		}
		var inputs []map[string]any
		for _, t := range tests.DiscoveryTests {
			o := load(t.InputPath)
			inputs = append(inputs, o)
			discover(o)
		}
		act := func(action string, o map[string]any, params map[string]string) {
			src, err := os.ReadFile(dir + "/" + action + "/action.lua")
			if err != nil {
				src, err = os.ReadFile(dir + "/" + action + "/actions.lua")
				if err != nil {
					panic(err)
				}
			}
			out, fault := run(string(src), o, params)
			if m, ok := out.(map[string]any); ok {
				out = patch(o, clean(m, o).(map[string]any))
			}
			key := action + fmt.Sprint(params) + fault
			if fault == "" {
				b, _ := json.Marshal([]any{o, out})
				key += string(b)
			}
			if seen[key] {
				return
			}
			seen[key] = true
			e.Encode(vector{Gk: gk, Action: action, Params: params, Input: o, Output: out, Err: fault})
		}
		for _, t := range tests.ActionTests {
			o := load(t.InputPath)
			inputs = append(inputs, o)
			act(t.Action, o, t.Parameters)
		}
		for i := 0; i < per*len(inputs); i++ {
			o := clone(inputs[r.Intn(len(inputs))])
			for n := 1 + r.Intn(3); n > 0; n-- {
				change(r, o)
			}
			discover(o)
			if len(tests.ActionTests) > 0 && i%4 == 0 {
				t := tests.ActionTests[r.Intn(len(tests.ActionTests))]
				act(t.Action, o, t.Parameters)
			}
		}
	}
}
