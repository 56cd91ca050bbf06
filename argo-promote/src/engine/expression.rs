//! Expressions in steps, variables and verification arguments: their functions and where the data comes from.
//!
//! An expression may ask for what only the cluster knows (`secret('x')`). Evaluation then reports a [`Need`] instead
//! of waiting; the shell loads it into [`Data`] and evaluates again.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use argo_core::Object;
use argo_lang::{
    expr::{Functions, Options, template},
    semver, yaml,
};
use base64::Engine as _;
use serde_json::{Map, Value, json};

use crate::{
    api::{FreightOrigin, FreightReference, RepoSubscription, Stage, Warehouse, names},
    engine::urls::normalize_git,
};

/// Something in the cluster that an expression asks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// A Secret of the project (or of the shared namespace) with credential type `generic`.
    Secret {
        /// Its name.
        name: String,
        /// From the shared namespace.
        shared: bool,
    },
    /// A ConfigMap of the project (or of the shared namespace).
    ConfigMap {
        /// Its name.
        name: String,
        /// From the shared namespace.
        shared: bool,
    },
    /// Freight of the project.
    Freight(String),
    /// A Stage of the project.
    Stage(String),
}

/// What was loaded for expressions; absent objects are known to be absent.
#[derive(Clone, Default)]
pub struct Data(BTreeMap<Need, Option<Object>>);

impl Data {
    /// Adds what was found for a need.
    pub fn insert(&mut self, need: Need, object: Option<Object>) {
        self.0.insert(need, object);
    }
}

/// Only names: the content may be secret.
impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The Freight that `imageFrom` and its like look into.
#[derive(Debug, Clone, Default)]
pub struct FreightScope {
    sources: Vec<(FreightOrigin, Vec<RepoSubscription>)>,
    items: Vec<FreightReference>,
}

impl FreightScope {
    /// Of a Stage's requests and the collection it holds or will hold.
    #[must_use]
    pub fn new(stage: &Stage, warehouses: &[Warehouse], items: impl IntoIterator<Item = FreightReference>) -> Self {
        let subscriptions = |origin: &FreightOrigin| -> Vec<RepoSubscription> {
            let warehouse =
                warehouses.iter().find(|it| it.name() == origin.name && it.namespace() == stage.namespace());
            let list = warehouse.into_iter().flat_map(|it| it.spec.subscriptions.iter().enumerate());
            list.filter_map(|(index, value)| RepoSubscription::parse(index, value).ok()).collect()
        };
        let requests = stage.spec.requested_freight.iter();
        Self {
            sources: requests.map(|it| (it.origin.clone(), subscriptions(&it.origin))).collect(),
            items: items.into_iter().collect(),
        }
    }

    /// Freight of the origin that was named, or of the only one that subscribes.
    fn find(
        &self,
        origin: Option<&Value>,
        what: &str,
        subscribes: impl Fn(&RepoSubscription) -> bool,
    ) -> Result<Option<&FreightReference>, String> {
        let of = |kind: &str, name: &str| self.items.iter().find(|it| it.origin.kind == kind && it.origin.name == name);
        if let Some(origin) = origin {
            let text = |field: &str| origin.get(field).and_then(Value::as_str).unwrap_or_default();
            return Ok(of(text("Kind"), text("Name")));
        }
        let found: Vec<_> = self.sources.iter().filter(|(_, subs)| subs.iter().any(&subscribes)).collect();
        match found.as_slice() {
            [] => Ok(None),
            [(origin, _)] => Ok(of(&origin.kind, &origin.name)),
            _ => Err(format!(
                "multiple requested Freight could potentially provide {what}; please provide a Freight origin to disambiguate"
            )),
        }
    }
}

/// Evaluates templates over one set of functions, remembering needs and secrets.
#[derive(Clone)]
pub struct Evaluator {
    options: Options,
    memory: Arc<Mutex<Memory>>,
}

#[derive(Default)]
struct Memory {
    needs: BTreeSet<Need>,
    secrets: BTreeSet<String>,
}

/// Why a value could not be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// Objects must be loaded first.
    #[error("waiting for objects that an expression reads")]
    Needs(BTreeSet<Need>),
    /// The expression is wrong.
    #[error("{0}")]
    Expression(String),
}

fn text(args: &[Value], at: usize, function: &str) -> Result<String, String> {
    match args.get(at) {
        Some(Value::String(it)) => Ok(it.clone()),
        Some(_) => Err(format!("{function}: argument {} must be a string", at + 1)),
        None => Err(format!("{function}: expected at least {} argument(s), got {}", at + 1, args.len())),
    }
}

