//! `resource`: acts on a Kubernetes object, and waits for its conditions.

use std::{path::Path, time::Duration};

use argo_core::{Change, Gvk, Object, ObjectRef, Patch, plan::PatchKind, runtime::Context};
use serde_json::{Value, json};

use super::{Settings, files, report::Report};
use crate::{
    api::{AnyString, Outputs, Template},
    exec::{Layout, io_message, outputs::archives_logs},
};

/// First and longest time between two looks at a condition.
const LOOK: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// The command in a pod: as [`run`], and the outputs are reported.
pub(super) async fn main(settings: &Settings, action: &str) -> Result<(), String> {
    let template = settings.template()?;
    let client = super::report::client().await?;
    let context = Context::builder(client).manager("argo-exec").build();
    let report = Report::open(settings).await?;
    report.begin().await?;
    let done = run(&context, &template, action, &settings.namespace, &settings.layout).await;
    // The container that collects logs says the last word where there is one.
    let whole = !archives_logs(&template);
    let body = match &done {
        Ok(outputs) if outputs.is_empty() => json!({}),
        Ok(outputs) => json!({"outputs": outputs}),
        Err(_) => json!({}),
    };
    let directory = settings.layout.container(&settings.container);
    let _ = files::open_directory(&directory);
    report.write(&body, whole).await?;
    done.map(|_| ())
}

/// Does what a resource template asks for, and gives its output parameters.
///
/// # Errors
/// Says what could not be done, or which condition failed.
pub async fn run(
    context: &Context,
    template: &Template,
    action: &str,
    namespace: &str,
    layout: &Layout,
) -> Result<Outputs, String> {
    let resource = template.resource.as_ref().ok_or("the template has no resource")?;
    let text = |field: &str| resource.get(field).and_then(Value::as_str).unwrap_or_default();
    let has_outputs = template.outputs.as_ref().is_some_and(|it| !it.parameters.is_empty());
    if action == "delete"
        && (!text("successCondition").is_empty() || !text("failureCondition").is_empty() || has_outputs)
    {
        return Err("successCondition, failureCondition and outputs are not supported for delete action".to_owned());
    }
    let success = conditions("success", text("successCondition"))?;
    let failure = conditions("fail", text("failureCondition"))?;
    let manifest = manifest(template, resource, layout)?;
    let flags: Vec<&str> =
        resource.get("flags").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    if manifest.is_none() && flags.is_empty() {
        return Err("Must provide at least one of flags or manifest.".to_owned());
    }
    let strategy = match text("mergeStrategy") {
        "" => "strategic",
        other => other,
    };
    let request = Request { action, manifest, flags, strategy, namespace };
    let object = act(context, &request).await?;
    let Some(mut object) = object else { return Ok(defaults(template)) };
    if !success.is_empty() || !failure.is_empty() {
        object = settled(context, object, &success, &failure).await?;
    }
    parameters(template, &object)
}

struct Request<'a> {
    action: &'a str,
    manifest: Option<Value>,
    flags: Vec<&'a str>,
    strategy: &'a str,
    namespace: &'a str,
}

fn manifest(template: &Template, resource: &Value, layout: &Layout) -> Result<Option<Value>, String> {
    let from = resource.pointer("/manifestFrom/artifact/name").and_then(Value::as_str);
    let text = match from {
        Some(name) => {
            let artifacts = template.inputs.iter().flat_map(|it| &it.artifacts);
            let path = artifacts.into_iter().find(|it| it.name == name).and_then(|it| it.path.clone());
            let path = path.ok_or_else(|| format!("no input artifact {name} with a path"))?;
            // In a pod it is mounted at its path; elsewhere it lies where it was loaded.
            let file = if layout.mounts.is_some() { layout.artifacts.join(name) } else { Path::new(&path).to_owned() };
            std::fs::read_to_string(&file).map_err(|it| io_message("open", &path, &it))?
        }
        None => resource.get("manifest").and_then(Value::as_str).unwrap_or_default().to_owned(),
    };
    if text.trim().is_empty() {
        return Ok(None);
    }
    argo_lang::yaml::decode(&text).map(Some).map_err(|it| format!("the manifest: {it}"))
}

