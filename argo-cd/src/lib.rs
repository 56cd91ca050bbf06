//! Argo CD as a library: desired tree, live graph, diff, synchronisation in phases and waves, health; all as plans.
//!
//! | room | what is there |
//! |---|---|
//! | [`api`] | wire types: Application, AppProject |

pub mod api;

pub use api::{AppProject, Application, crds};
