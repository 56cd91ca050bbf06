// Makes ../../src/engine/hash/fields.txt (no argument) and hash.json (argument: a JSON list of pod templates). Put it
// into a folder of its own under cmd/ of a checkout of argoproj/argo-rollouts and run it there.

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"sort"
	"strings"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/argoproj/argo-rollouts/utils/hash"
	corev1 "k8s.io/api/core/v1"
)

var seen = map[string]string{}

func kind(t reflect.Type) string {
	switch t.String() {
	case "resource.Quantity", "v1.Time", "intstr.IntOrString", "v1.FieldsV1":
		return t.Name()
	}
	switch t.Kind() {
	case reflect.Ptr:
		return "*" + kind(t.Elem())
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "bytes"
		}
		return "[]" + kind(t.Elem())
	case reflect.Map:
		return "{}" + kind(t.Elem())
	case reflect.Struct:
		walk(t)
		return "." + t.Name()
	case reflect.String:
		return "s"
	case reflect.Bool:
		return "b"
	default:
		return "i"
	}
}

func fields(t reflect.Type) []string {
	var out []string
	for i := 0; i < t.NumField(); i++ {
		f := t.Field(i)
		tag := strings.Split(f.Tag.Get("json"), ",")
		if tag[0] == "-" {
			continue
		}
		inline := tag[0] == "" && f.Anonymous
		for _, o := range tag[1:] {
			if o == "inline" {
				inline = true
			}
		}
		if inline {
			ft := f.Type
			if ft.Kind() == reflect.Ptr {
				ft = ft.Elem()
			}
			out = append(out, fields(ft)...)
			continue
		}
		omit := "!"
		for _, o := range tag[1:] {
			if o == "omitempty" {
				omit = ""
			}
			if o == "omitzero" {
				omit = "~"
			}
		}
		out = append(out, omit+tag[0]+":"+kind(f.Type))
	}
	return out
}

func walk(t reflect.Type) {
	if _, ok := seen[t.Name()]; ok {
		return
	}
	seen[t.Name()] = ""
	seen[t.Name()] = strings.Join(fields(t), " ")
}

func main() {
	if len(os.Args) > 1 {
		for _, f := range os.Args[1:] {
			b, _ := os.ReadFile(f)
			var docs []json.RawMessage
			if err := json.Unmarshal(b, &docs); err != nil {
				panic(err)
			}
			var out []map[string]any
			for _, d := range docs {
				var t corev1.PodTemplateSpec
				if err := json.Unmarshal(d, &t); err != nil {
					continue
				}
				one := int32(1)
				enc, _ := json.Marshal(t)
				out = append(out, map[string]any{"template": d, "hash": hash.ComputePodTemplateHash(&t, nil), "collided": hash.ComputePodTemplateHash(&t, &one), "json": string(enc)})
			}
			e, _ := json.Marshal(out)
			fmt.Println(string(e))
		}
		return
	}
	walk(reflect.TypeOf(corev1.PodTemplateSpec{}))
	walk(reflect.TypeOf(v1alpha1.CanaryStep{}))
	var names []string
	for n := range seen {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		fmt.Printf("%s %s\n", n, seen[n])
	}
}
