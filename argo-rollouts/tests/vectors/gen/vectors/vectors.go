// Package vectors is what the generators beside it share: cases are read from YAML, vectors are printed one a line.
package vectors

import (
	"encoding/json"
	"fmt"
	"os"
	"sort"

	"sigs.k8s.io/yaml"
)

// Vector is what a router was given and what it made of it.
type Vector[T any] struct {
	Name    string           `json:"name"`
	Router  string           `json:"router"`
	Rollout map[string]any   `json:"rollout"`
	Objects []map[string]any `json:"objects"`
	Traffic T                `json:"traffic"`
	After   []map[string]any `json:"after,omitempty"`
	Error   string           `json:"error,omitempty"`
}

// Check panics: a generator has nobody to tell.
func Check(err error) {
	if err != nil {
		panic(err)
	}
}

// CopyOf makes one value of another by way of JSON.
func CopyOf(from any, to any) {
	data, err := json.Marshal(from)
	Check(err)
	Check(json.Unmarshal(data, to))
}

// Cases reads the YAML file that the command line names.
func Cases[T any]() T {
	data, err := os.ReadFile(os.Args[1])
	Check(err)
	var cases T
	Check(yaml.Unmarshal(data, &cases))
	return cases
}

// Print writes a JSON list with one item a line.
func Print[T any](vectors []T) {
	fmt.Println("[")
	for i, v := range vectors {
		line, err := json.Marshal(v)
		Check(err)
		comma := ","
		if i == len(vectors)-1 {
			comma = ""
		}
		fmt.Println(string(line) + comma)
	}
	fmt.Println("]")
}

// Plain takes away what differs from run to run, and sorts.
func Plain(objects []map[string]any) {
	key := func(o map[string]any) string {
		meta := o["metadata"].(map[string]any)
		namespace, _ := meta["namespace"].(string)
		return fmt.Sprint(o["apiVersion"], o["kind"]) + namespace + meta["name"].(string)
	}
	for _, o := range objects {
		meta := o["metadata"].(map[string]any)
		delete(meta, "creationTimestamp")
		delete(meta, "resourceVersion")
	}
	sort.Slice(objects, func(i, j int) bool { return key(objects[i]) < key(objects[j]) })
}
