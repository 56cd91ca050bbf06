# shellcheck shell=bash
# A controller in the namespace `argo` of the cluster that KUBECONFIG names, with the rights of its manifest. To be sourced; `here` is this folder.
: "${KUBECONFIG:?set KUBECONFIG to a cluster with real nodes}"
image=${EXECUTOR_IMAGE:-argo-exec:latest}
out=${OUT:-$(mktemp -d)}
mkdir -p "$out"
echo "output: $out"
if [ -z "${CONTROLLER:-}" ]; then
  (cd "$here/../.." && cargo build -q -p argo-examples --example workflow-controller) || exit 1
  CONTROLLER=$here/../../target/debug/examples/workflow-controller
fi

kubectl get crd workflows.argoproj.io >/dev/null || { echo "install the definitions first: workflow-controller --install-crds"; exit 1; }
# The tests clear these away, too.
for kind in Sensor EventSource; do
  plural=$(tr '[:upper:]' '[:lower:]' <<<"$kind")s
  kubectl get crd "$plural.argoproj.io" >/dev/null 2>&1 || kubectl create -f - >>"$out/furniture.log" <<YAML
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: $plural.argoproj.io}
spec:
  group: argoproj.io
  scope: Namespaced
  names: {kind: $kind, plural: $plural, singular: ${plural%s}}
  versions: [{name: v1alpha1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
YAML
done
kubectl apply -f "$here/furniture.yaml" -f "$here/../manifests/workflow-controller.yaml" >"$out/furniture.log" || exit 1
# As upstream configures its controller for these tests; NODE (key=value) keeps pods on some of the nodes.
selector=${NODE:+"nodeSelector: {${NODE/=/: }}"}
kubectl apply -f - >>"$out/furniture.log" <<YAML || exit 1
apiVersion: v1
kind: ConfigMap
metadata: {name: workflow-controller-configmap, namespace: argo}
data:
  workflowDefaults: |
    spec:
      ${selector:-}
      activeDeadlineSeconds: 300
      podSpecPatch: |
        terminationGracePeriodSeconds: 10
      workflowMetadata: {labels: {default-label: thisLabelIsFromWorkflowDefaults}}
  executor: |
    imagePullPolicy: IfNotPresent
    resources: {requests: {cpu: 0.1, memory: 64Mi}, limits: {cpu: 0.5, memory: 256Mi}}
  retentionPolicy: "{completed: 10, failed: 2, errored: 2}"
  failedPodRestart: "{enabled: true, maxRestarts: 3}"
  images: |
    argoproj/argosay:v2: {entrypoint: [argosay]}
    argoproj/argosay:v1: {entrypoint: [cowsay]}
YAML
# The controller has the rights of its manifest, not those of whoever runs this.
kubectl config view --raw --minify --flatten >"$out/kubeconfig" || exit 1
kubectl --kubeconfig "$out/kubeconfig" config set-credentials controller --token "$(kubectl create token argo -n argo --duration 12h)" >/dev/null
kubectl --kubeconfig "$out/kubeconfig" config set-context --current --user controller >/dev/null
"$CONTROLLER" --kubeconfig "$out/kubeconfig" --namespaced --namespace argo --configmap workflow-controller-configmap \
  --executor-image "$image" --metrics-addr 127.0.0.1:0 --state "$out/state" >"$out/controller.log" 2>&1 &
controller=$!
trap 'kill $controller 2>/dev/null' EXIT
for _ in $(seq 50); do grep -q "started" "$out/controller.log" && break; sleep 0.2; done

