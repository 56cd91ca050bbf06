//! Where manifests come from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Extra, is_false};

/// One source of manifests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Source {
    /// Repository: git, Helm (with `chart`) or OCI (`oci://`).
    #[serde(rename = "repoURL")]
    pub repo_url: String,
    /// Folder in the repository.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Branch, tag, commit or constraint; empty means the default branch.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub target_revision: String,
    /// Chart of a Helm repository.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub chart: String,
    /// Name that other sources use for files of this one.
    #[serde(rename = "ref", skip_serializing_if = "String::is_empty")]
    pub reference: String,
    /// Name of this source.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Prefix of tags that a semver constraint looks at.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tag_prefix: String,
    /// Helm's options.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub helm: Option<Helm>,
    /// Kustomize's options.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kustomize: Option<Kustomize>,
    /// Options of plain directories.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<Directory>,
    /// A config management plugin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<Plugin>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Source {
    /// The tools that are configured explicitly, in upstream's order.
    #[must_use]
    pub fn explicit_types(&self) -> Vec<&'static str> {
        let mut types = Vec::new();
        if self.kustomize.is_some() {
            types.push("Kustomize");
        }
        if self.helm.is_some() {
            types.push("Helm");
        }
        if self.directory.is_some() {
            types.push("Directory");
        }
        if self.plugin.is_some() {
            types.push("Plugin");
        }
        types
    }

    /// Whether it is an OCI artifact.
    #[must_use]
    pub fn is_oci(&self) -> bool {
        self.repo_url.starts_with("oci://")
    }

    /// Whether it is a chart of a Helm repository.
    #[must_use]
    pub fn is_helm(&self) -> bool {
        !self.chart.is_empty()
    }

    /// Whether it only lends files to other sources.
    #[must_use]
    pub fn is_ref_only(&self) -> bool {
        !self.reference.is_empty() && self.path.is_empty() && self.chart.is_empty()
    }
}

/// Options of Helm.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Helm {
    /// Value files, later ones win.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub value_files: Vec<String>,
    /// `--set` and `--set-string`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<HelmParameter>,
    /// Release name; the Application's name when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub release_name: String,
    /// Values as YAML text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub values: String,
    /// Values as an object; wins over `values`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values_object: Option<Value>,
    /// `--set-file`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub file_parameters: Vec<FileParameter>,
    /// Helm's version; `v3`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Sends credentials to all domains.
    #[serde(skip_serializing_if = "is_false")]
    pub pass_credentials: bool,
    /// Leaves out value files that are missing.
    #[serde(skip_serializing_if = "is_false")]
    pub ignore_missing_value_files: bool,
    /// Leaves out `crds/`.
    #[serde(skip_serializing_if = "is_false")]
    pub skip_crds: bool,
    /// Leaves out test hooks.
    #[serde(skip_serializing_if = "is_false")]
    pub skip_tests: bool,
    /// Does not check values against the schema.
    #[serde(skip_serializing_if = "is_false")]
    pub skip_schema_validation: bool,
    /// Namespace to template with.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Kubernetes version to template with.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kube_version: String,
    /// API versions to template with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub api_versions: Vec<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A Helm parameter.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HelmParameter {
    /// Path of the value.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The value.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// Keeps it a text.
    #[serde(skip_serializing_if = "is_false")]
    pub force_string: bool,
}

/// A value from a file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FileParameter {
    /// Path of the value.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The file.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
}

/// Options of Kustomize.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Kustomize {
    /// Prefix of names.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name_prefix: String,
    /// Suffix of names.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name_suffix: String,
    /// Image overrides: `[old=]name[:tag][@digest]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// Labels for everything.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub common_labels: BTreeMap<String, String>,
    /// Annotations for everything.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub common_annotations: BTreeMap<String, String>,
    /// Labels win over existing ones.
    #[serde(skip_serializing_if = "is_false")]
    pub force_common_labels: bool,
    /// Annotations win over existing ones.
    #[serde(skip_serializing_if = "is_false")]
    pub force_common_annotations: bool,
    /// Substitutes build variables in annotations.
    #[serde(skip_serializing_if = "is_false")]
    pub common_annotations_envsubst: bool,
    /// Leaves selectors alone.
    #[serde(skip_serializing_if = "is_false")]
    pub label_without_selector: bool,
    /// Labels templates too.
    #[serde(skip_serializing_if = "is_false")]
    pub label_include_templates: bool,
    /// Namespace for everything.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Replica overrides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<KustomizeReplica>,
    /// Patches.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<KustomizePatch>,
    /// Components.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<String>,
    /// Leaves out components that are missing.
    #[serde(skip_serializing_if = "is_false")]
    pub ignore_missing_components: bool,
    /// Kustomize's version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Kubernetes version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kube_version: String,
    /// API versions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub api_versions: Vec<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A replica override.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KustomizeReplica {
    /// Name of the object.
    pub name: String,
    /// Number, or number as text.
    pub count: Value,
}

/// A patch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KustomizePatch {
    /// File with the patch.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// The patch itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub patch: String,
    /// What it applies to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Value>,
    /// Options by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, bool>,
}

/// Options of plain directories.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Directory {
    /// Looks into folders below.
    #[serde(skip_serializing_if = "is_false")]
    pub recurse: bool,
    /// Jsonnet options.
    #[serde(skip_serializing_if = "Jsonnet::is_empty")]
    pub jsonnet: Jsonnet,
    /// Glob of files to leave out.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub exclude: String,
    /// Glob of files to take.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub include: String,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Options of Jsonnet.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Jsonnet {
    /// External variables.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ext_vars: Vec<JsonnetVar>,
    /// Top-level arguments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tlas: Vec<JsonnetVar>,
    /// Library folders.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub libs: Vec<String>,
}

impl Jsonnet {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A Jsonnet variable.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JsonnetVar {
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
    /// Whether the value is code.
    #[serde(skip_serializing_if = "is_false")]
    pub code: bool,
}

/// A config management plugin.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Plugin {
    /// Name; empty means discovery.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Environment.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvEntry>,
    /// Parameters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<PluginParameter>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// An environment variable.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EnvEntry {
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
}

/// A plugin's parameter. A map or array that is present but empty stays so.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PluginParameter {
    /// Name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub string: Option<String>,
    /// Map of texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map: Option<BTreeMap<String, String>>,
    /// List of texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub array: Option<Vec<String>>,
}
