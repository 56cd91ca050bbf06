//! The three faces of one cluster: direct calls, a tower service for `kube::Client`, HTTPS.

mod direct;
mod https;
mod pki;
mod tower;

pub use direct::{DeleteParams, Direct, List, ListFilter, Watch, WatchEvent, WatchKind};
pub use https::{ServeError, Serving};
pub use tower::LocalService;

pub(crate) use https::serve;
