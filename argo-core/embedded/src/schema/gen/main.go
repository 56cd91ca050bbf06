// Writes ../descriptions.deflate: what the fields of the built-in kinds mean and which values they take, out of the API
// description that kube-apiserver serves (the Kubernetes authors, Apache License 2.0; the file in its repository lacks the values).
//
//	kubectl get --raw /openapi/v2 >swagger.json   # of kube-apiserver 1.34.3
//	go run . swagger.json
//
// The text, before compression: a line per type, "name TAB description", followed by a line per field, "TAB name TAB description
// TAB values", with \n for line breaks and values separated by commas. Only types of ../types.txt are taken.
package main

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"sort"
	"strings"
)

type schema struct {
	Description string            `json:"description"`
	Enum        []any             `json:"enum"`
	Properties  map[string]schema `json:"properties"`
	Items       *schema           `json:"items"`
}

func main() {
	swagger, err := os.ReadFile(os.Args[1])
	check(err)
	var document struct{ Definitions map[string]schema }
	check(json.Unmarshal(swagger, &document))

	types, err := os.ReadFile("../types.txt")
	check(err)
	wanted := map[string]bool{
		"io.k8s.apimachinery.pkg.api.resource.Quantity": true, "io.k8s.apimachinery.pkg.util.intstr.IntOrString": true,
		"meta.v1.Time": true, "meta.v1.MicroTime": true, "meta.v1.FieldsV1": true, "io.k8s.apimachinery.pkg.runtime.RawExtension": true,
	}
	for _, line := range strings.Split(string(types), "\n") {
		if name, _, ok := strings.Cut(line, " "); ok && !strings.HasPrefix(line, "#") {
			wanted[strings.TrimSuffix(name, "%")] = true
		}
	}

	names := make([]string, 0, len(document.Definitions))
	for name := range document.Definitions {
		names = append(names, name)
	}
	sort.Strings(names)
	var text strings.Builder
	for _, name := range names {
		definition, short := document.Definitions[name], name
		for _, prefix := range []string{"io.k8s.api.", "io.k8s.apimachinery.pkg.apis.", "io.k8s.apiextensions-apiserver.pkg.apis.", "io.k8s.kube-aggregator.pkg.apis."} {
			short = strings.TrimPrefix(short, prefix)
		}
		if !wanted[short] {
			continue
		}
		fmt.Fprintf(&text, "%s\t%s\n", short, line(definition.Description))
		fields := make([]string, 0, len(definition.Properties))
		for field := range definition.Properties {
			fields = append(fields, field)
		}
		sort.Strings(fields)
		for _, field := range fields {
			property := definition.Properties[field]
			values := property.Enum
			if property.Items != nil {
				values = append(values, property.Items.Enum...)
			}
			shown := make([]string, len(values))
			for i, value := range values {
				shown[i] = fmt.Sprint(value)
			}
			fmt.Fprintf(&text, "\t%s\t%s\t%s\n", field, line(property.Description), strings.Join(shown, ","))
		}
	}
	var packed bytes.Buffer
	writer, err := flate.NewWriter(&packed, flate.BestCompression)
	check(err)
	_, err = writer.Write([]byte(text.String()))
	check(err)
	check(writer.Close())
	check(os.WriteFile("../descriptions.deflate", packed.Bytes(), 0o644))
	fmt.Printf("%d bytes of text, %d packed\n", text.Len(), packed.Len())
}

func line(text string) string {
	return strings.NewReplacer("\n", "\\n", "\t", " ").Replace(text)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
