//! Kubernetes inside the process: an API server, a workload simulator, faults and a journal, for tests, simulations and embedding.
