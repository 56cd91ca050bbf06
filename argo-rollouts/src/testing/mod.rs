//! Rollouts in virtual time, without a cluster: for users' own tests.

mod cluster;
mod report;
mod simulation;
mod traffic;

pub use report::{Entry, Report};
pub use simulation::{Act, Simulation, SimulationError};
