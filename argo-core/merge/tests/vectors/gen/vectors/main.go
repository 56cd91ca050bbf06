// Writes the vectors beside this folder by running the Go implementations on seeded random objects: `go run ./vectors ..`.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/jsonmergepatch"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

type obj = map[string]interface{}
type list = []interface{}

var r *rand.Rand

func chance(p float64) bool              { return r.Float64() < p }
func pick(xs ...interface{}) interface{} { return xs[r.Intn(len(xs))] }

func subset(keys []string, make func(string) interface{}) list {
	out := list{}
	for _, i := range r.Perm(len(keys)) {
		if chance(0.55) {
			out = append(out, make(keys[i]))
		}
	}
	return out
}

func strMap(keys ...string) obj {
	out := obj{}
	for _, k := range keys {
		if chance(0.5) {
			out[k] = pick("1", "2")
		}
	}
	return out
}

func set(o obj, key string, p float64, v interface{}) {
	if chance(p) {
		o[key] = v
	}
}

func container(name string) interface{} {
	c := obj{"name": name}
	set(c, "image", 0.8, pick("a:1", "a:2", "b:1"))
	set(c, "args", 0.3, list{pick("x", "y"), "z"})
	set(c, "env", 0.5, subset([]string{"A", "B", "C"}, func(n string) interface{} {
		e := obj{"name": n}
		if chance(0.7) {
			e["value"] = pick("1", "2")
		} else {
			e["valueFrom"] = obj{"secretKeyRef": obj{"name": pick("s", "t"), "key": "k"}}
		}
		return e
	}))
	set(c, "ports", 0.4, subset([]string{"80", "81"}, func(n string) interface{} {
		p := obj{"containerPort": map[string]int64{"80": 80, "81": 81}[n]}
		set(p, "protocol", 0.5, pick("TCP", "UDP"))
		set(p, "name", 0.5, "p"+n)
		return p
	}))
	set(c, "resources", 0.3, obj{"limits": strMap("cpu", "memory"), "requests": strMap("cpu")})
	set(c, "volumeMounts", 0.3, subset([]string{"/a", "/b"}, func(n string) interface{} { return obj{"mountPath": n, "name": pick("v", "w")} }))
	return c
}

func deployment(kind string) obj {
	meta := obj{"name": "web", "namespace": "ns"}
	set(meta, "labels", 0.6, strMap("a", "b", "c"))
	set(meta, "annotations", 0.4, strMap("x", "y"))
	set(meta, "finalizers", 0.4, subset([]string{"f/1", "f/2", "f/3"}, func(n string) interface{} { return n }))
	set(meta, "ownerReferences", 0.3, subset([]string{"u1", "u2"}, func(n string) interface{} {
		return obj{"uid": n, "kind": "K", "name": pick("p", "q"), "apiVersion": "v1"}
	}))
	pod := obj{}
	set(pod, "containers", 0.9, subset([]string{"a", "b", "c"}, container))
	set(pod, "nodeSelector", 0.3, strMap("zone", "disk"))
	set(pod, "tolerations", 0.3, list{obj{"key": pick("k", "l"), "operator": "Exists"}})
	set(pod, "volumes", 0.4, subset([]string{"v", "w"}, func(n string) interface{} {
		v := obj{"name": n}
		if chance(0.5) {
			v["emptyDir"] = obj{}
		} else {
			v["configMap"] = obj{"name": pick("c", "d")}
		}
		return v
	}))
	set(pod, "hostAliases", 0.2, subset([]string{"1.1.1.1", "2.2.2.2"}, func(n string) interface{} { return obj{"ip": n, "hostnames": list{"h"}} }))
	set(pod, "imagePullSecrets", 0.2, subset([]string{"s", "t"}, func(n string) interface{} { return obj{"name": n} }))
	set(pod, "securityContext", 0.2, strMap("seLinuxOptions"))
	delete(pod, "securityContext")
	spec := obj{"template": obj{"metadata": obj{"labels": strMap("a", "b")}, "spec": pod}}
	set(spec, "replicas", 0.6, int64(1+r.Intn(3)))
	set(spec, "selector", 0.5, obj{"matchLabels": strMap("a", "b")})
	set(spec, "paused", 0.2, chance(0.5))
	if chance(0.5) {
		if chance(0.5) {
			spec["strategy"] = obj{"type": "Recreate"}
		} else {
			spec["strategy"] = obj{"type": "RollingUpdate", "rollingUpdate": obj{"maxSurge": pick(int64(1), "25%")}}
		}
	}
	group := "apps/v1"
	if kind != "Deployment" {
		group = "example.com/v1"
	}
	return obj{"apiVersion": group, "kind": kind, "metadata": meta, "spec": spec}
}

