//! Argo Rollouts as a library: canary and analysis as a pure state machine, metric providers and
//! traffic routers behind traits.

pub mod api;
