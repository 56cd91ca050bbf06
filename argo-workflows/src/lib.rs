//! Argo Workflows as a library: a pure engine, executors behind a trait, a thin controller.
