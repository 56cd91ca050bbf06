//! Recorded upstream runs and upstream's example manifests, where they are at hand.

use std::{collections::BTreeMap, path::PathBuf};

use argo_workflows::{
    api::{NodeType, Workflow},
    engine::{ContainerResult, LintError, LintMode, StepResult, lint_manifest},
    executor::scripted::{Script, ScriptedExecutor},
    testing::{
        Run,
        conformance::{differences, normalise},
    },
};
use serde_json::{Value, json};

fn data() -> Option<PathBuf> {
    let given = std::env::var_os("ARGO_CONFORMANCE").map(PathBuf::from);
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance");
    let found = given.unwrap_or(root);
    if found.join("workflows").is_dir() {
        return Some(found);
    }
    eprintln!("skipped: no conformance data (set ARGO_CONFORMANCE)");
    None
}

/// Recorded runs that differ, and why.
const DIFFERENT: &[(&str, &str)] = &include!("conformance_differences.in");

/// A step ends as the recording says its node did.
fn replay(recorded: &Value) -> ScriptedExecutor {
    let nodes = recorded["nodes"].clone();
    ScriptedExecutor::new().otherwise(move |step| {
        let Some(node) = nodes.get(&step.node_name) else {
            return Script::ends(StepResult::error("not recorded"));
        };
        let outputs = &node["outputs"];
        let mut result = StepResult {
            phase: serde_json::from_value(node["phase"].clone()).unwrap(),
            message: node["message"].as_str().unwrap_or_default().to_owned(),
            exit_code: outputs["exitCode"].as_str().and_then(|it| it.parse().ok()),
            result: outputs["result"].as_str().map(str::to_owned),
            artifacts: serde_json::from_value(outputs["artifacts"].clone()).unwrap_or_default(),
            ..StepResult::default()
        };
        for (name, it) in nodes.as_object().into_iter().flatten().filter(|(_, it)| it["type"] == "Container") {
            let Some(container) = name.strip_prefix(&format!("{}.", step.node_name)) else { continue };
            let exit_code = match it["phase"].as_str() {
                Some("Succeeded") => Some(0),
                Some("Error") => Some(64),
                _ => Some(1),
            };
            let message = it["message"].as_str().unwrap_or_default().to_owned();
            result.containers.insert(container.to_owned(), ContainerResult { exit_code, message });
        }
        for it in outputs["parameters"].as_array().into_iter().flatten() {
            if let Some(value) = it["value"].as_str() {
                result.parameters.insert(it["name"].as_str().unwrap().to_owned(), value.to_owned());
            }
        }
        Script::ends(result)
    })
}

fn run(manifest: &str, recorded: &Value) -> Result<(), String> {
    let objects = argo_lang::yaml::decode_all(manifest).map_err(|it| it.to_string())?;
    let workflow = objects.iter().find(|it| it["kind"] == "Workflow").ok_or("no workflow")?;
    let mut workflow = workflow.clone();
    workflow["metadata"]["name"] = "WF".into();
    workflow["metadata"]["namespace"] = "NS".into();
    workflow["metadata"]["uid"] = "UID".into();
    let mut it = Run::value(workflow).with(replay(recorded));
    for object in &objects {
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let spec = || serde_json::from_value(object["spec"].clone()).map(std::sync::Arc::new);
        match object["kind"].as_str() {
            Some("WorkflowTemplate") => {
                it.catalog.templates.insert(name, spec().map_err(|it| it.to_string())?);
            }
            Some("ConfigMap") => {
                let data: BTreeMap<String, String> =
                    serde_json::from_value(object["data"].clone()).map_err(|it| it.to_string())?;
                it.catalog.config_maps.insert(name, data);
            }
            _ => {}
        }
    }
    for _ in 0..1000 {
        if !it.settle() {
            return Err("does not come to rest".to_owned());
        }
        if it.is_over() || !it.wait() {
            break;
        }
    }
    let ours = serde_json::to_value(&it.workflow).map_err(|it| it.to_string())?;
    let differences = differences(&normalise(&ours), recorded);
    if differences.is_empty() { Ok(()) } else { Err(differences.join("\n")) }
}