async fn act(context: &Context, request: &Request<'_>) -> Result<Option<Object>, String> {
    let named = request.manifest.as_ref().filter(|it| it.get("kind").is_some());
    let target = match named {
        Some(manifest) => {
            let object = Object::from_value(manifest.clone());
            let gvk = object.gvk();
            let namespaced = context.mapper().is_namespaced(&gvk).await.map_err(|it| it.to_string())?;
            let namespace = namespaced.then(|| object.namespace().unwrap_or(request.namespace).to_owned());
            ObjectRef::new(gvk, namespace.as_deref(), object.name())
        }
        None => by_flags(context, request).await?,
    };
    let whole = || {
        let mut object = Object::from_value(request.manifest.clone().unwrap_or_default());
        if let Some(namespace) = &target.namespace {
            object.set(&["metadata", "namespace"], namespace.clone());
        }
        object
    };
    let change = match request.action {
        "get" => {
            let found = context.get(&target).await.map_err(|it| it.to_string())?;
            let missing = || {
                format!(
                    "no more retries Error from server (NotFound): {} \"{}\" not found",
                    target.gvk.kind.to_lowercase(),
                    target.name
                )
            };
            return found.map(Some).ok_or_else(missing);
        }
        "create" => Change::create(whole()),
        "apply" => Change::apply(whole(), "argo-exec"),
        "replace" => {
            let live = context.get(&target).await.map_err(|it| it.to_string())?;
            let live = live.ok_or_else(|| format!("{target} not found"))?;
            let mut object = whole();
            object.set(&["metadata", "resourceVersion"], live.resource_version());
            Change::Update { object }
        }
        "delete" => match context.get(&target).await.map_err(|it| it.to_string())? {
            Some(object) => Change::delete(&object),
            None => return Ok(None),
        },
        "patch" => {
            let body = request.manifest.clone().unwrap_or_default();
            let kind = match request.strategy {
                "json" => PatchKind::Json,
                "merge" => PatchKind::Merge,
                "strategic" => PatchKind::Strategic,
                other => return Err(format!("--type must be one of [json merge strategic], not \"{other}\"")),
            };
            Change::Patch {
                target: target.clone(),
                patch: Patch { kind, body },
                subresource: None,
                resource_version: None,
            }
        }
        other => return Err(format!("'{other}' is no action of a resource template")),
    };
    let done = context.applier().apply(&change).await;
    let object = done.map_err(|error| format!("no more retries {}", error.message))?;
    if request.action == "delete" {
        return Ok(None);
    }
    match object {
        Some(object) => Ok(Some(object)),
        None => context.get(&target).await.map_err(|it| it.to_string()),
    }
}

/// The object that `kubectl`'s arguments name: `pod web`, `deployment.apps/web`, with `-n NS`.
async fn by_flags(context: &Context, request: &Request<'_>) -> Result<ObjectRef, String> {
    let mut namespace = request.namespace.to_owned();
    let mut words = Vec::new();
    let mut flags = request.flags.iter();
    while let Some(flag) = flags.next() {
        match *flag {
            "-n" | "--namespace" => namespace = flags.next().map(|it| (*it).to_owned()).unwrap_or_default(),
            it if it.starts_with("--namespace=") => it["--namespace=".len()..].clone_into(&mut namespace),
            it if it.starts_with('-') => {}
            it => words.extend(it.splitn(2, '/')),
        }
    }
    let [resource, name, ..] = words.as_slice() else {
        return Err("neither the manifest nor the flags name an object".to_owned());
    };
    let (plural, group) = resource.split_once('.').unwrap_or((resource, ""));
    let gvk = find(context.client(), plural, group).await?;
    let gvk = gvk.ok_or_else(|| format!("the server doesn't have a resource type \"{resource}\""))?;
    let namespaced = context.mapper().is_namespaced(&gvk).await.map_err(|it| it.to_string())?;
    Ok(ObjectRef::new(gvk, namespaced.then_some(namespace.as_str()), name))
}

