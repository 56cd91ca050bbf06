//go:build oracle

// The oracle runs sync scenarios, one JSON object a line, through gitops-engine on a cluster in memory and writes what
// came of them. It reads unexported fields of the engine's sync context, so it runs inside that package.
package sync

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"
	gosync "sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	fakedisco "k8s.io/client-go/discovery/fake"
	"k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/rest"
	testcore "k8s.io/client-go/testing"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"

	"github.com/go-logr/logr"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync/common"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/utils/kube"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/utils/kube/kubetest"
)

type object = map[string]any

type scenario struct {
	Name      string              `json:"name"`
	Before    []object            `json:"before,omitempty"`
	Leftover  []object            `json:"leftover,omitempty"`
	Targets   []object            `json:"targets"`
	Outcomes  map[string]object   `json:"outcomes,omitempty"`
	Failures  []string            `json:"failures,omitempty"`
	Sticky    []string            `json:"sticky,omitempty"`
	Resources []map[string]string `json:"resources,omitempty"`
	Options   []string            `json:"options,omitempty"`
	Prune     bool                `json:"prune,omitempty"`
	DryRun    bool                `json:"dryRun,omitempty"`
	Force     bool                `json:"force,omitempty"`
	Apply     bool                `json:"apply,omitempty"`
	Confirmed bool                `json:"confirmed,omitempty"`
	Terminate int                 `json:"terminate,omitempty"`

	Trace    [][]string        `json:"trace"`
	Phase    string            `json:"phase"`
	Message  string            `json:"message"`
	Messages []string          `json:"messages"`
	Results  map[string]string `json:"results"`
	Left     []string          `json:"left"`
}

type cluster struct {
	gosync.Mutex
	live     map[kube.ResourceKey]*unstructured.Unstructured
	applied  map[kube.ResourceKey]*unstructured.Unstructured
	failures map[string]bool
	round    []string
}

func id(kind, name string) string { return kind + "/" + name }

func (c *cluster) log(verb, kind, name string) { c.round = append(c.round, verb+" "+id(kind, name)) }

func (c *cluster) put(obj *unstructured.Unstructured) {
	obj = obj.DeepCopy()
	if obj.GetUID() == "" {
		obj.SetUID(types.UID(id(obj.GetKind(), obj.GetName())))
		obj.SetCreationTimestamp(metav1.Unix(1767225600, 0))
	}
	c.live[kube.GetResourceKey(obj)] = obj
}

func (c *cluster) delete(key kube.ResourceKey) error {
	c.Lock()
	defer c.Unlock()
	obj, ok := c.live[key]
	if !ok {
		return apierrors.NewNotFound(schema.GroupResource{Group: key.Group, Resource: key.Kind}, key.Name)
	}
	c.log("delete", key.Kind, key.Name)
	if len(obj.GetFinalizers()) == 0 {
		delete(c.live, key)
		return nil
	}
	at := metav1.Unix(1767225600, 0)
	obj.SetDeletionTimestamp(&at)
	return nil
}

func (c *cluster) write(obj *unstructured.Unstructured, dry cmdutil.DryRunStrategy) (string, error) {
	c.Lock()
	defer c.Unlock()
	obj = obj.DeepCopy()
	gvk := obj.GroupVersionKind()
	if namespaced, _ := (scopes{}).IsNamespaced(gvk.GroupKind()); !namespaced {
		obj.SetNamespace("")
	}
	key := kube.GetResourceKey(obj)
	label := strings.ToLower(gvk.Kind)
	if gvk.Group != "" {
		label += "." + gvk.Group
	}
	label += "/" + obj.GetName()
	if dry != cmdutil.DryRunNone {
		return "", nil
	}
	live, ok := c.live[key]
	if ok && equality.Semantic.DeepEqual(c.applied[key], obj) && len(live.GetFinalizers()) >= len(obj.GetFinalizers()) {
		return label + " unchanged", nil
	}
	if c.failures[id(key.Kind, key.Name)] {
		return "", errors.New("refused " + key.Name)
	}
	switch {
	case !ok:
		c.log("create", key.Kind, key.Name)
		c.put(obj)
	default:
		c.log("change", key.Kind, key.Name)
		next := obj.DeepCopy()
		next.SetUID(live.GetUID())
		next.SetCreationTimestamp(live.GetCreationTimestamp())
		next.SetDeletionTimestamp(live.GetDeletionTimestamp())
		if len(next.GetFinalizers()) == 0 {
			next.SetFinalizers(live.GetFinalizers())
		}
		if status, found := live.Object["status"]; found {
			next.Object["status"] = status
		}
		c.put(next)
	}
	c.applied[key] = obj.DeepCopy()
	if ok {
		return label + " configured", nil
	}
	return label + " created", nil
}

