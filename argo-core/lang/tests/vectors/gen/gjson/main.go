// Vectors of tidwall/gjson and tidwall/sjson.
package main

import (
	"encoding/json"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"vectors/emit"
)

const text = `{"name":{"first":"Tom","last":"Anderson"},"age":37,"children":["Sara","Alex","Jack"],"fav.movie":"Deer Hunter","friends":[{"first":"Dale","last":"Murphy","age":44,"nets":["ig","fb","tw"]},{"first":"Roger","last":"Craig","age":68,"nets":["fb","tw"]},{"first":"Jane","last":"Murphy","age":47,"nets":["ig","tw"]}],"t":true,"n":null,"f":1.5,"e":{},"a":[],"deep":{"x":[[1,2],[3]]},"0":"zero"}`

func main() {
	emit.Shared = json.RawMessage(text)
	paths := []string{"name", "name.last", "age", "children", "children.#", "children.1", "children.9", "child*.2", "c?ildren.0", "fav\\.movie", "friends.#.first", "friends.1.last", "friends.#", "friends.#(last==\"Murphy\").first", "friends.#(last==\"Murphy\")#.first", "friends.#(age>45)#.last", "friends.#(age>=47)#.age", "friends.#(age<45).first", "friends.#(first%\"D*\").last", "friends.#(first!%\"D*\").last", "friends.#(nets.#(==\"fb\"))#.first", "friends.#(last!=\"Murphy\").first", "nope", "name.nope", "t", "n", "f", "e", "a", "a.#", "a.0", "deep.x.0.1", "deep.x.#", "deep.x.#.#", "0", "friends.0.nets.#", "*.first", "name.*", "friends.#.nets.0", "children.-1", "name.first.x", "age.x", "friends.#.nope", "{name.first,age}", "[age,t]", "children|0", "friends|#", "friends.#.age", "name|first", "friends.0|first"}
	for _, p := range paths {
		emit.Add("get", func() (any, error) {
			r := gjson.Get(text, p)
			if !r.Exists() {
				return map[string]any{"exists": false}, nil
			}
			return map[string]any{"exists": true, "value": json.RawMessage(r.Raw)}, nil
		}, "$shared", p)
	}
	for _, p := range []string{"age", "name.first", "name.new", "new", "new.a.b", "new.0", "new.1.x", "children.0", "children.-1", "children.5", "children.:0", "fav\\.movie", "a.-1", "a.0.b", "e.x", "n.x", "t.x", "deep.x.0.0", "friends.0.nets.-1", ":0", "new.:1", "", "a.b", "children.#", "name.*"} {
		for _, v := range []any{"v", 1, nil, map[string]any{"k": []any{1}}} {
			emit.Add("set", func() (any, error) {
				out, err := sjson.Set(text, p, v)
				return json.RawMessage(out), err
			}, "$shared", p, v)
		}
	}
	for _, p := range []string{"age", "name.first", "children.0", "children.-1", "nope", "name.nope", "friends.1.nets.0", "e", "a.0"} {
		emit.Add("delete", func() (any, error) {
			out, err := sjson.Delete(text, p)
			return json.RawMessage(out), err
		}, "$shared", p)
	}
	emit.Finish("gjson", "github.com/tidwall/gjson v1.18.0, github.com/tidwall/sjson v1.2.7")
}
