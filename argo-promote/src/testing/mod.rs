//! For users' own tests: Stages and Promotions in memory, scripted steps and repositories.
//!
//! A promotion policy in ten lines:
//! ```
//! use argo_promote::{engine::promotion::StepOutcome, testing::{Simulation, stage}};
//! let mut world = Simulation::new();
//! world.step("deploy", |_| Ok(StepOutcome::done()));
//! world.put(stage("dev").direct("app").step("deploy"));
//! world.put(stage("prod").after("app", &["dev"]).step("deploy"));
//! world.auto_promote(&["dev", "prod"]);
//! let freight = world.freight("app", "1.2.0");
//! world.settle();
//! assert_eq!(world.stage("prod").status.freight_summary, freight);
//! ```

mod images;
mod simulation;
mod stages;
mod store;

pub use images::ScriptedImages;
pub use simulation::{PROJECT, Simulation};
pub use stages::{StageBuilder, stage};
pub use store::{Killed, Store, StoreError};
