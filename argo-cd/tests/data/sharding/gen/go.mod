module generate

go 1.26.3

require github.com/argoproj/argo-cd/v3 v3.5.1

require (
	github.com/google/btree v1.1.3 // indirect
	github.com/minio/blake2b-simd v0.0.0-20160723061019-3f5f724cb5b1 // indirect
)
