//! Patches and merges as Kubernetes defines them: JSON patch, merge patch, strategic merge, structured merge, three-way diffs.
//!
//! Everything here works on [`serde_json::Value`] and on nothing else: no client, no clock, no I/O. The same calls serve an API server
//! (what does this patch make of that object?), a GitOps engine (what would `kubectl apply` change?) and a test.
//!
//! | to do | call |
//! |---|---|
//! | RFC 6902, with the Go semantics of kube-apiserver | [`json_patch::apply`], [`json_patch::diff`] |
//! | RFC 7386 | [`merge_patch::apply`], [`merge_patch::diff`], [`merge_patch::three_way`] |
//! | strategic merge with every directive | [`strategic::apply`], [`strategic::diff`], [`strategic::three_way`] |
//! | server-side apply and `metadata.managedFields` | [`structured::apply`], [`structured::update`] |
//! | list types, merge keys, atomic maps | [`Schema`]: built-in kinds, OpenAPI and CRD schemas, deduced |
//!
//! ```
//! use argo_merge::{Schema, strategic};
//! use serde_json::json;
//!
//! let deployment = Schema::of("apps", "v1", "Deployment");
//! let live = json!({"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "web:1"}, {"name": "proxy", "image": "p:1"}]}}}});
//! let patch = json!({"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "web:2"}]}}}});
//! let merged = strategic::apply(&live, &patch, &deployment).unwrap();
//! assert_eq!(merged["spec"]["template"]["spec"]["containers"][0], json!({"name": "web", "image": "web:2"}));
//! assert_eq!(merged["spec"]["template"]["spec"]["containers"][1]["name"], "proxy");
//! ```

pub mod json_patch;
pub mod merge_patch;
pub mod schema;
pub mod strategic;
pub mod structured;

pub use schema::Schema;

/// `%v` of Go.
pub(crate) fn go_text(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => "<nil>".to_owned(),
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(items) => format!("[{}]", items.iter().map(go_text).collect::<Vec<_>>().join(" ")),
        serde_json::Value::Object(members) => {
            let members: Vec<String> = members.iter().map(|(key, inner)| format!("{key}:{}", go_text(inner))).collect();
            format!("map[{}]", members.join(" "))
        }
        other => other.to_string(),
    }
}