#[test]
fn recorded_runs_give_the_same_graphs() {
    let Some(data) = data() else { return };
    let root = data.join("workflows");
    let mut files: Vec<_> = std::fs::read_dir(root.join("expected")).unwrap().map(|it| it.unwrap().path()).collect();
    files.sort();
    let mut passed = 0;
    let mut faults = Vec::new();
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let expected: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let Some([recorded]) = expected["workflows"].as_array().map(Vec::as_slice) else { continue };
        let manifest = std::fs::read_to_string(root.join("manifests").join(&name)).unwrap();
        let known = DIFFERENT.iter().find(|it| it.0 == name);
        match (run(&manifest, recorded), known) {
            (Ok(()), None) => passed += 1,
            (Ok(()), Some(_)) => faults.push(format!("{name}: is listed as different and is not")),
            (Err(_), Some(_)) => {}
            (Err(error), None) => faults.push(format!("{name}: {error}")),
        }
    }
    println!("{passed} recorded runs are the same, {} are listed as different", DIFFERENT.len());
    assert!(faults.is_empty(), "{passed} pass; {} do not:\n{}", faults.len(), faults.join("\n"));
    assert!(passed > 60);
}

#[test]
fn node_types_of_newer_versions_are_kept() {
    let node: argo_workflows::api::NodeStatus =
        serde_json::from_value(json!({"id": "a", "name": "a", "displayName": "a", "type": "New"})).unwrap();
    assert_eq!(node.kind, NodeType::Other("New".into()));
    assert_eq!(serde_json::to_value(&node).unwrap()["type"], "New");
}

/// Upstream manifests by their path below the data, with the objects in them.
fn manifests(data: &std::path::Path) -> Vec<(String, Vec<Value>)> {
    let mut found = Vec::new();
    let mut open = vec![data.join("manifests/workflows")];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|it| it == "yaml") {
                let text = std::fs::read_to_string(&path).unwrap();
                let name = path.strip_prefix(data.join("manifests")).unwrap().display().to_string();
                if let Ok(objects) = argo_lang::yaml::decode_all(&text) {
                    found.push((name, objects));
                }
            }
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// What a round trip may change: parameter values become texts, empty and null fields go.
fn comparable(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().map(|(key, it)| {
                let is_text = matches!(key.as_str(), "value" | "default" | "maxDuration" | "duration" | "cap");
                let it = match it {
                    Value::Number(_) | Value::Bool(_) if is_text => Value::from(it.to_string()),
                    Value::Array(list) if key == "enum" => {
                        list.iter().map(|it| it.as_str().map_or_else(|| it.to_string(), str::to_owned)).collect()
                    }
                    other => comparable(other),
                };
                (key.clone(), it)
            });
            let empty = |it: &Value| it.is_null() || *it == false || it.as_array().is_some_and(Vec::is_empty);
            Value::Object(kept.filter(|(_, it)| !empty(it)).collect())
        }
        Value::Array(list) => list.iter().map(comparable).collect(),
        other => other.clone(),
    }
}

#[test]
fn wire_types_keep_everything_of_upstreams_manifests() {
    use argo_workflows::api::{ClusterWorkflowTemplate, CronWorkflow, WorkflowTemplate};
    fn trip<T: serde::Serialize + serde::de::DeserializeOwned>(value: &Value) -> Result<Value, String> {
        let typed: T = serde_json::from_value(value.clone()).map_err(|it| it.to_string())?;
        serde_json::to_value(typed).map_err(|it| it.to_string())
    }
    let Some(data) = data() else { return };
    let mut count = 0;
    let mut faults = Vec::new();
    for (file, objects) in manifests(&data) {
        for object in objects {
            let there = match object["kind"].as_str() {
                Some("Workflow") => trip::<Workflow>(&object),
                Some("WorkflowTemplate") => trip::<WorkflowTemplate>(&object),
                Some("ClusterWorkflowTemplate") => trip::<ClusterWorkflowTemplate>(&object),
                Some("CronWorkflow") => trip::<CronWorkflow>(&object),
                _ => continue,
            };
            count += 1;
            match there {
                // Upstream refuses these, too.
                Err(_) if file.contains("malformed") => {}
                Err(error) => faults.push(format!("{file}: {error}")),
                Ok(back) if comparable(&back) == comparable(&object) => {}
                Ok(back) => faults.push(format!("{file}: {} became {}", comparable(&object), comparable(&back))),
            }
        }
    }
    assert!(faults.is_empty(), "{} of {count}:\n{}", faults.len(), faults.join("\n"));
    assert!(count > 400, "{count}");
}

/// What upstream's linter says of a file, as it prints it; empty where it accepts it.
fn verdict(file: &str, objects: &[Value], mode: LintMode) -> String {
    let mut catalog = argo_workflows::engine::Catalog::default();
    for object in objects {
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let Ok(spec) = serde_json::from_value(object["spec"].clone()).map(std::sync::Arc::new) else { continue };
        match object["kind"].as_str() {
            Some("WorkflowTemplate") => drop(catalog.templates.insert(name, spec)),
            Some("ClusterWorkflowTemplate") => drop(catalog.cluster_templates.insert(name, spec)),
            _ => {}
        }
    }
    for object in objects {
        let meta = &object["metadata"];
        let name = meta["name"].as_str().or_else(|| meta["generateName"].as_str()).unwrap_or_default();
        let kind = object["kind"].as_str().unwrap_or_default();
        match lint_manifest(object, &catalog, mode) {
            Ok(()) => {}
            Err(LintError::Type(reason)) => return format!("Error: failed to parse YAML from file {file}: {reason}"),
            Err(error) => return format!("{file}: in \"{name}\" ({kind}): {error}"),
        }
    }
    String::new()
}

