//! What git hosts and registries call when something was pushed: `POST /api/webhook`.
//!
//! ```text
//! request ─ provider by header ─ signature ─> Event ─ queue ─> which Applications ─> refresh annotation
//! ```
//! | file | what |
//! |---|---|
//! | `verify` | secrets and signatures |
//! | `parse` | headers and body to an [`Event`] |
//! | `affected` | an [`Event`] and Applications to those that it matters to |
//! | `server` | [`Webhooks`]: the endpoint, its queue, the annotations |

mod affected;
mod parse;
mod server;
mod verify;

pub use affected::{Affected, affected, repository_matches, revision_changed};
pub use parse::{Event, Headers, Push, Refusal, RegistryPush, parse};
pub use server::{Webhooks, WebhooksConfig};
pub use verify::Secrets;
