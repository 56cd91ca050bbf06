# shellcheck shell=bash
# A controller in the namespace `argo` of the cluster that KUBECONFIG names, with the rights of its manifest, and what tests expect around
# it. To be sourced; `here` is this folder, `root` the workspace.
: "${KUBECONFIG:?set KUBECONFIG to a cluster with real nodes}"
root=$(cd "$here/../../.." && pwd)
out=${OUT:-$(mktemp -d)}
mkdir -p "$out"
out=$(cd "$out" && pwd)
echo "output: $out"
example() { # NAME: builds an example, and prints where it is
  (cd "$root" && cargo build -q -p argo-examples --example "$1") && echo "$root/target/debug/examples/$1"
}
if [ -z "${UPSTREAM:-}" ] && [ -z "${CONTROLLER:-}" ]; then CONTROLLER=$(example workflow-controller) || exit 1; fi
STORE=${STORE:-$(example object-store)} || exit 1

kubectl apply --server-side --force-conflicts -f "${CRDS:?a folder of definitions, as upstream\'s manifests/base/crds/full}" >"$out/crds.log" 2>&1 ||
  kubectl get crd workflows.argoproj.io >/dev/null || exit 1
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
kubectl apply -f "$here/furniture.yaml" -f "$root/examples/manifests/workflow-controller.yaml" >>"$out/furniture.log" || exit 1

# An address of this machine that pods reach: that of a node that runs here.
if [ -z "${ADDRESS:-}" ]; then
  for it in $(kubectl get nodes -o 'jsonpath={.items[*].status.addresses[?(@.type=="InternalIP")].address}'); do
    case $it in 127.*) ;; *) ip -o addr | grep -q " $it/" && ADDRESS=$it ;; esac
  done
fi
: "${ADDRESS:?set it to an address of this machine that pods reach}"
started=()
finish() {
  kill "${started[@]}" 2>/dev/null
  kubectl delete mutatingwebhookconfiguration workflows-e2e --ignore-not-found >/dev/null
  kubectl delete pv -l workflows-e2e=true --wait=false >/dev/null 2>&1
}
trap finish EXIT
"$STORE" 0.0.0.0:9000 >"$out/store.log" 2>&1 & started+=($!)
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$out/hook.key" -out "$out/hook.crt" -days 2 -subj /CN=127.0.0.1 \
  -addext subjectAltName=IP:127.0.0.1 2>/dev/null
hook=$((20000 + RANDOM % 10000))
python3 "$here/services.py" "$ADDRESS" "$hook" "$out/hook.crt" "$out/hook.key" ${NODE:+"$NODE"} >"$out/services.log" 2>&1 & started+=($!)
for _ in $(seq 50); do curl -ks "https://127.0.0.1:$hook/" >/dev/null && break; sleep 0.1; done
kubectl apply -f - >>"$out/furniture.log" <<YAML || exit 1
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: workflows-e2e}
webhooks:
- name: pods.workflows.e2e
  clientConfig: {url: "https://127.0.0.1:$hook/", caBundle: $(base64 -w0 "$out/hook.crt")}
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: argo}}
  failurePolicy: Fail
  sideEffects: None
  admissionReviewVersions: [v1]
YAML
# What the server of services.py takes; it looks at no client certificate.
apply_secret() { kubectl create secret generic -n argo "$@" --dry-run=client -o yaml | kubectl apply -f - >>"$out/furniture.log"; }
apply_secret my-httpbin-cred --from-literal user=admin --from-literal pass=password --from-literal clientID=admin --from-literal clientSecret=password \
  --from-literal tokenURL=http://httpbin:9100/base64/YWNjZXNzX3Rva2VuPWZha2V0b2tlbg== --from-file "cert.pem=$out/hook.crt" --from-file "key.pem=$out/hook.key"
