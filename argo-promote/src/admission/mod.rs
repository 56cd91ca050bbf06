//! What upstream's admission webhooks decide, as pure functions: naming, defaults, step inflation, validation.
//!
//! The controllers call them for objects that skipped admission, an embedding calls them before it creates.

mod alias;
mod freight;
mod promotion;
mod stage;
mod ulid;
mod warehouse;

pub use alias::alias;
pub use freight::{complete_freight, freight_name, validate_freight};
pub use promotion::{PromotionRequest, Tasks, complete_promotion, inflate, new_promotion, promotion_name};
pub use stage::validate_stage;
pub use ulid::ulid;
pub use warehouse::{default_subscriptions, validate_warehouse};

use argo_core::{Category, Failure};

/// An object that must not be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdmissionError {
    /// A field is wrong.
    #[error("{path}: {message}")]
    Field {
        /// The field.
        path: String,
        /// What is wrong.
        message: String,
    },
    /// Something named is not there.
    #[error("{kind} {name:?} not found in namespace {namespace:?}")]
    NotFound {
        /// The kind.
        kind: &'static str,
        /// The name.
        name: String,
        /// Where it was looked for.
        namespace: String,
    },
    /// A Stage without steps can not be promoted to.
    #[error("stage {0:?} defines no promotion steps")]
    NoSteps(String),
    /// A task needs a variable that nobody gave.
    #[error("missing value for variable {0:?}")]
    MissingVariable(String),
    /// The Stage does not take this Freight.
    #[error("freight {freight:?} is not available to stage {stage:?}")]
    NotAvailable {
        /// The Freight.
        freight: String,
        /// The Stage.
        stage: String,
    },
}

impl AdmissionError {
    pub(crate) fn field(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Field { path: path.into(), message: message.into() }
    }
}

impl Failure for AdmissionError {
    fn category(&self) -> Category {
        match self {
            Self::NotFound { .. } => Category::NotFound,
            Self::NotAvailable { .. } => Category::Conflict,
            _ => Category::Invalid,
        }
    }

    fn is_transient(&self) -> bool {
        false
    }
}
