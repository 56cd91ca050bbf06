//! Scripted clusters and repositories for tests.
