//! What every Argo crate here stands on: object identity, [`Plan`], [`Clock`], the
//! [`ClusterApplier`] and [`GitSource`](git::GitSource) traits, and the controller runtime.
//!
//! Three layers, each usable alone:
//!
//! | layer | modules | needs |
//! |---|---|---|
//! | values | [`object`], [`resource`], [`meta`], [`time`], [`plan`], [`error`] | serde only |
//! | the world as traits | [`clock`], [`apply`], [`git`] | nothing; defaults behind features |
//! | running | `runtime` | feature `runtime`: kube and tokio |
//!
//! # Features
//! - `runtime` (default): caches, queues, the kube-backed applier, leader election, metrics.
//! - `git` (default): the git source on gix and the `git` program.
//! - `testing`: scripted clusters and repositories for users' own tests.

pub mod apply;
pub mod clock;
pub mod error;
pub mod files;
pub mod git;
pub mod meta;
pub mod object;
pub mod plan;
pub mod resource;
#[cfg(feature = "runtime")]
pub mod runtime;
#[cfg(feature = "testing")]
pub mod testing;
pub mod time;

pub use apply::{ApplyError, ClusterApplier};
pub use clock::Clock;
pub use error::{BoxFailure, Category, Failure};
pub use files::FileTree;
pub use meta::{ObjectMeta, OwnerReference};
pub use object::{GroupKind, Gvk, Object, ObjectKey, ObjectRef};
pub use plan::{Action, Change, NoEffect, Note, NoteKind, Patch, Plan, Propagation};
pub use resource::{Column, Resource, Scope};
pub use time::{Time, Timestamp};
