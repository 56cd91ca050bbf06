//! Argo CD as a library: desired tree, live graph, diff, synchronisation in phases and waves, health; all as plans.
//!
//! | room | what is there |
//! |---|---|
//! | [`api`] | wire types: Application, AppProject |
//! | [`engine`] | decisions, pure: [`engine::pass()`] is one pass over one Application |

pub mod api;
pub mod engine;

pub use api::{AppProject, Application, crds};
