//! Manifests from sources, in process: directories of YAML and JSON, and the trait that Helm, Kustomize and Jsonnet implement.
