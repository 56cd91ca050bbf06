// Makes tests/data/gateway.json: what the Gateway API plugin makes of routes.
//
// Copy the folder `gen` to cmd/gen in a checkout of argoproj-labs/rollouts-plugin-trafficrouter-gatewayapi, without the other generators, then
// go run ./cmd/gen/gateway cmd/gen/gateway/cases.yaml > gateway.json
package main

import (
	"context"
	"fmt"
	"io"

	"github.com/argoproj-labs/rollouts-plugin-trafficrouter-gatewayapi/cmd/gen/vectors"
	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	pluginTypes "github.com/argoproj/argo-rollouts/utils/plugin/types"
	log "github.com/sirupsen/logrus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/gateway-api/apis/v1alpha2"
	gwFake "sigs.k8s.io/gateway-api/pkg/client/clientset/versioned/fake"

	"github.com/argoproj-labs/rollouts-plugin-trafficrouter-gatewayapi/pkg/plugin"
)

type traffic struct {
	Weight       int32                    `json:"weight"`
	HeaderRoute  *v1alpha1.SetHeaderRoute `json:"headerRoute,omitempty"`
	RemoveRoutes bool                     `json:"removeRoutes,omitempty"`
}

type testCase struct {
	Name     string           `json:"name"`
	Settings map[string]any   `json:"settings"`
	Managed  []map[string]any `json:"managed,omitempty"`
	Objects  []map[string]any `json:"objects"`
	Traffic  []traffic        `json:"traffic"`
}

type vector = vectors.Vector[traffic]

func main() {
	made := []vector{}
	for _, c := range vectors.Cases[[]testCase]() {
		for i, t := range c.Traffic {
			made = append(made, run(c, i, t))
		}
	}
	vectors.Print(made)
}

func run(c testCase, index int, t traffic) vector {
	routing := map[string]any{"plugins": map[string]any{plugin.PluginName: c.Settings}}
	if c.Managed != nil {
		routing["managedRoutes"] = c.Managed
	}
	canary := map[string]any{"stableService": "stable", "canaryService": "canary", "trafficRouting": routing}
	body := map[string]any{"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
		"metadata": map[string]any{"name": "shop", "namespace": "default", "uid": "u1"},
		"spec":     map[string]any{"replicas": 4, "strategy": map[string]any{"canary": canary}}}
	v := vector{Name: fmt.Sprintf("%s, %d", c.Name, index), Router: "gatewayAPI", Rollout: body, Objects: c.Objects, Traffic: t}
	var ro v1alpha1.Rollout
	vectors.CopyOf(body, &ro)
	objects := []runtime.Object{}
	for _, o := range c.Objects {
		var object runtime.Object
		switch o["kind"] {
		case "HTTPRoute":
			object = &gatewayv1.HTTPRoute{}
		case "GRPCRoute":
			object = &gatewayv1.GRPCRoute{}
		case "TCPRoute":
			object = &v1alpha2.TCPRoute{}
		case "TLSRoute":
			object = &v1alpha2.TLSRoute{}
		}
		vectors.CopyOf(o, object)
		objects = append(objects, object)
	}
	quiet := log.New()
	quiet.SetOutput(io.Discard)
	client := gwFake.NewSimpleClientset(objects...)
	router := &plugin.RpcPlugin{LogCtx: log.NewEntry(quiet), GatewayAPIClientset: client}
	result := func() pluginTypes.RpcError {
		if t.RemoveRoutes {
			if err := router.RemoveManagedRoutes(&ro); err.HasError() {
				return err
			}
		}
		if t.HeaderRoute != nil {
			if err := router.SetHeaderRoute(&ro, t.HeaderRoute); err.HasError() {
				return err
			}
		}
		return router.SetWeight(&ro, t.Weight, nil)
	}()
	if result.HasError() {
		v.Error = result.Error()
		return v
	}
	ctx, all := context.TODO(), metav1.ListOptions{}
	add := func(version, kind string, item any) {
		var plain map[string]any
		vectors.CopyOf(item, &plain)
		plain["apiVersion"], plain["kind"] = "gateway.networking.k8s.io/"+version, kind
		delete(plain, "status")
		v.After = append(v.After, plain)
	}
	https, err := client.GatewayV1().HTTPRoutes("").List(ctx, all)
	vectors.Check(err)
	for _, it := range https.Items {
		add("v1", "HTTPRoute", it)
	}
	grpcs, err := client.GatewayV1().GRPCRoutes("").List(ctx, all)
	vectors.Check(err)
	for _, it := range grpcs.Items {
		add("v1", "GRPCRoute", it)
	}
	tcps, err := client.GatewayV1alpha2().TCPRoutes("").List(ctx, all)
	vectors.Check(err)
	for _, it := range tcps.Items {
		add("v1alpha2", "TCPRoute", it)
	}
	tlss, err := client.GatewayV1alpha2().TLSRoutes("").List(ctx, all)
	vectors.Check(err)
	for _, it := range tlss.Items {
		add("v1alpha2", "TLSRoute", it)
	}
	vectors.Plain(v.After)
	return v
}
