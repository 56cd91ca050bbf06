// Makes tests/data/routers.json: what upstream's traffic routers make of objects.
//
// Copy the folder `gen` to cmd/gen in a checkout of argoproj/argo-rollouts, without the other generators, then
// go run ./cmd/gen/routers cmd/gen/routers/cases.yaml > routers.json
package main

import (
	"context"
	"encoding/json"
	"fmt"

	smifake "github.com/servicemeshinterface/smi-sdk-go/pkg/gen/client/split/clientset/versioned/fake"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	kubeinformers "k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/argoproj/argo-rollouts/cmd/gen/vectors"
	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/argoproj/argo-rollouts/rollout/trafficrouting"
	"github.com/argoproj/argo-rollouts/rollout/trafficrouting/alb"
	"github.com/argoproj/argo-rollouts/rollout/trafficrouting/ambassador"
	"github.com/argoproj/argo-rollouts/rollout/trafficrouting/apisix"
	"github.com/argoproj/argo-rollouts/rollout/trafficrouting/appmesh"
	"github.com/argoproj/argo-rollouts/rollout/trafficrouting/istio"
	"github.com/argoproj/argo-rollouts/rollout/trafficrouting/nginx"
	"github.com/argoproj/argo-rollouts/rollout/trafficrouting/smi"
	"github.com/argoproj/argo-rollouts/rollout/trafficrouting/traefik"
	a6util "github.com/argoproj/argo-rollouts/utils/apisix"
	ingressutil "github.com/argoproj/argo-rollouts/utils/ingress"
	"github.com/argoproj/argo-rollouts/utils/record"
)

type traffic struct {
	Weight       int32                        `json:"weight"`
	CanaryHash   string                       `json:"canaryHash,omitempty"`
	StableHash   string                       `json:"stableHash,omitempty"`
	Additional   []v1alpha1.WeightDestination `json:"additional,omitempty"`
	HeaderRoute  *v1alpha1.SetHeaderRoute     `json:"headerRoute,omitempty"`
	MirrorRoute  *v1alpha1.SetMirrorRoute     `json:"mirrorRoute,omitempty"`
	RemoveRoutes bool                         `json:"removeRoutes,omitempty"`
}

type testCase struct {
	Name    string           `json:"name"`
	Router  string           `json:"router"`
	Canary  map[string]any   `json:"canary"`
	Status  map[string]any   `json:"status,omitempty"`
	Objects []map[string]any `json:"objects"`
	Traffic []traffic        `json:"traffic"`
}

type vector = vectors.Vector[traffic]

var kinds = map[schema.GroupVersionResource]string{
	{Group: "networking.istio.io", Version: "v1alpha3", Resource: "virtualservices"}:  "VirtualServiceList",
	{Group: "networking.istio.io", Version: "v1alpha3", Resource: "destinationrules"}: "DestinationRuleList",
	{Group: "traefik.io", Version: "v1alpha1", Resource: "traefikservices"}:           "TraefikServiceList",
	{Group: "getambassador.io", Version: "v2", Resource: "mappings"}:                  "MappingList",
	{Group: "apisix.apache.org", Version: "v2", Resource: "apisixroutes"}:             "ApisixRouteList",
	{Group: "appmesh.k8s.aws", Version: "v1beta2", Resource: "virtualservices"}:       "VirtualServiceList",
	{Group: "appmesh.k8s.aws", Version: "v1beta2", Resource: "virtualrouters"}:        "VirtualRouterList",
	{Group: "appmesh.k8s.aws", Version: "v1beta2", Resource: "virtualnodes"}:          "VirtualNodeList",
}

func main() {
	made := []vector{}
	for _, c := range vectors.Cases[[]testCase]() {
		for i, t := range c.Traffic {
			made = append(made, run(c, i, t))
		}
	}
	vectors.Print(made)
}