fn origin_argument(args: &[Value], at: usize) -> Option<&Value> {
    args.get(at).filter(|it| it.is_object())
}

impl Evaluator {
    /// With the functions that work everywhere: freight, data and utilities.
    #[must_use]
    pub fn new(freight: FreightScope, data: Data) -> Self {
        let memory = Arc::new(Mutex::new(Memory::default()));
        let mut functions = utilities();
        freight_functions(&mut functions, Arc::new(freight));
        data_functions(&mut functions, &Arc::new(data), &memory);
        Self { options: Options::with_functions(functions), memory }
    }

    /// With more functions.
    #[must_use]
    pub fn with(mut self, functions: &Functions) -> Self {
        self.options.functions.extend(functions);
        self
    }

    /// Evaluates every string in a value.
    ///
    /// # Errors
    /// When an expression is wrong or needs objects.
    pub fn evaluate(&self, value: &Value, env: &Value) -> Result<Value, EvalError> {
        let result = template::evaluate_json(value, env, &self.options);
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if !memory.needs.is_empty() {
            return Err(EvalError::Needs(memory.needs.clone()));
        }
        drop(memory);
        result.map_err(|it| EvalError::Expression(self.redact(&it.to_string())))
    }

    /// Evaluates one string.
    ///
    /// # Errors
    /// As [`Evaluator::evaluate`].
    pub fn evaluate_text(&self, text: &str, env: &Value) -> Result<Value, EvalError> {
        self.evaluate(&Value::String(text.to_owned()), env)
    }

    /// A text without the values of secrets that expressions have read.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        // Longer ones first: one secret may contain another.
        let mut secrets: Vec<&String> = memory.secrets.iter().collect();
        secrets.sort_by_key(|it| std::cmp::Reverse(it.len()));
        let mut out = text.to_owned();
        for secret in secrets {
            if out == *secret || (secret.len() >= 4 && out.contains(secret.as_str())) {
                out = out.replace(secret.as_str(), REDACTED);
            }
        }
        out
    }

    /// A value without the values of secrets that expressions have read.
    #[must_use]
    pub fn redact_value(&self, value: Value) -> Value {
        match value {
            Value::String(it) => Value::String(self.redact(&it)),
            Value::Array(list) => list.into_iter().map(|it| self.redact_value(it)).collect(),
            Value::Object(map) => map.into_iter().map(|(key, it)| (key, self.redact_value(it))).collect(),
            other => other,
        }
    }
}

/// What stands where a secret was.
pub const REDACTED: &str = "[redacted]";

impl fmt::Debug for Evaluator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evaluator").field("functions", &self.options.functions).finish_non_exhaustive()
    }
}

fn utilities() -> Functions {
    let mut all = Functions::new();
    let first = |args: &[Value]| args.first().cloned().unwrap_or(Value::Null);
    all.insert("quote", move |args| Ok(Value::String(template::quote(&first(args)))));
    all.insert("unsafeQuote", move |args| {
        Ok(Value::String(match first(args) {
            Value::String(it) => format!("\"{it}\""),
            other => format!("\"{other}\""),
        }))
    });
    all.insert("asJSON", move |args| Ok(Value::String(argo_lang::gojson::to_string(&first(args)))));
    all.insert("asYAML", move |args| Ok(Value::String(yaml::to_yaml(&first(args)))));
    all.insert("warehouse", |args| Ok(json!({"Kind": "Warehouse", "Name": text(args, 0, "warehouse")?})));
    all.insert("semverDiff", |args| {
        Ok(Value::String(semver::diff(&text(args, 0, "semverDiff")?, &text(args, 1, "semverDiff")?).to_owned()))
    });
    all
}

