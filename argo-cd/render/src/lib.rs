//! Manifests from sources, in process: a pure function over a [`FileTree`].
//!
//! | item | meaning |
//! |---|---|
//! | [`Renderer`] | one tool: files in, objects out, with the files it used |
//! | [`Renderers`] | the tools that are there; finds the one that a folder wants |
//! | [`Directory`] | plain YAML and JSON files |
//!
//! No process is spawned. A tool that nobody registered is a typed error that names it.
//!
//! ```
//! use argo_core::FileTree;
//! use argo_render::{Options, Renderers, Request};
//! let files = FileTree::new().with("dev/a.yaml", "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}");
//! let rendered = Renderers::default().render(&Request { files: &files, path: "dev", options: Options::Detect }).unwrap();
//! assert_eq!(rendered.objects[0].name(), "a");
//! ```

mod detect;
mod directory;
mod error;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use argo_core::{FileTree, Object};

pub use detect::{SourceType, detect};
pub use directory::{Directory, DirectoryOptions};
pub use error::RenderError;

/// What is to be rendered.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The files of the source, paths from the root of its repository.
    pub files: &'a FileTree,
    /// The folder to render; empty or `.` for the root.
    pub path: &'a str,
    /// Which tool, with its options.
    pub options: Options,
}

/// Which tool, with its options.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Options {
    /// The one that the folder's files ask for.
    #[default]
    Detect,
    /// Plain files.
    Directory(DirectoryOptions),
    /// Another tool by name, e.g. one that a user registered.
    Tool(SourceType),
}

/// What came out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rendered {
    /// The objects, in the order of the files.
    pub objects: Vec<Object>,
    /// The files that were read: when none of them changes, neither does the result.
    pub files: BTreeSet<String>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// The tool that made it.
    pub source_type: SourceType,
}

/// One tool. Pure: the same request gives the same result.
pub trait Renderer: Send + Sync + fmt::Debug {
    /// Renders a folder.
    ///
    /// # Errors
    /// When the input is wrong, or a bound is passed.
    fn render(&self, request: &Request<'_>) -> Result<Rendered, RenderError>;
}

/// The tools that are there: [`Directory`] by default.
#[derive(Debug, Clone)]
pub struct Renderers {
    by_type: BTreeMap<SourceType, Arc<dyn Renderer>>,
}

impl Default for Renderers {
    fn default() -> Self {
        Self { by_type: BTreeMap::new() }.with(SourceType::Directory, Arc::new(Directory))
    }
}

impl Renderers {
    /// With a tool for a type; it replaces an earlier one.
    #[must_use]
    pub fn with(mut self, source_type: SourceType, renderer: Arc<dyn Renderer>) -> Self {
        self.by_type.insert(source_type, renderer);
        self
    }

    /// Renders with the tool that the request names, or that the folder asks for.
    ///
    /// # Errors
    /// [`RenderError::NotSupported`] when there is no such tool; otherwise as the tool says.
    pub fn render(&self, request: &Request<'_>) -> Result<Rendered, RenderError> {
        let Some(path) = argo_core::files::normal(request.path) else {
            return Err(RenderError::OutsideRepository { path: request.path.to_owned() });
        };
        if !request.files.has_folder(&path) {
            return Err(RenderError::NoSuchPath { path: request.path.to_owned() });
        }
        let source_type = match &request.options {
            Options::Detect => detect(request.files, &path),
            Options::Directory(_) => SourceType::Directory,
            Options::Tool(source_type) => *source_type,
        };
        let renderer = self.by_type.get(&source_type).ok_or(RenderError::NotSupported { tool: source_type })?;
        renderer.render(&Request { files: request.files, path: &path, options: request.options.clone() })
    }
}
