//! Rollouts in virtual time, without a cluster: for users' own tests.

mod cluster;
mod report;
mod simulation;

pub use report::{Entry, Report};
pub use simulation::{Act, Simulation, SimulationError};