fn freight_functions(all: &mut Functions, scope: Arc<FreightScope>) {
    let freight = scope.clone();
    all.insert("commitFrom", move |args| {
        let repo = text(args, 0, "commitFrom")?;
        let wanted = normalize_git(&repo);
        let what = format!("a commit from repo {repo}");
        let found = freight.find(
            origin_argument(args, 1),
            &what,
            |sub| matches!(sub, RepoSubscription::Git(it) if normalize_git(&it.repo_url) == wanted),
        )?;
        let commit = found.and_then(|it| it.commits.iter().find(|it| normalize_git(&it.repo_url) == wanted));
        Ok(commit.map_or(Value::Null, |it| {
            json!({"RepoURL": it.repo_url, "ID": it.id, "Branch": it.branch, "Tag": it.tag, "Message": it.message,
                "Author": it.author, "Committer": it.committer})
        }))
    });
    let freight = scope.clone();
    all.insert("imageFrom", move |args| {
        let repo = text(args, 0, "imageFrom")?;
        let what = format!("a container image from repo {repo}");
        let found = freight.find(
            origin_argument(args, 1),
            &what,
            |sub| matches!(sub, RepoSubscription::Image(it) if it.repo_url == repo),
        )?;
        let image = found.and_then(|it| it.images.iter().find(|it| it.repo_url == repo));
        Ok(image.map_or(
            Value::Null,
            |it| json!({"RepoURL": it.repo_url, "Tag": it.tag, "Digest": it.digest, "Annotations": it.annotations}),
        ))
    });
    let freight = scope.clone();
    all.insert("chartFrom", move |args| {
        let repo = text(args, 0, "chartFrom")?;
        let name = args.get(1).and_then(Value::as_str).unwrap_or_default().to_owned();
        let what = format!("a chart from repo {repo}");
        let origin = origin_argument(args, 1).or_else(|| origin_argument(args, 2));
        let found = freight.find(origin, &what, |sub| {
            matches!(sub, RepoSubscription::Chart(it) if it.repo_url == repo && (name.is_empty() || it.name == name))
        })?;
        let same = |it: &&crate::api::Chart| it.repo_url == repo && (name.is_empty() || it.name == name);
        match found.and_then(|it| it.charts.iter().find(same)) {
            Some(it) => Ok(json!({"RepoURL": it.repo_url, "Name": it.name, "Version": it.version})),
            None => Err(format!("chart {name:?} from repo {repo:?} not found in freight")),
        }
    });
    all.insert("artifactFrom", move |args| {
        let name = text(args, 0, "artifactFrom")?;
        let what = format!("an artifact from subscription {name}");
        let found = scope.find(
            origin_argument(args, 1),
            &what,
            |sub| matches!(sub, RepoSubscription::Other(it) if it.name == name),
        )?;
        let artifact = found.and_then(|it| it.artifacts.iter().find(|it| it.subscription_name == name));
        Ok(artifact.map_or(Value::Null, |it| {
            json!({"ArtifactType": it.artifact_type, "SubscriptionName": it.subscription_name, "Version": it.version,
                "Metadata": it.metadata})
        }))
    });
}

fn data_functions(all: &mut Functions, data: &Arc<Data>, memory: &Arc<Mutex<Memory>>) {
    for shared in [false, true] {
        let (data, memory) = (data.clone(), memory.clone());
        let name = if shared { "sharedSecret" } else { "secret" };
        all.insert(name, move |args| {
            let need = Need::Secret { name: text(args, 0, name)?, shared };
            let found = load(&data, &memory, need)?;
            let generic = found.filter(|it| it.label(names::LABEL_CRED_TYPE) == Some("generic"));
            let values = generic.map(secret_values).unwrap_or_default();
            let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
            memory
                .secrets
                .extend(values.values().filter_map(Value::as_str).filter(|it| !it.is_empty()).map(str::to_owned));
            Ok(Value::Object(values))
        });
    }
    for shared in [false, true] {
        let (data, memory) = (data.clone(), memory.clone());
        let name = if shared { "sharedConfigMap" } else { "configMap" };
        all.insert(name, move |args| {
            let need = Need::ConfigMap { name: text(args, 0, name)?, shared };
            let found = load(&data, &memory, need)?;
            Ok(found.and_then(|it| it.get("data")).cloned().unwrap_or_else(|| json!({})))
        });
    }
    for (name, need) in [("freightMetadata", Need::Freight as fn(String) -> Need), ("stageMetadata", Need::Stage)] {
        let (data, memory) = (data.clone(), memory.clone());
        all.insert(name, move |args| {
            let found = load(&data, &memory, need(text(args, 0, name)?))?;
            let metadata = found.and_then(|it| it.pointer("/status/metadata")).cloned();
            let metadata = metadata.unwrap_or_else(|| json!({}));
            // An older form takes the key as the second argument.
            Ok(match args.get(1).and_then(Value::as_str) {
                Some(key) => metadata.get(key).cloned().unwrap_or_default(),
                None => metadata,
            })
        });
    }
}

fn load<'a>(data: &'a Data, memory: &Mutex<Memory>, need: Need) -> Result<Option<&'a Object>, String> {
    match data.0.get(&need) {
        Some(found) => Ok(found.as_ref()),
        None => {
            memory.lock().unwrap_or_else(PoisonError::into_inner).needs.insert(need);
            Err("not loaded yet".to_owned())
        }
    }
}

