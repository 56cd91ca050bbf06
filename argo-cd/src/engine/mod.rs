//! Decisions, pure: from what was observed to a plan.
//!
//! [`pass()`] is the whole: one Application, one pass. It returns a [`Pass`] whose plan either asks for more to be
//! observed (effects) or says what to write (changes); [`Pass::finish`] reads what came of the writes and gives the
//! edits of the Application itself. Everything else here is a part of it that can be used alone.

pub mod actions;
pub mod autosync;
pub mod clusters;
pub mod compare;
pub mod conditions;
pub mod defaults;
pub mod deletion;
pub mod diff;
pub mod edits;
pub mod explain;
pub mod health;
pub mod ignored;
pub mod key;
pub mod known_types;
pub mod live;
pub(crate) mod look;
pub mod memo;
pub mod normalize;
pub mod observe;
pub mod operation;
pub mod options;
pub mod pass;
pub mod paths;
pub mod project;
pub mod refresh;
pub mod secrets;
pub mod selector;
pub mod settings;
pub mod sharding;
pub mod sync;
pub mod target;
pub mod tracking;
pub mod tree;
pub mod trim;
pub mod updates;
pub mod windows;

pub use clusters::{Cluster, Clusters};
pub use compare::{Comparison, Managed, compare};
pub use edits::Edits;
pub use key::ResourceKey;
pub use live::{KindScope, Kinds, LiveView, MemoryLive};
pub use memo::Memo;
pub use observe::{Asked, DryRun, Effect, ManifestRequest, Manifests, RevisionRequest, Seen};
pub use pass::{Conclusion, Pass, World, pass};
pub use settings::Settings;
