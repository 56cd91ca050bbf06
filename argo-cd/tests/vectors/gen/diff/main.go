// Command oracle reads pairs, one JSON object a line ({"target","live","ssa"}), and writes what gitops-engine makes of them.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	openapi_v2 "github.com/google/gnostic-models/openapiv2"
	"google.golang.org/protobuf/proto"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/managedfields"
	openapiproto "k8s.io/kube-openapi/pkg/util/proto"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/diff"
)

type pair struct {
	Name     string                     `json:"name"`
	Target   *unstructured.Unstructured `json:"target"`
	Live     *unstructured.Unstructured `json:"live"`
	SSA      bool                       `json:"ssa,omitempty"`
	Agg      bool                       `json:"aggregated,omitempty"`
	Mask     bool                       `json:"mask,omitempty"`
	Hide     []string                   `json:"hide,omitempty"`
	Modified bool                       `json:"modified"`
	NLive    json.RawMessage            `json:"normalizedLive,omitempty"`
	Pred     json.RawMessage            `json:"predictedLive,omitempty"`
	Err      string                     `json:"err,omitempty"`
}

func main() {
	b, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	doc := &openapi_v2.Document{}
	if err := proto.Unmarshal(b, doc); err != nil {
		panic(err)
	}
	models, err := openapiproto.NewOpenAPIData(doc)
	if err != nil {
		panic(err)
	}
	parser, err := managedfields.NewGVKParser(models, false)
	if err != nil {
		panic(err)
	}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<24), 1<<24)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	for in.Scan() {
		var raw struct {
			Name         string
			Target, Live map[string]any
			SSA          bool `json:"ssa"`
			Agg          bool `json:"aggregated"`
			Mask         bool `json:"mask"`
			Hide         []string
		}
		if err := json.Unmarshal(in.Bytes(), &raw); err != nil {
			panic(err)
		}
		un := func(m map[string]any) *unstructured.Unstructured {
			if m == nil {
				return nil
			}
			return &unstructured.Unstructured{Object: m}
		}
		p := pair{Name: raw.Name, SSA: raw.SSA, Agg: raw.Agg, Mask: raw.Mask, Hide: raw.Hide}
		if raw.Mask {
			hide := map[string]bool{}
			for _, h := range raw.Hide {
				hide[h] = true
			}
			t, l, err := diff.HideSecretData(un(raw.Target), un(raw.Live), hide)
			if err != nil {
				p.Err = err.Error()
			}
			p.Target, p.Live = un(raw.Target), un(raw.Live)
			if t != nil {
				p.Pred, _ = json.Marshal(t.Object)
			}
			if l != nil {
				p.NLive, _ = json.Marshal(l.Object)
			}
			enc.Encode(p)
			continue
		}
		opts := []diff.Option{diff.WithGVKParser(parser), diff.WithManager("argocd-controller"), diff.IgnoreAggregatedRoles(raw.Agg)}
		if raw.SSA {
			opts = append(opts, diff.WithStructuredMergeDiff(true))
		}
		var t, l *unstructured.Unstructured
		if raw.Target != nil {
			t = un(raw.Target).DeepCopy()
		}
		if raw.Live != nil {
			l = un(raw.Live).DeepCopy()
		}
		r, err := diff.Diff(t, l, opts...)
		p.Target, p.Live = un(raw.Target), un(raw.Live)
		if err != nil {
			p.Err = err.Error()
		} else {
			p.Modified, p.NLive, p.Pred = r.Modified, r.NormalizedLive, r.PredictedLive
		}
		if e := enc.Encode(p); e != nil {
			fmt.Fprintln(os.Stderr, e)
		}
	}
}