type ops struct{ *cluster }

func (o ops) ApplyResource(_ context.Context, obj *unstructured.Unstructured, dry cmdutil.DryRunStrategy, _, _, _ bool, _ string) (string, error) {
	return o.write(obj, dry)
}

func (o ops) ReplaceResource(_ context.Context, obj *unstructured.Unstructured, dry cmdutil.DryRunStrategy, _ bool) (string, error) {
	return o.write(obj, dry)
}

func (o ops) CreateResource(_ context.Context, obj *unstructured.Unstructured, dry cmdutil.DryRunStrategy, _ bool) (string, error) {
	return o.write(obj, dry)
}

func (o ops) UpdateResource(_ context.Context, obj *unstructured.Unstructured, dry cmdutil.DryRunStrategy) (*unstructured.Unstructured, error) {
	_, err := o.write(obj, dry)
	return obj, err
}

type kubectl struct {
	kubetest.MockKubectlCmd
	*cluster
}

func (k *kubectl) DeleteResource(_ context.Context, _ *rest.Config, gvk schema.GroupVersionKind, name string, namespace string, _ metav1.DeleteOptions) error {
	return k.cluster.delete(kube.NewResourceKey(gvk.Group, gvk.Kind, namespace, name))
}

var served = []*metav1.APIResourceList{
	resources("v1", "Pod:pods", "ConfigMap:configmaps", "Secret:secrets", "Service:services", "ServiceAccount:serviceaccounts", "Namespace:namespaces:cluster"),
	resources("apps/v1", "Deployment:deployments", "StatefulSet:statefulsets", "DaemonSet:daemonsets"),
	resources("batch/v1", "Job:jobs", "CronJob:cronjobs"),
	resources("rbac.authorization.k8s.io/v1", "Role:roles", "RoleBinding:rolebindings", "ClusterRole:clusterroles:cluster"),
	resources("apiextensions.k8s.io/v1", "CustomResourceDefinition:customresourcedefinitions:cluster"),
}

func resources(version string, kinds ...string) *metav1.APIResourceList {
	list := &metav1.APIResourceList{GroupVersion: version}
	gv, _ := schema.ParseGroupVersion(version)
	for _, kind := range kinds {
		part := strings.Split(kind, ":")
		list.APIResources = append(list.APIResources, metav1.APIResource{
			Kind: part[0], Name: part[1], Group: gv.Group, Version: gv.Version, Namespaced: len(part) == 2,
			Verbs: metav1.Verbs{"get", "list", "create", "update", "patch", "delete"},
		})
	}
	return list
}

func kindOf(resource schema.GroupVersionResource) (string, bool) {
	for _, list := range served {
		if list.GroupVersion == resource.GroupVersion().String() {
			for _, it := range list.APIResources {
				if it.Name == resource.Resource {
					return it.Kind, it.Namespaced
				}
			}
		}
	}
	panic("not served: " + resource.String())
}

type scopes struct{}

func (scopes) IsNamespaced(gk schema.GroupKind) (bool, error) {
	for _, list := range served {
		for _, it := range list.APIResources {
			if it.Group == gk.Group && it.Kind == gk.Kind {
				return it.Namespaced, nil
			}
		}
	}
	return false, errors.New("not served")
}

