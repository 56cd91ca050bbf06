//! OpenAPI documents: built-in kinds out of the table of types, custom ones out of their definitions.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::resources::{Registry, ResourceDef};
use crate::schema::{Field, ListType, Shape, type_name, types};

/// `/openapi/v3`: where the documents of each group version are.
pub(super) fn v3_index(registry: &Registry) -> Value {
    let mut paths = Map::new();
    for (group, versions) in registry.groups() {
        for version in versions {
            let path = if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") };
            let hash = hex::encode(&Sha256::digest(v3(registry, &group, &version).to_string().as_bytes())[..16]);
            paths.insert(path.clone(), json!({ "serverRelativeURL": format!("/openapi/v3/{path}?hash={hash}") }));
        }
    }
    json!({ "paths": paths })
}

/// The document of one group version.
pub(super) fn v3(registry: &Registry, group: &str, version: &str) -> Value {
    let document = Document { prefix: "#/components/schemas/" };
    let (schemas, paths) = document.of(registry, |def, name| def.group() == group && name == version);
    json!({
        "openapi": "3.0.0",
        "info": { "title": "Kubernetes", "version": super::discovery::VERSION.2 },
        "paths": paths,
        "components": { "schemas": schemas },
    })
}

/// `/openapi/v2` in JSON.
pub(super) fn v2(registry: &Registry) -> Value {
    let document = Document { prefix: "#/definitions/" };
    let (definitions, paths) = document.of(registry, |_, _| true);
    json!({ "swagger": "2.0", "info": { "title": "Kubernetes", "version": super::discovery::VERSION.2 }, "paths": paths, "definitions": definitions })
}

struct Document {
    prefix: &'static str,
}

// === impl Document ===

impl Document {
    fn of(
        &self,
        registry: &Registry,
        wanted: impl Fn(&ResourceDef, &str) -> bool,
    ) -> (Map<String, Value>, Map<String, Value>) {
        let mut schemas = Map::new();
        let mut paths = Map::new();
        let mut needed: BTreeSet<String> =
            BTreeSet::from(["meta.v1.ObjectMeta".to_owned(), "meta.v1.ListMeta".to_owned()]);
        for def in registry.iter() {
            for (index, version) in def.versions.iter().enumerate().filter(|(_, version)| wanted(def, &version.name)) {
                let kinds = json!([{ "group": def.group(), "version": version.name, "kind": def.kind }]);
                let name = match &version.custom {
                    Some(custom) => {
                        let name = custom_name(def, &version.name);
                        let mut schema = custom.schema.clone();
                        if let Some(root) = schema.as_object_mut() {
                            let properties = root.entry("properties").or_insert_with(|| json!({}));
                            properties["apiVersion"] = json!({ "type": "string" });
                            properties["kind"] = json!({ "type": "string" });
                            properties["metadata"] = self.reference("meta.v1.ObjectMeta");
                            root.insert("x-kubernetes-group-version-kind".to_owned(), kinds.clone());
                        }
                        schemas.insert(name.clone(), schema);
                        name
                    }
                    None => {
                        let name = type_name(def.group(), &version.name, &def.kind);
                        needed.insert(name.clone());
                        full_name(&name)
                    }
                };
                schemas.insert(
                    format!("{name}List"),
                    json!({
                        "type": "object",
                        "required": ["items"],
                        "properties": {
                            "apiVersion": { "type": "string" },
                            "kind": { "type": "string" },
                            "metadata": self.reference("meta.v1.ListMeta"),
                            "items": { "type": "array", "items": { "$ref": format!("{}{name}", self.prefix) } },
                        },
                        "x-kubernetes-group-version-kind": [{ "group": def.group(), "version": version.name, "kind": def.list_kind }],
                    }),
                );
                self.paths(def, index, &name, &mut paths);
            }
        }
        let kinds = builtin_kinds(registry);
        while let Some(name) = needed.pop_first() {
            if schemas.contains_key(&full_name(&name)) {
                continue;
            }
            let Some(def) = types().get(name.as_str()) else { continue };
            let mut schema = json!({ "type": "object", "properties": {} });
            let required: Vec<&str> =
                def.fields.iter().filter(|(_, field)| field.required).map(|(name, _)| *name).collect();
            if !required.is_empty() {
                schema["required"] = json!(required);
            }
            if def.atomic {
                schema["x-kubernetes-map-type"] = Value::from("atomic");
            }
            if let Some(kinds) = kinds.get(&name) {
                schema["x-kubernetes-group-version-kind"] = kinds.clone();
            }
            for (field_name, field) in &def.fields {
                schema["properties"][*field_name] = self.field(field, &mut needed);
            }
            schemas.insert(full_name(&name), schema);
        }
        (schemas, paths)
    }

    fn reference(&self, type_name: &str) -> Value {
        json!({ "$ref": format!("{}{}", self.prefix, full_name(type_name)) })
    }