apply_secret argo-workflows-agent-ca-certificates --from-file "customcert.pem=$out/hook.crt"
# Where nobody makes volumes, claims find these (VOLUMES=0: the cluster makes its own).
for n in $(seq "${VOLUMES:-30}"); do
  printf '%s\n' --- "{apiVersion: v1, kind: PersistentVolume, metadata: {name: e2e-$n, labels: {workflows-e2e: 'true'}}, spec: {capacity: {storage: 2Gi}, accessModes: [ReadWriteOnce, ReadWriteMany], persistentVolumeReclaimPolicy: Retain, hostPath: {path: $out/volumes/$n, type: DirectoryOrCreate}}}"
done | kubectl apply -f - >>"$out/furniture.log"
# As upstream configures its controller for these tests; artifacts go to S3 where it takes a plugin.
kubectl apply -f - >>"$out/furniture.log" <<YAML || exit 1
apiVersion: v1
kind: ConfigMap
metadata: {name: workflow-controller-configmap, namespace: argo}
data:
  workflowDefaults: |
    spec:
      activeDeadlineSeconds: 300
      podSpecPatch: |
        terminationGracePeriodSeconds: 10
      workflowMetadata: {labels: {default-label: thisLabelIsFromWorkflowDefaults}}
  executor: |
    imagePullPolicy: IfNotPresent
    resources: {requests: {cpu: 0.1, memory: 64Mi}, limits: {cpu: 0.5, memory: 256Mi}}
  artifactRepository: |
    archiveLogs: true
    s3:
      bucket: my-bucket
      endpoint: minio:9000
      insecure: true
      accessKeySecret: {name: my-minio-cred, key: accesskey}
      secretKeySecret: {name: my-minio-cred, key: secretkey}
  metricsConfig: |
    enabled: true
    path: /metrics
    port: 9090
  namespaceParallelism: "10"
  retentionPolicy: |
    completed: 10
    failed: 2
    errored: 2
  failedPodRestart: |
    enabled: true
    maxRestarts: 3
  images: |
    argoproj/argosay:v2: {entrypoint: [/argosay]}
    argoproj/argosay:v1: {cmd: [cowsay]}
    quay.io/argoproj/argocli:latest: {entrypoint: [argo]}
YAML
kubectl config view --raw --minify --flatten >"$out/kubeconfig" || exit 1
chmod 600 "$out/kubeconfig"
# Commands of the tests name no namespace.
kubectl --kubeconfig "$out/kubeconfig" config set-context --current --namespace argo >/dev/null
cp -p "$out/kubeconfig" "$out/controller.kubeconfig"
if [ -n "${UPSTREAM:-}" ]; then
  DEFAULT_REQUEUE_TIME=1s ARGO_PROGRESS_PATCH_TICK_DURATION=7s ARGO_REMOVE_PVC_PROTECTION_FINALIZER=true WORKFLOW_GC_PERIOD=30s \
    LEADER_ELECTION_IDENTITY=local ARGO_EXECUTOR_PLUGINS=true POD_NAMES=v2 \
    "$UPSTREAM" --kubeconfig "$out/controller.kubeconfig" --namespaced --namespace argo \
    --executor-image "${EXECUTOR_IMAGE:?the image of upstream\'s executor}" --loglevel info >"$out/controller.log" 2>&1 & started+=($!)
else
  # The controller has the rights of its manifest, not those of whoever runs this.
  kubectl --kubeconfig "$out/controller.kubeconfig" config set-credentials controller --token "$(kubectl create token argo -n argo --duration 12h)" >/dev/null
  kubectl --kubeconfig "$out/controller.kubeconfig" config set-context --current --user controller >/dev/null
  ARGO_PROGRESS_PATCH_TICK_DURATION=7s "$CONTROLLER" --kubeconfig "$out/controller.kubeconfig" --namespaced --namespace argo --configmap workflow-controller-configmap \
    --executor-image "${EXECUTOR_IMAGE:-argo-exec:latest}" --metrics-addr 127.0.0.1:0 --state "$out/state" >"$out/controller.log" 2>&1 & started+=($!)
fi
controller=${started[-1]}
for _ in $(seq 100); do grep -qiE "started|Started workflow controller|becoming leader|leading" "$out/controller.log" && break; sleep 0.2; done
kill -0 "$controller" || { tail -3 "$out/controller.log"; exit 1; }
export KUBECONFIG=$out/kubeconfig
