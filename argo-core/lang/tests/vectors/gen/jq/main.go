// Vectors of github.com/itchyny/gojq: programs of its own tests, and its functions and operators over every kind of value.
package main

import (
	"bytes"
	"encoding/json"
	"math"
	"math/big"
	"os"
	"strings"
	"time"

	"vectors/emit"

	"github.com/itchyny/gojq"
)

const library = "github.com/itchyny/gojq v0.12.19"

func main() {
	set := ""
	if len(os.Args) > 1 {
		set = os.Args[1]
	}
	switch set {
	case "own":
		ownTests()
	case "matrix":
		matrix()
	default:
		emit.Shared = parse(world)
		for _, p := range programs {
			add(p, "$shared")
		}
		for _, c := range inputs {
			add(c[0], parse(c[1]))
		}
	}
	emit.Finish("jq", library)
}

// parse reads JSON as gojq's values: whole numbers are integers.
func parse(text string) any {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		panic(text + ": " + err.Error())
	}
	return v
}

func values(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return int(i)
		}
		if b, ok := new(big.Int).SetString(v.String(), 10); ok && b.IsUint64() {
			return b
		}
		f, _ := v.Float64()
		return f
	case []any:
		w := make([]any, len(v))
		for i, x := range v {
			w[i] = values(x)
		}
		return w
	case map[string]any:
		w := make(map[string]any, len(v))
		for k, x := range v {
			w[k] = values(x)
		}
		return w
	default:
		return v
	}
}

// add records a run; what comes before an error is recorded too.
func add(program string, input any) {
	in := input
	if input == "$shared" {
		in = emit.Shared
	}
	out, err := run(program, values(in))
	for _, v := range out {
		// a vector holds 64-bit floats only; those of many digits are compared as text
		if parsed := parse(string(v.(json.RawMessage))); !finite(parsed) {
			return
		} else if err == nil && !short(parsed) && !strings.HasSuffix(program, "| tojson") {
			add("["+program+"] | tojson", input)
			return
		}
	}
	if err != nil && len(out) > 0 {
		emit.Add("each", func() (any, error) {
			return map[string]any{"values": out, "error": err.Error()}, nil
		}, program, input)
		return
	}
	emit.Add("run", func() (any, error) {
		if err != nil {
			return nil, err
		}
		return out, nil
	}, program, input)
}

func run(program string, input any) ([]any, error) {
	q, err := gojq.Parse(program)
	if err != nil {
		return nil, err
	}
	same := func(v any, _ []any) any { return v }
	code, err := gojq.Compile(q, gojq.WithFunction("debug", 0, 0, same), gojq.WithFunction("stderr", 0, 0, same))
	if err != nil {
		return nil, err
	}
	out := []any{}
	iter := code.Run(input)
	stop := time.Now().Add(5 * time.Second)
	for {
		v, ok := iter.Next()
		if !ok {
			return out, nil
		}
		if err, ok := v.(error); ok {
			return out, err
		}
		b, _ := gojq.Marshal(v)
		out = append(out, json.RawMessage(b))
		if len(out) > 2000 || time.Now().After(stop) {
			panic("too much: " + program)
		}
	}
}

// smooth tells whether a result is one that every library of mathematics gives.
func smooth(out []any) bool {
	for _, v := range out {
		d := json.NewDecoder(bytes.NewReader(v.(json.RawMessage)))
		d.UseNumber()
		for {
			t, err := d.Token()
			if err != nil {
				break
			}
			if n, ok := t.(json.Number); ok {
				if f, _ := n.Float64(); f != math.Trunc(f*1024)/1024 {
					return false
				}
			}
		}
	}
	return true
}

// short tells whether a document has no number of more than 15 digits that is no 64-bit integer.
func short(v any) bool {
	switch v := v.(type) {
	case json.Number:
		if _, err := v.Int64(); err == nil {
			return true
		}
		mantissa, _, _ := strings.Cut(strings.ToLower(v.String()), "e")
		return len(strings.Trim(strings.ReplaceAll(mantissa, ".", ""), "-0")) <= 15
	case []any:
		for _, x := range v {
			if !short(x) {
				return false
			}
		}
	case map[string]any:
		for _, x := range v {
			if !short(x) {
				return false
			}
		}
	}
	return true
}
