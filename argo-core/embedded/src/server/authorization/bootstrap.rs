//! The roles and bindings that every cluster with RBAC begins with, of those that kube-apiserver makes for its users (`bootstrap.json`);
//! not those of its controllers and kubelets.

use serde_json::{Value, json};

use super::RBAC;

/// The default roles and bindings, as objects to be created.
pub(crate) fn default_roles() -> Vec<Value> {
    // The file is part of the program; a test reads it.
    let entries: Vec<Value> = serde_json::from_str(include_str!("bootstrap.json")).unwrap_or_default();
    entries.into_iter().map(object).collect()
}

fn object(mut entry: Value) -> Value {
    let mut labels = entry.get("labels").cloned().unwrap_or_else(|| json!({}));
    labels["kubernetes.io/bootstrapping"] = Value::from("rbac-defaults");
    let metadata = json!({
        "name": entry["name"], "labels": labels, "annotations": { "rbac.authorization.kubernetes.io/autoupdate": "true" },
    });
    if let Some(fields) = entry.as_object_mut() {
        fields.remove("name");
        fields.remove("labels");
        fields.insert("apiVersion".to_owned(), Value::from(format!("{RBAC}/v1")));
        fields.insert("metadata".to_owned(), metadata);
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_roles_are_read() {
        let roles = default_roles();
        for name in [
            "cluster-admin",
            "admin",
            "edit",
            "view",
            "system:discovery",
            "system:basic-user",
            "system:public-info-viewer",
        ] {
            assert!(
                roles.iter().any(|role| role["metadata"]["name"] == name && role["kind"] == "ClusterRole"),
                "{name}"
            );
        }
    }
}
