//! Argo CD as a library: desired tree, live graph, diff, synchronisation in phases and waves, health; all as plans.
//!
//! | room | what is there |
//! |---|---|
//! | [`api`] | wire types: Application, AppProject |
//! | [`engine`] | decisions, pure: [`engine::pass()`] is one pass over one Application |
//! | [`sources`] | [`sources::ManifestSource`]: where manifests come from |
//! | `controller` | the application controller (feature `controller`) |
//! | `webhook` | what git hosts call when something was pushed (feature `webhook`) |
//! | `testing` | worlds for users' tests, previews (feature `testing`) |
//!
//! # Features
//! - `controller` (default): the application controller on a Kubernetes API.
//! - `git` (default): reads repositories through mirrors and the `git` program unless told otherwise.
//! - `webhook` (default): the endpoint that git hosts and registries call.
//! - `testing`: worlds in memory and plan previews.

pub mod api;
#[cfg(feature = "controller")]
pub mod controller;
pub mod engine;
pub mod sources;
#[cfg(feature = "testing")]
pub mod testing;

#[cfg(feature = "webhook")]
pub mod webhook;

pub use api::{AppProject, Application, crds};
#[cfg(feature = "controller")]
pub use controller::Controller;
