//! Locks across workflows: mutexes and semaphores.
//!
//! ```text
//! status.synchronization of every workflow ──Locks::observe──> Locks (who holds, who waits)
//! reconcile(world with Locks) ─> the workflow's next status.synchronization ─observe─> Locks
//!                                                                └> workflows to look at again
//! ```
//!
//! There is no memory but status: [`Locks`] is an index over it, made again from the workflows when a
//! controller starts. Whoever runs passes must look at the table, reconcile and put the result back
//! in one go (under one lock); a hold that could not be written is put right when the workflow is
//! next observed.
//!
//! Nothing hangs: an item takes all of its locks at once or none, and waiters of every lock are
//! ordered the same way (priority, creation, name), so that the first of all waiters is the first
//! in each of its queues and needs only what runs to end.

mod claims;
mod name;
mod own;
mod table;

pub use claims::{ClaimAnswer, Claims, DatabaseClaim};
pub use name::{LockKind, LockName};
pub(crate) use own::{OwnLocks, Refused};
pub use table::Locks;