async fn find(client: &kube::Client, name: &str, group: &str) -> Result<Option<Gvk>, String> {
    let name = name.to_lowercase();
    let matches = |it: &Value| {
        let is = |field: &str| it.get(field).and_then(Value::as_str).is_some_and(|it| it.to_lowercase() == name);
        let short = it.get("shortNames").and_then(Value::as_array).into_iter().flatten();
        is("name") || is("singularName") || is("kind") || short.into_iter().any(|it| it.as_str() == Some(name.as_str()))
    };
    let read = async |path: String| -> Result<Value, String> {
        let request = http::Request::get(path).body(Vec::new()).map_err(|it| it.to_string())?;
        client.request::<Value>(request).await.map_err(|it| it.to_string())
    };
    let mut versions = vec!["v1".to_owned()];
    let groups = read("/apis".to_owned()).await?;
    for it in groups.get("groups").and_then(Value::as_array).into_iter().flatten() {
        let own = it.get("name").and_then(Value::as_str).unwrap_or_default();
        if group.is_empty() || group == own || group.ends_with(&format!(".{own}")) {
            versions.extend(it.pointer("/preferredVersion/groupVersion").and_then(Value::as_str).map(str::to_owned));
        }
    }
    for version in versions {
        let path = if version == "v1" { "/api/v1".to_owned() } else { format!("/apis/{version}") };
        let list = read(path).await?;
        let found = list.get("resources").and_then(Value::as_array).into_iter().flatten().find(|it| matches(it));
        if let Some(kind) = found.and_then(|it| it.get("kind")).and_then(Value::as_str) {
            return Ok(Some(Gvk::from_api_version(&version, kind)));
        }
    }
    Ok(None)
}

/// One requirement of a condition, in the syntax of label selectors over gjson paths.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    path: String,
    operator: &'static str,
    values: Vec<String>,
}