func (c *cluster) client() *fake.FakeDynamicClient {
	client := fake.NewSimpleDynamicClient(runtime.NewScheme())
	client.PrependReactor("*", "*", func(action testcore.Action) (bool, runtime.Object, error) {
		kind, _ := kindOf(action.GetResource())
		key := func(name string) kube.ResourceKey {
			return kube.NewResourceKey(action.GetResource().Group, kind, action.GetNamespace(), name)
		}
		switch it := action.(type) {
		case testcore.UpdateAction:
			obj := it.GetObject().(*unstructured.Unstructured)
			c.Lock()
			defer c.Unlock()
			if _, ok := c.live[key(obj.GetName())]; !ok {
				return true, nil, apierrors.NewNotFound(action.GetResource().GroupResource(), obj.GetName())
			}
			c.log("release", kind, obj.GetName())
			if obj.GetDeletionTimestamp() != nil && len(obj.GetFinalizers()) == 0 {
				delete(c.live, key(obj.GetName()))
			} else {
				c.put(obj)
			}
			return true, obj, nil
		case testcore.DeleteAction:
			return true, nil, c.delete(key(it.GetName()))
		case testcore.GetAction:
			c.Lock()
			defer c.Unlock()
			obj, ok := c.live[key(it.GetName())]
			if !ok {
				return true, nil, apierrors.NewNotFound(action.GetResource().GroupResource(), it.GetName())
			}
			return true, obj.DeepCopy(), nil
		}
		return true, nil, fmt.Errorf("unexpected %T", action)
	})
	return client
}

func (s *scenario) has(option string) bool {
	for _, it := range s.Options {
		if it == option {
			return true
		}
	}
	return false
}

