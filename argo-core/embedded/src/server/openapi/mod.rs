//! OpenAPI documents: built-in kinds out of the table of types, custom ones out of their definitions.

mod protobuf;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::resources::{Registry, ResourceDef};
use crate::schema::{Field, ListType, Shape, described, type_name, types};

const INT_OR_STRING: &str = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
const RAW: &str = "io.k8s.apimachinery.pkg.runtime.RawExtension";
const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";

/// Documents of a registry, made when they are first asked for. A changed registry makes its own.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    v2: OnceLock<Bytes>,
    v2_protobuf: OnceLock<Bytes>,
    v3: OnceLock<BTreeMap<String, Bytes>>,
}

// === impl Documents ===

impl Clone for Documents {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Registry {
    /// `/openapi/v2` in JSON.
    pub(super) fn openapi_v2(&self) -> Bytes {
        self.documents.v2.get_or_init(|| v2(self).to_string().into()).clone()
    }

    /// `/openapi/v2` in protobuf.
    pub(super) fn openapi_v2_protobuf(&self) -> Bytes {
        self.documents.v2_protobuf.get_or_init(|| protobuf::document(&v2(self)).into()).clone()
    }

    /// The document of a group version, by the path it has below `/openapi/v3/`.
    pub(super) fn openapi_v3(&self, path: &str) -> Option<Bytes> {
        self.v3_documents().get(path).cloned()
    }

    /// `/openapi/v3`: where the documents of each group version are.
    pub(super) fn openapi_v3_index(&self) -> Value {
        let mut paths = Map::new();
        for (path, document) in self.v3_documents() {
            let hash = hex::encode_upper(Sha256::digest(document));
            let url = format!("/openapi/v3/{path}?hash={hash}");
            paths.insert(path.clone(), json!({ "serverRelativeURL": url }));
        }
        json!({ "paths": paths })
    }

    fn v3_documents(&self) -> &BTreeMap<String, Bytes> {
        self.documents.v3.get_or_init(|| {
            let mut documents = BTreeMap::new();
            for (group, versions) in self.groups() {
                for version in versions {
                    let path =
                        if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") };
                    documents.insert(path, Bytes::from(v3(self, &group, &version).to_string()));
                }
            }
            documents
        })
    }
}

/// The document of one group version.
fn v3(registry: &Registry, group: &str, version: &str) -> Value {
    let document = Document { prefix: "#/components/schemas/", v3: true };
    let (schemas, paths) = document.of(registry, |def, name| def.group() == group && name == version);
    json!({
        "openapi": "3.0.0",
        "info": { "title": "Kubernetes", "version": super::discovery::VERSION.2 },
        "paths": paths,
        "components": { "schemas": schemas },
    })
}

fn v2(registry: &Registry) -> Value {
    let document = Document { prefix: "#/definitions/", v3: false };
    let (definitions, paths) = document.of(registry, |_, _| true);
    json!({ "swagger": "2.0", "info": { "title": "Kubernetes", "version": super::discovery::VERSION.2 }, "paths": paths, "definitions": definitions })
}

struct Document {
    prefix: &'static str,
    /// Version 3 cannot say anything beside a reference, and wraps it.
    v3: bool,
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
                            for field in ["apiVersion", "kind"] {
                                properties[field] = json!({ "type": "string" });
                                self.explain(
                                    "apiextensions.v1.CustomResourceDefinition",
                                    field,
                                    &mut properties[field],
                                );
                            }
                            properties["metadata"] = self.reference("meta.v1.ObjectMeta");
                            self.explain("core.v1.ConfigMap", "metadata", &mut properties["metadata"]);
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
            if let Some(described) = described(&name).filter(|it| !it.text.is_empty()) {
                schema["description"] = Value::from(described.text.as_str());
            }
            if let Some(kinds) = kinds.get(&name) {
                schema["x-kubernetes-group-version-kind"] = kinds.clone();
            }
            for (field_name, field) in &def.fields {
                let mut shown = match (name.as_str(), *field_name) {
                    ("meta.v1.ManagedFieldsEntry", "fieldsV1") => self.reference("meta.v1.FieldsV1"),
                    ("apps.v1.ControllerRevision", "data") => self.reference(RAW),
                    _ => self.field(field, &mut needed),
                };
                self.explain(&name, field_name, &mut shown);
                schema["properties"][*field_name] = shown;
            }
            schemas.insert(full_name(&name), schema);
        }
        for (name, mut schema) in self.scalars() {
            if let Some(described) = described(name).filter(|it| !it.text.is_empty()) {
                schema["description"] = Value::from(described.text.as_str());
            }
            schemas.insert(full_name(name), schema);
        }
        (schemas, paths)
    }

    /// The types that are not structs of their own: strings, numbers, anything.
    fn scalars(&self) -> [(&'static str, Value); 6] {
        let either = if self.v3 {
            json!({ "format": "int-or-string", "oneOf": [{ "type": "integer" }, { "type": "string" }] })
        } else {
            json!({ "type": "string", "format": "int-or-string" })
        };
        let quantity = if self.v3 {
            json!({ "oneOf": [{ "type": "string" }, { "type": "number" }] })
        } else {
            json!({ "type": "string" })
        };
        let any = json!({ "type": "object" });
        let moment = json!({ "type": "string", "format": "date-time" });
        [
            (INT_OR_STRING, either),
            (QUANTITY, quantity),
            ("meta.v1.Time", moment.clone()),
            ("meta.v1.MicroTime", moment),
            ("meta.v1.FieldsV1", any.clone()),
            (RAW, any),
        ]
    }

    /// Adds what a field means, and the values that it takes.
    fn explain(&self, type_name: &str, field: &str, shown: &mut Value) {
        let Some(meaning) = described(type_name).and_then(|described| described.fields.get(field)) else { return };
        if self.v3
            && let Some(reference) = shown.as_object_mut().and_then(|fields| fields.remove("$ref"))
        {
            shown["allOf"] = json!([{ "$ref": reference }]);
        }
        if !meaning.text.is_empty() {
            shown["description"] = Value::from(meaning.text.as_str());
        }
        if !meaning.values.is_empty() {
            let place = if shown.get("items").is_some() { &mut shown["items"] } else { shown };
            place["enum"] = json!(meaning.values);
        }
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
            Shape::String => json!({ "type": "string" }),
            Shape::Quantity => self.reference(QUANTITY),
            Shape::Bytes => json!({ "type": "string", "format": "byte" }),
            Shape::Time => self.reference("meta.v1.Time"),
            Shape::MicroTime => self.reference("meta.v1.MicroTime"),
            Shape::Int32 => json!({ "type": "integer", "format": "int32" }),
            Shape::Int64 => json!({ "type": "integer", "format": "int64" }),
            Shape::Number => json!({ "type": "number", "format": "double" }),
            Shape::Bool => json!({ "type": "boolean" }),
            Shape::IntOrString => self.reference(INT_OR_STRING),
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
        Some("io") => name.to_owned(),
        Some("meta") => format!("io.k8s.apimachinery.pkg.apis.{name}"),
        Some("apiextensions") => format!("io.k8s.apiextensions-apiserver.pkg.apis.{name}"),
        Some("apiregistration") => format!("io.k8s.kube-aggregator.pkg.apis.{name}"),
        _ => format!("io.k8s.api.{name}"),
    }
}