func status() obj {
	return obj{"replicas": int64(r.Intn(3)), "conditions": subset([]string{"Available", "Progressing"}, func(n string) interface{} {
		return obj{"type": n, "status": pick("True", "False")}
	})}
}

func bytes(v interface{}) []byte {
	b, err := json.Marshal(v)
	check(err)
	return b
}

func raw(b []byte) json.RawMessage { return json.RawMessage(b) }

func lines(dir, name string, n int, one func() interface{}) {
	f, err := os.Create(filepath.Join(dir, name))
	check(err)
	defer f.Close()
	w := bufio.NewWriter(f)
	defer w.Flush()
	for i := 0; i < n; i++ {
		r = rand.New(rand.NewSource(int64(i + 1)))
		w.Write(bytes(one()))
		w.WriteString("\n")
	}
}

func strategic() interface{} {
	meta, err := strategicpatch.NewPatchMetaFromStruct(appsv1.Deployment{})
	check(err)
	original, modified, current := deployment("Deployment"), deployment("Deployment"), deployment("Deployment")
	out := obj{"original": original, "modified": modified, "current": current}
	two, err := strategicpatch.CreateTwoWayMergePatchUsingLookupPatchMeta(bytes(original), bytes(modified), meta)
	check(err)
	out["two"] = raw(two)
	res, err := strategicpatch.StrategicMergePatchUsingLookupPatchMeta(bytes(original), two, meta)
	check(err)
	out["twoResult"] = raw(res)
	three, err := strategicpatch.CreateThreeWayMergePatch(bytes(original), bytes(modified), bytes(current), meta, true)
	if err != nil {
		out["threeError"] = err.Error()
	} else {
		out["three"] = raw(three)
		res, err = strategicpatch.StrategicMergePatchUsingLookupPatchMeta(bytes(current), three, meta)
		if err != nil {
			out["threeResultError"] = err.Error()
		} else {
			out["threeResult"] = raw(res)
		}
	}
	// A patch that is another object, with directives thrown in.
	patch := deployment("Deployment")
	decorate(patch)
	out["patch"] = patch
	res, err = strategicpatch.StrategicMergePatchUsingLookupPatchMeta(bytes(original), bytes(patch), meta)
	if err != nil {
		out["patchError"] = err.Error()
	} else {
		out["patchResult"] = raw(res)
	}
	merge, err := jsonmergepatch.CreateThreeWayJSONMergePatch(bytes(original), bytes(modified), bytes(current))
	check(err)
	out["mergeThree"] = raw(merge)
	return out
}

func decorate(v interface{}) {
	switch t := v.(type) {
	case obj:
		for k, inner := range t {
			if chance(0.05) {
				t[k] = nil
			} else {
				decorate(inner)
			}
		}
		if _, top := t["apiVersion"]; !top && chance(0.05) {
			t["$patch"] = pick("replace", "delete", "replace", "delete", "nonsense")
		}
	case list:
		for _, inner := range t {
			decorate(inner)
		}
	}
}

func patches() interface{} {
	doc := obj{"a": obj{"b": list{int64(1), int64(2), obj{"c": "d"}}, "n": nil, "x/y": obj{"~": "t"}}, "s": "text", "l": list{list{int64(1)}, obj{}}, "f": 1.5}
	paths := []string{"/a", "/a/b", "/a/b/0", "/a/b/1", "/a/b/-", "/a/b/-1", "/a/b/9", "/a/b/x", "/a/b/2/c", "/a/n", "/a/n/z", "/a/x~1y/~0", "/s", "/s/t", "/l/0/0", "/l/1/new", "/missing", "/missing/deep", "/new", "", "nope", "/f"}
	values := []interface{}{nil, int64(1), "text", 1.5, true, obj{"c": "d"}, list{int64(1)}, obj{}}
	var ops list
	for i := 0; i < 1+r.Intn(3); i++ {
		o := obj{"op": pick("add", "remove", "replace", "move", "copy", "test"), "path": paths[r.Intn(len(paths))]}
		if chance(0.02) {
			o["op"] = "spam"
		}
		if o["op"] == "move" || o["op"] == "copy" {
			o["from"] = paths[r.Intn(len(paths))]
		} else if o["op"] != "remove" && chance(0.9) {
			o["value"] = values[r.Intn(len(values))]
		}
		ops = append(ops, o)
	}
	out := obj{"doc": doc, "patch": ops}
	p, err := jsonpatch.DecodePatch(bytes(ops))
	check(err)
	defer func() {
		_ = recover()
	}()
	res, err := p.Apply(bytes(doc))
	if err != nil {
		out["error"] = err.Error()
	} else {
		out["result"] = raw(res)
	}
	return out
}

type creater struct{}

func (creater) New(gvk schema.GroupVersionKind) (runtime.Object, error) {
	u := unstructured.Unstructured{Object: obj{}}
	u.SetGroupVersionKind(gvk)
	return &u, nil
}

