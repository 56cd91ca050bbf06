//! For users' own tests: a world in memory that carries plans out, and previews that say what a commit would do.
//!
//! ```
//! use argo_cd::testing::World;
//! let mut world = World::new("shop").manifest("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {x: '1'}}").automated();
//! world.settle();
//! assert_eq!(world.sync(), "Synced");
//! world.set_manifests("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {x: '2'}}");
//! assert!(world.preview().to_string().contains("+  x: \"2\""));
//! ```

mod preview;
mod world;

pub use preview::{Preview, PreviewKind, PreviewLine, preview};
pub use world::World;