func run(c testCase, index int, t traffic) (v vector) {
	meta := map[string]any{"name": "shop", "namespace": "default", "uid": "u1", "annotations": map[string]any{"rollout.argoproj.io/revision": "2"}}
	body := map[string]any{"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": meta,
		"spec": map[string]any{"replicas": 4, "strategy": map[string]any{"canary": c.Canary}}}
	if c.Status != nil {
		body["status"] = c.Status
	}
	v = vector{Name: fmt.Sprintf("%s, %d", c.Name, index), Router: c.Router, Rollout: body, Objects: c.Objects, Traffic: t}
	var ro v1alpha1.Rollout
	vectors.CopyOf(body, &ro)

	defer func() {
		if r := recover(); r != nil {
			v.Error = fmt.Sprintf("panic: %v", r)
		}
	}()
	scheme := runtime.NewScheme()
	objects, ingresses := []runtime.Object{}, []*networkingv1.Ingress{}
	kube := fake.NewSimpleClientset()
	smiClient := smifake.NewSimpleClientset()
	factory := kubeinformers.NewSharedInformerFactory(kube, 0)
	for _, o := range c.Objects {
		var fresh map[string]any
		vectors.CopyOf(o, &fresh)
		un := &unstructured.Unstructured{Object: fresh}
		if un.GetKind() == "Ingress" {
			var ingress networkingv1.Ingress
			vectors.CopyOf(fresh, &ingress)
			ingresses = append(ingresses, &ingress)
			_, err := kube.NetworkingV1().Ingresses("default").Create(context.TODO(), &ingress, metav1.CreateOptions{})
			vectors.Check(err)
			vectors.Check(factory.Networking().V1().Ingresses().Informer().GetIndexer().Add(&ingress))
			continue
		}
		// Numbers as the dynamic client decodes them.
		data, err := json.Marshal(fresh)
		vectors.Check(err)
		vectors.Check(un.UnmarshalJSON(data))
		objects = append(objects, un)
	}
	dynamic := dynamicfake.NewSimpleDynamicClientWithCustomListKinds(scheme, kinds, objects...)
	recorder := record.NewFakeEventRecorder()
	gvk := v1alpha1.SchemeGroupVersion.WithKind("Rollout")
	wrapper, err := ingressutil.NewIngressWrapper(ingressutil.IngressModeNetworking, kube, factory)
	vectors.Check(err)

	var router trafficrouting.TrafficRoutingReconciler
	switch c.Router {
	case "istio":
		router = istio.NewReconciler(&ro, dynamic, recorder, nil, nil, nil)
	case "nginx":
		router = nginx.NewReconciler(nginx.ReconcilerConfig{Rollout: &ro, Client: kube, Recorder: recorder, ControllerKind: gvk, IngressWrapper: wrapper})
	case "alb":
		status := &v1alpha1.RolloutStatus{}
		router, err = alb.NewReconciler(alb.ReconcilerConfig{Rollout: &ro, Client: kube, Recorder: recorder, ControllerKind: gvk, IngressWrapper: wrapper, Status: status})
		vectors.Check(err)
	case "smi":
		router, err = smi.NewReconciler(smi.ReconcilerConfig{Rollout: &ro, Client: smiClient, Recorder: recorder, ControllerKind: gvk})
		vectors.Check(err)
	case "traefik":
		router = traefik.NewReconciler(&traefik.ReconcilerConfig{Rollout: &ro, Client: traefik.NewDynamicClient(dynamic, "default"), Recorder: recorder})
	case "ambassador":
		router = ambassador.NewReconciler(&ro, ambassador.NewDynamicClient(dynamic, "default"), recorder)
	case "apisix":
		router = apisix.NewReconciler(&apisix.ReconcilerConfig{Rollout: &ro, Client: a6util.NewDynamicClient(dynamic, "default"), Recorder: recorder})
	case "appMesh":
		router = appmesh.NewReconciler(appmesh.ReconcilerConfig{Rollout: &ro, Client: dynamic, Recorder: recorder})
	}
	sync := func() {
		// The informers see what was written.
		list, err := kube.NetworkingV1().Ingresses("default").List(context.TODO(), metav1.ListOptions{})
		vectors.Check(err)
		for i := range list.Items {
			vectors.Check(factory.Networking().V1().Ingresses().Informer().GetIndexer().Update(&list.Items[i]))
		}
	}
	err = func() error {
		if t.RemoveRoutes {
			if err := router.RemoveManagedRoutes(); err != nil {
				return err
			}
			sync()
		}
		if t.HeaderRoute != nil {
			if err := router.SetHeaderRoute(t.HeaderRoute); err != nil {
				return err
			}
			sync()
		}
		if t.MirrorRoute != nil {
			if err := router.SetMirrorRoute(t.MirrorRoute); err != nil {
				return err
			}
		}
		if err := router.UpdateHash(t.CanaryHash, t.StableHash, t.Additional...); err != nil {
			return err
		}
		return router.SetWeight(t.Weight, t.Additional...)
	}()
	if err != nil {
		v.Error = err.Error()
		return v
	}
	for gvr := range kinds {
		list, err := dynamic.Resource(gvr).List(context.TODO(), metav1.ListOptions{})
		vectors.Check(err)
		for _, item := range list.Items {
			v.After = append(v.After, item.Object)
		}
	}
	list, err := kube.NetworkingV1().Ingresses("default").List(context.TODO(), metav1.ListOptions{})
	vectors.Check(err)
	for _, item := range list.Items {
		item.APIVersion, item.Kind = "networking.k8s.io/v1", "Ingress"
		var plain map[string]any
		vectors.CopyOf(item, &plain)
		delete(plain, "status")
		v.After = append(v.After, plain)
	}
	splits, err := smiClient.SplitV1alpha1().TrafficSplits("default").List(context.TODO(), metav1.ListOptions{})
	vectors.Check(err)
	for _, item := range splits.Items {
		item.APIVersion, item.Kind = "split.smi-spec.io/v1alpha1", "TrafficSplit"
		var plain map[string]any
		vectors.CopyOf(item, &plain)
		v.After = append(v.After, plain)
	}
	vectors.Plain(v.After)
	return v
}