    fn field(&self, field: &Field, needed: &mut BTreeSet<String>) -> Value {
        let mut schema = self.shape(&field.shape, needed);
        if matches!(field.shape, Shape::List(_)) {
            let (kind, keys) = match &field.list {
                ListType::Atomic => ("atomic", None),
                ListType::Set => ("set", None),
                ListType::Map(keys) => ("map", Some(keys)),
            };
            schema["x-kubernetes-list-type"] = Value::from(kind);
            if let Some(keys) = keys {
                schema["x-kubernetes-list-map-keys"] = json!(keys);
            }
        }
        if field.atomic {
            schema["x-kubernetes-map-type"] = Value::from("atomic");
        }
        let strategy: Vec<&str> =
            field.merge_key.map(|_| "merge").into_iter().chain(field.retain_keys.then_some("retainKeys")).collect();
        if !strategy.is_empty() {
            schema["x-kubernetes-patch-strategy"] = Value::from(strategy.join(","));
        }
        if let Some(key) = field.merge_key.filter(|key| !key.is_empty()) {
            schema["x-kubernetes-patch-merge-key"] = Value::from(key);
        }
        if let Some(default) = &field.default {
            schema["default"] = default.clone();
        }
        schema
    }

    fn shape(&self, shape: &Shape, needed: &mut BTreeSet<String>) -> Value {
        match shape {
            Shape::String | Shape::Quantity => json!({ "type": "string" }),
            Shape::Bytes => json!({ "type": "string", "format": "byte" }),
            Shape::Time | Shape::MicroTime => json!({ "type": "string", "format": "date-time" }),
            Shape::Int32 => json!({ "type": "integer", "format": "int32" }),
            Shape::Int64 => json!({ "type": "integer", "format": "int64" }),
            Shape::Number => json!({ "type": "number", "format": "double" }),
            Shape::Bool => json!({ "type": "boolean" }),
            Shape::IntOrString => json!({ "type": "string", "format": "int-or-string" }),
            Shape::Any => json!({ "type": "object" }),
            Shape::List(inner) => json!({ "type": "array", "items": self.shape(inner, needed) }),
            Shape::Map(inner) => json!({ "type": "object", "additionalProperties": self.shape(inner, needed) }),
            Shape::Type(name) => {
                needed.insert((*name).to_owned());
                self.reference(name)
            }
        }
    }

    /// The operations kubectl looks for: that a kind is known, and which parameters its verbs take.
    fn paths(&self, def: &ResourceDef, index: usize, name: &str, paths: &mut Map<String, Value>) {
        let version = &def.versions[index].name;
        let base =
            if def.group().is_empty() { format!("/api/{version}") } else { format!("/apis/{}/{version}", def.group()) };
        let scope = if def.namespaced { "/namespaces/{namespace}" } else { "" };
        let collection = format!("{base}{scope}/{}", def.resource());
        let kind = json!({ "group": def.group(), "version": version, "kind": def.kind });
        let answer = |code: &str| json!({ code: { "description": "OK", "content": { "application/json": { "schema": { "$ref": format!("{}{name}", self.prefix) } } } } });
        let query = |name: &str, kind: &str| json!({ "name": name, "in": "query", "schema": { "type": kind }, "type": kind, "uniqueItems": true });
        let write =
            json!([query("dryRun", "string"), query("fieldManager", "string"), query("fieldValidation", "string")]);
        let operation = |action: &str, code: &str, parameters: &Value| json!({ "responses": answer(code), "parameters": parameters, "x-kubernetes-action": action, "x-kubernetes-group-version-kind": kind });
        paths.insert(
            collection.clone(),
            json!({ "get": operation("list", "200", &json!([])), "post": operation("post", "201", &write) }),
        );
        if !def.review {
            let patch = json!([
                query("dryRun", "string"),
                query("fieldManager", "string"),
                query("fieldValidation", "string"),
                query("force", "boolean")
            ]);
            paths.insert(
                format!("{collection}/{{name}}"),
                json!({
                    "get": operation("get", "200", &json!([])),
                    "put": operation("put", "200", &write),
                    "patch": operation("patch", "200", &patch),
                    "delete": operation("delete", "200", &json!([query("dryRun", "string")])),
                }),
            );
        }
    }
}

fn builtin_kinds(registry: &Registry) -> BTreeMap<String, Value> {
    let mut kinds = BTreeMap::new();
    for def in registry.iter().filter(|def| def.builtin) {
        for version in &def.versions {
            kinds.insert(
                type_name(def.group(), &version.name, &def.kind),
                json!([{ "group": def.group(), "version": version.name, "kind": def.kind }]),
            );
        }
    }
    kinds
}

/// `com.example.stable.v1.CronTab`
fn custom_name(def: &ResourceDef, version: &str) -> String {
    let reversed: Vec<&str> = def.group().split('.').rev().collect();
    format!("{}.{version}.{}", reversed.join("."), def.kind)
}

/// The name under which a type of the table stands in documents.
fn full_name(name: &str) -> String {
    match name.split('.').next() {
        Some("meta") => format!("io.k8s.apimachinery.pkg.apis.{name}"),
        Some("apiextensions") => format!("io.k8s.apiextensions-apiserver.pkg.apis.{name}"),
        Some("apiregistration") => format!("io.k8s.kube-aggregator.pkg.apis.{name}"),
        _ => format!("io.k8s.api.{name}"),
    }
}
