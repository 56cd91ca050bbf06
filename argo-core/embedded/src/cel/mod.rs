//! CEL: expressions of policies, match conditions and schemas, beyond what the `cel` crate knows.
//!
//! | | here |
//! |---|---|
//! | `Object{…}`, `JSONPatch{…}` | literals of structs become maps ([`expression`]) |
//! | `optMap`, `optFlatMap`, `?.`, `[?…]` | in policies as functions that evaluate their argument late ([`functions`]), in schemas by rewriting ([`rewrite`]) |
//! | `authorizer` | checks are answered between two runs of the expression ([`authorizer`]): who answers them holds the lock |

mod authorizer;
pub(crate) mod check;
mod expression;
mod functions;
mod rewrite;
mod scope;
mod value;

pub(crate) use authorizer::{Check, Principal};
pub(crate) use expression::{literal_type, problem};
pub(crate) use rewrite::expanded_rules;
pub(crate) use scope::Scope;
