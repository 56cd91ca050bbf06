//! Decisions: pure functions from what was observed to a [`Plan`](argo_core::Plan). No cluster, no I/O, no clock.
//!
//! | module | decides |
//! |---|---|
//! | [`warehouse`] | when to look, what was found, whether it becomes Freight |
//! | [`freight`] | what Freight is available to a Stage, soak times, collections |
//! | [`stage`] | whose turn it is, health, verification, automatic promotion |
//! | [`promotion`] | which step runs next and how the promotion ends |
//! | [`argocd`] | what an Argo CD Application must do for a promotion, and how healthy it is |
//! | [`retention`] | what is old enough to go |

pub mod argocd;
pub mod expression;
pub mod freight;
pub mod names;
pub mod promotion;
pub mod retention;
pub mod selection;
pub mod stage;
pub mod urls;
pub mod warehouse;