fn secret_values(secret: &Object) -> Map<String, Value> {
    let mut out = Map::new();
    for (key, value) in secret.get("data").and_then(Value::as_object).into_iter().flatten() {
        let decoded = value.as_str().and_then(|it| base64::engine::general_purpose::STANDARD.decode(it).ok());
        if let Some(bytes) = decoded {
            out.insert(key.clone(), Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    for (key, value) in secret.get("stringData").and_then(Value::as_object).into_iter().flatten() {
        out.insert(key.clone(), value.clone());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{GitCommit, Image};

    fn evaluator(data: Data) -> Evaluator {
        let stage: Stage = serde_json::from_value(json!({"metadata": {"name": "dev", "namespace": "p"},
            "spec": {"requestedFreight": [{"origin": {"kind": "Warehouse", "name": "w"}},
                {"origin": {"kind": "Warehouse", "name": "x"}}]}}))
        .unwrap();
        let warehouse = |name: &str, subs: Value| -> Warehouse {
            serde_json::from_value(
                json!({"metadata": {"name": name, "namespace": "p"}, "spec": {"subscriptions": subs}}),
            )
            .unwrap()
        };
        let warehouses = [
            warehouse("w", json!([{"image": {"repoURL": "nginx"}}, {"git": {"repoURL": "https://h/a.git"}}])),
            warehouse("x", json!([{"image": {"repoURL": "redis"}}, {"git": {"repoURL": "https://h/a"}}])),
        ];
        let item = |origin: &str, image: &str| FreightReference {
            name: origin.to_owned(),
            origin: FreightOrigin::warehouse(origin),
            images: vec![Image { repo_url: image.into(), tag: "1.10".into(), ..Image::default() }],
            commits: vec![GitCommit {
                repo_url: "https://h/a".into(),
                id: format!("{origin}1"),
                ..GitCommit::default()
            }],
            ..FreightReference::default()
        };
        Evaluator::new(FreightScope::new(&stage, &warehouses, [item("w", "nginx"), item("x", "redis")]), data)
    }

    fn eval(text: &str) -> Result<Value, String> {
        evaluator(Data::default()).evaluate_text(text, &json!({})).map_err(|it| it.to_string())
    }

    #[test]
    fn freight_is_found_by_subscription_or_origin() {
        assert_eq!(eval("nginx:${{ imageFrom('nginx').Tag }}"), Ok(json!("nginx:1.10")));
        assert_eq!(eval("${{ quote(imageFrom('redis').Tag) }}"), Ok(json!("1.10")));
        assert_eq!(eval("${{ imageFrom('redis').Tag }}"), Ok(json!(1.1)));
        assert_eq!(eval("${{ imageFrom('other') }}"), Ok(Value::Null));
        assert!(eval("${{ commitFrom('https://h/a.git') }}").unwrap_err().contains("please provide a Freight origin"));
        assert_eq!(eval("${{ commitFrom('https://H/a.git', warehouse('x')).ID }}"), Ok(json!("x1")));
        assert!(eval("${{ chartFrom('oci://c') }}").unwrap_err().contains("not found in freight"));
    }

    #[test]
    fn objects_are_asked_for_and_secrets_are_redacted() {
        let need = Need::Secret { name: "s".into(), shared: false };
        let text = "${{ secret('s').token }}";
        let error = evaluator(Data::default()).evaluate_text(text, &json!({})).unwrap_err();
        assert_eq!(error, EvalError::Needs(BTreeSet::from([need.clone()])));
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "data": {"token": "aHVudGVyMg=="},
            "metadata": {"name": "s", "labels": {"kargo.akuity.io/cred-type": "generic"}}});
        let mut data = Data::default();
        data.insert(need.clone(), Some(Object::from_value(secret.clone())));
        let with = evaluator(data);
        assert_eq!(with.evaluate_text(text, &json!({})), Ok(json!("hunter2")));
        assert_eq!(with.redact("said hunter2!"), "said [redacted]!");
        assert_eq!(with.redact_value(json!({"a": ["hunter2"]})), json!({"a": ["[redacted]"]}));
        // Credentials for repositories are not for expressions.
        let mut data = Data::default();
        let mut git = Object::from_value(secret);
        git.set_label("kargo.akuity.io/cred-type", "git");
        data.insert(need, Some(git));
        assert_eq!(evaluator(data).evaluate_text(text, &json!({})), Ok(Value::Null));
    }

    #[test]
    fn missing_config_maps_are_empty() {
        let mut data = Data::default();
        data.insert(Need::ConfigMap { name: "c".into(), shared: false }, None);
        assert_eq!(evaluator(data).evaluate_text("${{ configMap('c') }}", &json!({})), Ok(json!({})));
    }
}
