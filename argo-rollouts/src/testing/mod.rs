//! Rollouts in virtual time, without a cluster: for users' own tests.

mod act;
mod cluster;
mod faults;
mod in_place;
mod journal;
mod report;
mod run;
mod samples;
mod scenario;
mod simulation;
mod svg;
mod traffic;

pub use act::Act;
pub use faults::ApiFault;
pub use journal::{Author, What, Written};
pub use report::{Entry, Report};
pub use samples::Sample;
pub use scenario::{Scenario, simulate};
pub use simulation::{Simulation, SimulationError};
