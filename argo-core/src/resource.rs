//! [`Resource`]: what a wire type says of itself, and the CustomResourceDefinition made from it.

use serde_json::{Map, Value, json};

use crate::object::Gvk;

/// Whether objects of a kind live in namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// In namespaces.
    Namespaced,
    /// One set for the whole cluster.
    Cluster,
}

/// A column that `kubectl get` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Heading.
    pub name: &'static str,
    /// `string`, `integer`, `number`, `boolean` or `date`.
    pub kind: &'static str,
    /// JSONPath of the value, e.g. `.status.phase`.
    pub path: &'static str,
    /// 0 is always shown, more only with `-o wide`.
    pub priority: i64,
    /// What the column tells.
    pub description: &'static str,
}

impl Column {
    /// A column of text that is always shown.
    #[must_use]
    pub const fn text(name: &'static str, path: &'static str) -> Self {
        Self { name, kind: "string", path, priority: 0, description: "" }
    }

    /// A column that shows an age.
    #[must_use]
    pub const fn date(name: &'static str, path: &'static str) -> Self {
        Self { name, kind: "date", path, priority: 0, description: "" }
    }

    /// A column of whole numbers.
    #[must_use]
    pub const fn integer(name: &'static str, path: &'static str) -> Self {
        Self { name, kind: "integer", path, priority: 0, description: "" }
    }

    /// Shown only with `-o wide`.
    #[must_use]
    pub const fn wide(mut self, priority: i64) -> Self {
        self.priority = priority;
        self
    }
}

/// What a wire type says of its kind; names exactly as upstream's.
///
/// # Example
/// ```
/// use argo_core::{Column, Resource};
/// struct Freight;
/// impl Resource for Freight {
///     const GROUP: &'static str = "kargo.akuity.io";
///     const VERSION: &'static str = "v1alpha1";
///     const KIND: &'static str = "Freight";
///     const PLURAL: &'static str = "freights";
///     const COLUMNS: &'static [Column] = &[Column::text("Alias", ".alias")];
/// }
/// assert_eq!(Freight::crd()["metadata"]["name"], "freights.kargo.akuity.io");
/// ```
pub trait Resource {
    /// API group.
    const GROUP: &'static str;
    /// Served and stored version.
    const VERSION: &'static str;
    /// Kind.
    const KIND: &'static str;
    /// Plural, as it stands in URLs.
    const PLURAL: &'static str;
    /// Singular; empty means the kind in lower case.
    const SINGULAR: &'static str = "";
    /// Short names for `kubectl get`.
    const SHORT_NAMES: &'static [&'static str] = &[];
    /// Namespaced or cluster-wide.
    const SCOPE: Scope = Scope::Namespaced;
    /// Whether status is a subresource (isolated writes).
    const STATUS_SUBRESOURCE: bool = false;
    /// `(specReplicasPath, statusReplicasPath, labelSelectorPath)` of the scale subresource.
    const SCALE: Option<(&'static str, &'static str, &'static str)> = None;
    /// Columns of `kubectl get`.
    const COLUMNS: &'static [Column] = &[];
    /// Top-level fields beside `apiVersion`, `kind` and `metadata` that must be present.
    const REQUIRED: &'static [&'static str] = &[];
    /// Top-level fields that the kind has.
    const FIELDS: &'static [&'static str] = &["spec", "status"];

    /// The kind with group and version.
    #[must_use]
    fn gvk() -> Gvk {
        Gvk::new(Self::GROUP, Self::VERSION, Self::KIND)
    }

    /// The JSON schema below `openAPIV3Schema`. By default every top-level field keeps what the
    /// types here do not know (`x-kubernetes-preserve-unknown-fields`), so that nothing a newer
    /// client writes is pruned.
    #[must_use]
    fn schema() -> Value {
        let mut properties = Map::new();
        properties.insert("apiVersion".into(), json!({"type": "string"}));
        properties.insert("kind".into(), json!({"type": "string"}));
        properties.insert("metadata".into(), json!({"type": "object"}));
        for field in Self::FIELDS {
            properties
                .insert((*field).to_owned(), json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}));
        }
        let mut schema = json!({
            "type": "object",
            "properties": properties,
            "x-kubernetes-preserve-unknown-fields": true,
        });
        if !Self::REQUIRED.is_empty() {
            schema["required"] = json!(Self::REQUIRED);
        }
        schema
    }

    /// The CustomResourceDefinition of this kind.
    #[must_use]
    fn crd() -> Value {
        let singular = if Self::SINGULAR.is_empty() { Self::KIND.to_lowercase() } else { Self::SINGULAR.to_owned() };
        let mut names = json!({
            "kind": Self::KIND, "listKind": format!("{}List", Self::KIND), "plural": Self::PLURAL, "singular": singular,
        });
        if !Self::SHORT_NAMES.is_empty() {
            names["shortNames"] = json!(Self::SHORT_NAMES);
        }
        let mut version = json!({
            "name": Self::VERSION, "served": true, "storage": true,
            "schema": {"openAPIV3Schema": Self::schema()},
        });
        let mut subresources = Map::new();
        if Self::STATUS_SUBRESOURCE {
            subresources.insert("status".into(), json!({}));
        }
        if let Some((spec, status, selector)) = Self::SCALE {
            subresources.insert(
                "scale".into(),
                json!({"specReplicasPath": spec, "statusReplicasPath": status, "labelSelectorPath": selector}),
            );
        }
        if !subresources.is_empty() {
            version["subresources"] = subresources.into();
        }
        if !Self::COLUMNS.is_empty() {
            version["additionalPrinterColumns"] = Self::COLUMNS.iter().map(column).collect();
        }
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{}.{}", Self::PLURAL, Self::GROUP)},
            "spec": {
                "group": Self::GROUP,
                "names": names,
                "scope": match Self::SCOPE { Scope::Namespaced => "Namespaced", Scope::Cluster => "Cluster" },
                "versions": [version],
            },
        })
    }
}

fn column(column: &Column) -> Value {
    let mut json = json!({"name": column.name, "type": column.kind, "jsonPath": column.path});
    if column.priority != 0 {
        json["priority"] = column.priority.into();
    }
    if !column.description.is_empty() {
        json["description"] = column.description.into();
    }
    json
}
