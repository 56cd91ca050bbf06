module vectors/jsonpath

go 1.26.8

require k8s.io/client-go v0.35.0