type convertor struct{}

func (convertor) Convert(in, out, context interface{}) error { return nil }
func (convertor) ConvertToVersion(in runtime.Object, _ runtime.GroupVersioner) (runtime.Object, error) {
	return in, nil
}
func (convertor) ConvertFieldLabel(_ schema.GroupVersionKind, _, _ string) (string, string, error) {
	return "", "", errors.New("none")
}

type defaulter struct{}

func (defaulter) Default(runtime.Object) {}

func structured() interface{} {
	kind, gv := "Deployment", schema.GroupVersion{Group: "apps", Version: "v1"}
	var types managedfields.TypeConverter = applyconfigurations.NewTypeConverter(scheme.Scheme)
	if chance(0.25) {
		kind, gv = "Foo", schema.GroupVersion{Group: "example.com", Version: "v1"}
		types = managedfields.NewDeducedTypeConverter()
	}
	gvk := gv.WithKind(kind)
	manager := func(sub string) *managedfields.FieldManager {
		reset := map[fieldpath.APIVersion]fieldpath.Filter{}
		if sub == "" {
			reset[fieldpath.APIVersion(gv.String())] = fieldpath.NewExcludeSetFilter(fieldpath.NewSet(fieldpath.MakePathOrDie("status")))
		} else {
			reset[fieldpath.APIVersion(gv.String())] = fieldpath.NewExcludeSetFilter(fieldpath.NewSet(fieldpath.MakePathOrDie("spec"), fieldpath.MakePathOrDie("metadata", "labels")))
		}
		m, err := managedfields.NewDefaultFieldManager(types, convertor{}, defaulter{}, creater{}, gvk, gv, sub, reset)
		check(err)
		return m
	}
	main, sub := manager(""), manager("status")
	empty, _ := creater{}.New(gvk)
	live := empty.(*unstructured.Unstructured)
	var ops list
	n := 3 + r.Intn(6)
	if chance(0.05) {
		n = 30
	}
	for i := 0; i < n; i++ {
		o := deployment(kind)
		op := obj{}
		name := pick("one", "two", "three", "kubectl").(string)
		if n == 30 {
			name = fmt.Sprintf("m%d", r.Intn(16))
		}
		before := live.DeepCopy()
		var out runtime.Object
		var err error
		switch {
		case i == 0 && chance(0.2):
			op["op"] = "seed"
			out = &unstructured.Unstructured{Object: o}
			o["metadata"].(obj)["uid"] = "seeded"
		case chance(0.5) && n != 30:
			op["op"], op["force"] = "apply", chance(0.4)
			out, err = main.Apply(live, (&unstructured.Unstructured{Object: o}).DeepCopy(), name, op["force"].(bool))
		case i > 0 && chance(0.2):
			op["op"], op["subresource"] = "update", "status"
			o = live.DeepCopy().Object
			delete(o["metadata"].(obj), "managedFields")
			o["status"] = status()
			out, err = sub.Update(live, (&unstructured.Unstructured{Object: o}).DeepCopy(), name)
		default:
			op["op"] = "update"
			if s, ok := live.Object["status"]; ok {
				o["status"] = s
			}
			if u, ok, _ := unstructured.NestedString(live.Object, "metadata", "uid"); ok {
				o["metadata"].(obj)["uid"] = u
			}
			out, err = main.Update(live, (&unstructured.Unstructured{Object: o}).DeepCopy(), name)
		}
		op["manager"], op["object"] = name, o
		if err != nil {
			op["error"] = err.Error()
			if s, ok := err.(*apierrors.StatusError); ok {
				op["causes"] = len(s.ErrStatus.Details.Causes)
			}
			live = before
		} else {
			live = out.(*unstructured.Unstructured)
			// Typed objects do not keep the nulls that removal leaves.
			dropNulls(live.Object)
			if live.GetUID() == "" {
				live.SetUID("seeded")
			}
			kept := live.DeepCopy()
			if kept.GetManagedFields() != nil {
				fields := kept.GetManagedFields()
				for i := range fields {
					fields[i].Time = nil
				}
				kept.SetManagedFields(fields)
			}
			op["live"] = kept.Object
		}
		ops = append(ops, op)
	}
	return obj{"kind": kind, "ops": ops}
}

func dropNulls(v interface{}) {
	switch t := v.(type) {
	case obj:
		for k, inner := range t {
			if inner == nil {
				delete(t, k)
			} else {
				dropNulls(inner)
			}
		}
	case list:
		for _, inner := range t {
			dropNulls(inner)
		}
	}
}

func main() {
	dir := os.Args[1]
	lines(dir, "strategic.jsonl", 100, strategic)
	lines(dir, "json_patch.jsonl", 400, patches)
	lines(dir, "structured.jsonl", 60, structured)
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