func (s *scenario) run() {
	c := &cluster{live: map[kube.ResourceKey]*unstructured.Unstructured{}, applied: map[kube.ResourceKey]*unstructured.Unstructured{}, failures: map[string]bool{}}
	for _, it := range append(append([]object{}, s.Before...), s.Leftover...) {
		obj := &unstructured.Unstructured{Object: it}
		c.applied[kube.GetResourceKey(obj)] = obj.DeepCopy()
		live := obj.DeepCopy()
		for _, name := range s.Sticky {
			if name == id(live.GetKind(), live.GetName()) {
				live.SetFinalizers([]string{"example.com/wait"})
			}
		}
		c.put(live)
	}
	for _, it := range s.Failures {
		c.failures[it] = true
	}
	phase, message := common.OperationRunning, ""
	var results []common.ResourceSyncResult
	told := map[string]bool{}
	s.Trace, s.Messages = [][]string{}, []string{}
	for round := 0; round < 200; round++ {
		targets := make([]*unstructured.Unstructured, len(s.Targets))
		for i, it := range s.Targets {
			targets[i] = (&unstructured.Unstructured{Object: it}).DeepCopy()
		}
		live := map[kube.ResourceKey]*unstructured.Unstructured{}
		for key, obj := range c.live {
			live[key] = obj.DeepCopy()
		}
		paired := Reconcile(targets, live, "dest", scopes{})
		modified := map[kube.ResourceKey]bool{}
		for i, target := range paired.Target {
			if target != nil && paired.Live[i] != nil {
				key := kube.GetResourceKey(paired.Live[i])
				modified[key] = !equality.Semantic.DeepEqual(c.applied[key], target)
			}
		}
		var prune *string
		for _, it := range s.Options {
			if value, ok := strings.CutPrefix(it, "Prune="); ok {
				prune = &value
			}
		}
		sc := newTestSyncCtx(nil,
			WithOperationSettings(s.DryRun, s.Prune, s.Force, s.Apply || len(s.Resources) > 0),
			WithInitialState(phase, message, results, metav1.Unix(1767225600, 0)),
			WithPruneLast(s.has("PruneLast=true")), WithReplace(s.has("Replace=true")),
			WithPruneConfirmed(s.Confirmed), WithDefaultPruneOption(prune),
			WithResourcesFilter(func(key kube.ResourceKey, target, _ *unstructured.Unstructured) bool {
				if len(s.Resources) == 0 {
					return true
				}
				for _, it := range s.Resources {
					if it["kind"] == key.Kind && it["group"] == key.Group && it["name"] == key.Name {
						return true
					}
				}
				return false
			}))
		sc.log = logr.Discard()
		sc.disco = &fakedisco.FakeDiscovery{Fake: &testcore.Fake{Resources: served}}
		sc.namespace, sc.revision = "dest", "0000000000000000000000000000000000000000"
		sc.kubectl, sc.resourceOps, sc.dynamicIf = &kubectl{cluster: c}, ops{c}, c.client()
		sc.resources, sc.hooks = groupResources(paired), paired.Hooks
		sc.applyOutOfSyncOnly, sc.modificationResult = s.has("ApplyOutOfSyncOnly=true"), modified
		c.round = nil
		if s.Terminate > 0 && len(s.Trace) >= s.Terminate {
			sc.Terminate()
		} else {
			sc.Sync()
		}
		sort.Strings(c.round)
		if len(c.round) > 0 {
			s.Trace = append(s.Trace, c.round)
		}
		before := fmt.Sprint(phase, message, results)
		phase, message, results = sc.GetState()
		if len(s.Messages) == 0 || s.Messages[len(s.Messages)-1] != message {
			s.Messages = append(s.Messages, message)
		}
		if phase.Completed() {
			break
		}
		if len(c.round) > 0 || before != fmt.Sprint(phase, message, results) {
			continue
		}
		moved := false
		for key, obj := range c.live {
			name := id(key.Kind, key.Name)
			if obj.GetDeletionTimestamp() != nil && !told["gone "+name] {
				told["gone "+name], moved = true, true
				obj.SetFinalizers(without(obj.GetFinalizers(), "example.com/wait"))
				if len(obj.GetFinalizers()) == 0 {
					delete(c.live, key)
				}
				continue
			}
			for _, prefix := range []string{name, id(key.Kind, prefixOf(key.Name))} {
				if status, ok := s.Outcomes[prefix]; ok && obj.Object["status"] == nil {
					obj.Object["status"], moved = runtime.DeepCopyJSON(status), true
				}
			}
		}
		if !moved {
			break
		}
	}
	s.Phase, s.Message = string(phase), message
	s.Results = map[string]string{}
	for _, it := range results {
		key := fmt.Sprintf("%s/%s %s", it.ResourceKey.Kind, it.ResourceKey.Name, it.SyncPhase)
		text := fmt.Sprintf("%s %s", it.Status, it.HookPhase)
		if it.Status == common.ResultCodeSyncFailed || it.Status == common.ResultCodePruneSkipped || it.HookPhase == common.OperationFailed || it.HookPhase == common.OperationError {
			text += " " + it.Message
		}
		s.Results[key] = text
	}
	for key := range c.live {
		s.Left = append(s.Left, id(key.Kind, key.Name))
	}
	sort.Strings(s.Left)
}

// The part of a generated name that does not depend on the time.
func prefixOf(name string) string {
	prefix, _, _ := strings.Cut(name, "-0000000-")
	return prefix
}

func without(list []string, gone string) []string {
	var rest []string
	for _, it := range list {
		if it != gone {
			rest = append(rest, it)
		}
	}
	return rest
}

func TestOracle(t *testing.T) {
	in, err := os.Open(os.Getenv("ORACLE_IN"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(os.Getenv("ORACLE_OUT"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<24)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	began := time.Now()
	n := 0
	for ; lines.Scan(); n++ {
		var s scenario
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			t.Fatal(err)
		}
		s.run()
		if err := enc.Encode(s); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d scenarios in %s", n, time.Since(began))
}