fn conditions(which: &str, text: &str) -> Result<Vec<Requirement>, String> {
    let mut parts = vec![String::new()];
    let mut depth = 0_usize;
    for it in text.chars() {
        match it {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = parts.last_mut() {
            last.push(it);
        }
    }
    parts
        .iter()
        .map(|it| it.trim())
        .filter(|it| !it.is_empty())
        .map(|it| {
            Requirement::parse(it).ok_or_else(|| format!("{which} condition '{text}' failed to parse: at '{it}'"))
        })
        .collect()
}

impl Requirement {
    fn parse(text: &str) -> Option<Self> {
        let list = |text: &str| -> Option<Vec<String>> {
            let inner = text.trim().strip_prefix('(')?.strip_suffix(')')?;
            Some(inner.split(',').map(|it| it.trim().to_owned()).collect())
        };
        for (word, operator) in [(" notin ", "notin"), (" in ", "in")] {
            if let Some((path, values)) = text.split_once(word) {
                return Some(Self { path: path.trim().to_owned(), operator, values: list(values)? });
            }
        }
        for operator in ["==", "!=", ">", "<", "="] {
            if let Some((path, value)) = text.split_once(operator) {
                let path = path.trim().to_owned();
                let values = vec![value.trim().to_owned()];
                return (!path.is_empty()).then_some(Self { path, operator, values });
            }
        }
        let (path, operator) = text.strip_prefix('!').map_or((text, "exists"), |it| (it, "!"));
        let plain = !path.trim().is_empty() && !path.trim().contains(' ');
        plain.then(|| Self { path: path.trim().to_owned(), operator, values: Vec::new() })
    }

    fn matches(&self, object: &Value) -> bool {
        let found = argo_lang::gjson::get(object, &self.path);
        let text = found.as_ref().map(argo_lang::gjson::text);
        let has = |text: &Option<String>| text.as_ref().is_some_and(|it| self.values.contains(it));
        let number = |it: &str| it.parse::<i64>().ok();
        let compared = || Some((number(text.as_deref()?)?, number(self.values.first()?)?));
        match self.operator {
            "exists" => found.is_some(),
            "!" => found.is_none(),
            "!=" | "notin" => !has(&text),
            ">" => compared().is_some_and(|(a, b)| a > b),
            "<" => compared().is_some_and(|(a, b)| a < b),
            _ => has(&text),
        }
    }

    fn shown(&self) -> String {
        match self.operator {
            "exists" => self.path.clone(),
            "!" => format!("!{}", self.path),
            "in" | "notin" => format!("{} {} ({})", self.path, self.operator, self.values.join(",")),
            other => format!("{}{other}{}", self.path, self.values.join(",")),
        }
    }
}

/// Waits until a condition fails or all that mean success are met.
async fn settled(
    context: &Context,
    mut object: Object,
    success: &[Requirement],
    failure: &[Requirement],
) -> Result<Object, String> {
    let mut pause = LOOK.0;
    loop {
        if let Some(failed) = failure.iter().find(|it| it.matches(object.value())) {
            return Err(format!("failure condition '{}' evaluated true", failed.shown()));
        }
        if success.iter().all(|it| it.matches(object.value())) {
            return Ok(object);
        }
        context.clock().sleep(pause).await;
        pause = (pause * 3 / 2).min(LOOK.1);
        match context.get(&object.reference()).await {
            Ok(Some(found)) => object = found,
            Ok(None) => {
                return Err(format!(
                    "The resource has been deleted while its status was still being checked. Will not be retried: {} \"{}\" not found",
                    object.gvk().kind.to_lowercase(),
                    object.name()
                ));
            }
            Err(error) if argo_core::Failure::is_transient(&error) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
}

fn defaults(template: &Template) -> Outputs {
    let mut outputs = Outputs::default();
    for it in template.outputs.iter().flat_map(|it| &it.parameters) {
        let mut it = it.clone();
        it.value = Some(it.value_from.as_ref().and_then(|it| it.default.clone()).unwrap_or_default());
        outputs.parameters.push(it);
    }
    outputs
}

fn parameters(template: &Template, object: &Object) -> Result<Outputs, String> {
    let mut outputs = Outputs::default();
    for it in template.outputs.iter().flat_map(|it| &it.parameters) {
        let mut it = it.clone();
        let Some(from) = &it.value_from else { continue };
        let given = |text: &Option<String>| text.clone().filter(|it| !it.is_empty());
        if let Some(path) = given(&from.json_path) {
            let parsed = argo_lang::jsonpath::JsonPath::parse(&path).map(argo_lang::jsonpath::JsonPath::allow_missing);
            let value = parsed.and_then(|it| it.render(object.value()));
            it.value = Some(AnyString(value.map_err(|error| format!("outputs.parameters.{}: {error}", it.name))?));
        } else if let Some(filter) = given(&from.jq_filter) {
            let found = argo_lang::jq::eval(&filter, object.value());
            let found = found.map_err(|error| format!("outputs.parameters.{}: {error}", it.name))?;
            let texts: Vec<String> =
                found.iter().map(|it| it.as_str().map_or_else(|| it.to_string(), str::to_owned)).collect();
            it.value = Some(AnyString(texts.join("\n").trim().to_owned()));
        } else {
            continue;
        }
        outputs.parameters.push(it);
    }
    Ok(outputs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_label_selectors_over_paths() {
        let object =
            json!({"status": {"phase": "Succeeded", "n": 3, "conditions": [{"type": "Ready", "status": "True"}]}});
        let all = |text: &str| conditions("success", text).unwrap().iter().all(|it| it.matches(&object));
        assert!(all("status.phase == Succeeded, status.n > 2"));
        assert!(all("status.phase in (Failed, Succeeded),status.phase notin (Error)"));
        assert!(all("status.conditions.0.type=Ready,!status.gone,status.n"));
        assert!(!all("status.phase != Succeeded"));
        assert!(!all("status.n < 3"));
        assert_eq!(conditions("fail", "status.phase == Failed").unwrap()[0].shown(), "status.phase==Failed");
        assert!(conditions("fail", "a b").unwrap_err().starts_with("fail condition 'a b' failed to parse"));
    }
}