#[test]
fn every_manifest_is_judged_as_upstream_judges_it() {
    let Some(data) = data() else { return };
    let verdicts: BTreeMap<String, Value> =
        serde_json::from_slice(&std::fs::read(data.join("manifests/workflows-lint.json")).unwrap()).unwrap();
    let manifests: BTreeMap<String, Vec<Value>> = manifests(&data).into_iter().collect();
    let mut faults = Vec::new();
    for (file, theirs) in &verdicts {
        // Upstream takes tasks that wait for nobody in no particular order.
        let any_task = |text: &str| match file.ends_with("multiple-ref-main-workflowtemplate.yaml") {
            true => text.replace(|it: char| it.is_ascii_digit(), ""),
            false => text.to_owned(),
        };
        let ours = verdict(file, &manifests[file], LintMode::Upstream);
        let expected = theirs["output"].as_str().unwrap();
        if any_task(&ours) != any_task(expected) || ours.is_empty() != (theirs["ok"] == true) {
            faults.push(format!("{file}:\n  ours:   {ours}\n  theirs: {expected}"));
        }
    }
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), verdicts.len(), faults.join("\n"));
    assert!(verdicts.len() > 500, "{}", verdicts.len());
}

#[test]
fn strict_mode_refuses_more_and_says_why() {
    let Some(data) = data() else { return };
    let mut refused = 0;
    for (file, objects) in manifests(&data) {
        let lenient = verdict(&file, &objects, LintMode::Upstream);
        let strict = verdict(&file, &objects, LintMode::Strict);
        assert!(lenient.is_empty() || !strict.is_empty(), "{file}: {lenient}");
        refused += usize::from(lenient.is_empty() && !strict.is_empty());
        if lenient.is_empty() && !strict.is_empty() {
            println!("{strict}");
        }
    }
    assert!((1..40).contains(&refused), "{refused} of upstream's own examples");
}

#[test]
fn full_definitions_know_every_field_of_every_manifest() {
    let Some(data) = data() else { return };
    for (file, objects) in manifests(&data) {
        for object in objects {
            let kind = object["kind"].as_str().unwrap_or_default();
            let known = file.contains("malformed")
                || file.contains("lintfail")
                || file.contains("invalid")
                || file.contains("convert")
                || file.contains("mutex-wf-level");
            let unknown = argo_workflows::api::schema::unknown_fields(kind, &object);
            assert!(known || unknown.is_empty(), "{file}: {unknown:?}");
        }
    }
}

#[tokio::test]
async fn full_definitions_take_what_upstream_takes_and_drop_nothing() {
    let Some(data) = data() else { return };
    let cluster = argo_embedded::Cluster::builder().build().unwrap();
    cluster.install_crds(&argo_workflows::api::schema::crds()).unwrap();
    let context = argo_core::runtime::Context::builder(cluster.client()).build();
    let verdicts: Value =
        serde_json::from_slice(&std::fs::read(data.join("manifests/workflows-lint.json")).unwrap()).unwrap();
    let mut count = 0;
    let mut faults = Vec::new();
    for (file, objects) in manifests(&data).into_iter().filter(|(file, _)| verdicts[file]["ok"] == true) {
        for mut object in objects.into_iter().filter(|it| it["apiVersion"] == "argoproj.io/v1alpha1") {
            let meta = object["metadata"].as_object_mut().unwrap();
            meta.remove("generateName");
            // One of them has a label that no API server takes.
            meta.remove("labels");
            meta.insert("name".into(), format!("m-{count}").into());
            if object["kind"] != "ClusterWorkflowTemplate" {
                object["metadata"]["namespace"] = "default".into();
            }
            count += 1;
            let sent = argo_core::Object::from_value(object);
            match context.applier().apply(&argo_core::Change::create(sent.clone())).await {
                Ok(Some(kept)) if comparable(kept.get("spec").unwrap()) == comparable(sent.get("spec").unwrap()) => {}
                Ok(kept) => faults.push(format!("{file}: {sent:?} became {kept:?}")),
                Err(error) => faults.push(format!("{file}: {error}")),
            }
        }
    }
    assert!(faults.is_empty(), "{} of {count}:\n{}", faults.len(), faults.join("\n"));
    assert!(count > 500, "{count}");
}
