# pods.sh NAME RESOURCES: a pod with these resources.
kubectl create -f - <<K
apiVersion: v1
kind: Pod
metadata: {name: $1}
spec: {automountServiceAccountToken: false, nodeSelector: {nowhere: "1"}, containers: [{name: main, image: "web:1", resources: $2}]}
K
