//! [`Layout`]: where the files of a step are.

use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use crate::api::Template;

/// Directory that the containers of a pod share.
pub const VAR_RUN_ARGO: &str = "/var/run/argo";
/// Where the mounts of the main container are found in argo's own containers.
pub const MAIN_FILES: &str = "/mainctrfs";

/// A volume of the main container, where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Path in the container.
    pub path: String,
    /// Path here.
    pub at: PathBuf,
}

/// Where the files of a step are. Paths in error texts are those of a pod, whatever the layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The shared directory: `template`, `ctr/<container>/…`, `outputs/…`.
    pub var_run: PathBuf,
    /// Input artifacts by name.
    pub artifacts: PathBuf,
    /// The script, and the manifest of a resource.
    pub staging: PathBuf,
    /// For archives on their way out.
    pub temporary: PathBuf,
    /// The volumes of the main container; `None` in a pod, where all are below [`MAIN_FILES`].
    pub mounts: Option<Vec<Mount>>,
}

impl Layout {
    /// The layout of a pod.
    #[must_use]
    pub fn pod() -> Self {
        Self {
            var_run: VAR_RUN_ARGO.into(),
            artifacts: "/argo/inputs/artifacts".into(),
            staging: "/argo/staging".into(),
            temporary: "/tmp/argo/outputs".into(),
            mounts: None,
        }
    }

    /// Everything below one directory, with these volumes.
    #[must_use]
    pub fn below(root: &Path, mounts: Vec<Mount>) -> Self {
        Self {
            var_run: root.join("argo"),
            artifacts: root.join("inputs"),
            staging: root.join("staging"),
            temporary: root.join("outgoing"),
            mounts: Some(mounts),
        }
    }

    /// Directory of what a container leaves behind.
    #[must_use]
    pub fn container(&self, name: &str) -> PathBuf {
        self.var_run.join("ctr").join(name)
    }

    /// A path of the main container that is on a volume; `None` where it leads out of it.
    #[must_use]
    pub fn mounted(&self, path: &str) -> Option<PathBuf> {
        let clean = relative(path)?;
        let Some(mounts) = &self.mounts else { return Some(Path::new(MAIN_FILES).join(clean)) };
        let mounts = mounts.iter().filter_map(|it| Some((clean.strip_prefix(relative(&it.path)?).ok()?, it)));
        let (rest, mount) = mounts.max_by_key(|(_, it)| it.path.trim_end_matches('/').len())?;
        Some(if rest.as_os_str().is_empty() { mount.at.clone() } else { mount.at.join(rest) })
    }

    /// The name a mounted path has in a pod.
    pub(crate) fn mounted_name(path: &str) -> String {
        format!("{MAIN_FILES}/{}", path.trim_start_matches('/'))
    }
}

/// A path without its root; `None` where it leads out of it.
pub(crate) fn relative(path: &str) -> Option<PathBuf> {
    let mut clean = PathBuf::new();
    for part in Path::new(path).components() {
        match part {
            Component::Normal(part) => clean.push(part),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir => {
                if !clean.pop() {
                    return None;
                }
            }
            Component::Prefix(_) => return None,
        }
    }
    Some(clean)
}

/// The volume mounts of the main container of a template, as JSON.
pub(crate) fn volume_mounts(template: &Template) -> Vec<&Value> {
    let own = template.container.as_ref().or(template.script.as_ref());
    let set = template.container_set.as_ref();
    own.into_iter().chain(set).filter_map(|it| it.get("volumeMounts").and_then(Value::as_array)).flatten().collect()
}

/// The innermost volume mount that `path` is on: at the mount itself or below it.
pub(crate) fn overlapping<'a>(template: &'a Template, path: &str) -> Option<&'a Value> {
    let path = path.trim_end_matches('/');
    let mounts = volume_mounts(template).into_iter().filter_map(|it| {
        let at = it.get("mountPath").and_then(Value::as_str)?.trim_end_matches('/');
        (path == at || path.strip_prefix(at).is_some_and(|it| it.starts_with('/'))).then_some((at.len(), it))
    });
    mounts.max_by_key(|it| it.0).map(|it| it.1)
}

/// Whether `path` lies in the image of the main container, not on a volume or an input artifact.
pub(crate) fn is_base_layer(template: &Template, path: &str) -> bool {
    if overlapping(template, path).is_some() {
        return false;
    }
    for it in template.inputs.iter().flat_map(|it| &it.artifacts) {
        let Some(at) = it.path.as_deref().filter(|it| !it.is_empty()) else { continue };
        if path == at {
            // An optional artifact that was not supplied is not mounted.
            return it.optional == Some(true) && !super::artifacts::has_location_or_key(it);
        }
        if path.strip_prefix(at).is_some_and(|it| it.starts_with('/')) {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounted_paths_stay_below_their_volume() {
        let layout = Layout::below(
            Path::new("/x"),
            vec![
                Mount { path: "/work/".into(), at: "/v/1".into() },
                Mount { path: "/work/deep".into(), at: "/v/2".into() },
            ],
        );
        assert_eq!(layout.mounted("/work/a"), Some("/v/1/a".into()));
        assert_eq!(layout.mounted("/work"), Some("/v/1".into()));
        assert_eq!(layout.mounted("/work/deep/b"), Some("/v/2/b".into()));
        assert_eq!(layout.mounted("/work/../etc/passwd"), None);
        assert_eq!(layout.mounted("/../../etc"), None);
        assert_eq!(Layout::pod().mounted("/work/a"), Some("/mainctrfs/work/a".into()));
    }
}
