//! Decisions: pure functions from values to values. No cluster, no clock, no network.
//!
//! | module | decides |
//! |---|---|
//! | [`conditions`] | whether the events at hand satisfy a trigger |
//! | [`filters`] | whether an event counts for a dependency |
//! | [`parameters`] | what of an event goes where in a trigger |
//! | [`sensor`] | what a trigger does with an event: save it or fire, then acknowledge |
//! | [`objects`] | which change of the cluster a `k8s` or `argoWorkflow` trigger makes |
//! | [`calendar`] | when a schedule fires next |
//! | [`resource`] | whether a change of an object is an event |
//! | [`backoff`] | how long to wait between attempts |
//! | [`validate`] | whether a manifest can work, as a condition tells it |

pub mod backoff;
pub mod calendar;
pub mod conditions;
pub mod filters;
pub mod firing;
pub mod github;
pub mod json_path;
pub mod objects;
pub mod parameters;
pub mod resource;
pub mod script;
pub mod sensor;
pub mod source_filter;
pub mod text;
mod transform;
pub mod validate;
