//! `argo cron backfill`: workflows for the times of a CronWorkflow that lie in the past.

use argo_core::{ObjectMeta, Timestamp};
use serde_json::{Value, json};

use super::OperationError;
use crate::{
    api::{CronWorkflow, Workflow},
    engine::cron,
};

/// Label of a workflow that fills times up: the CronWorkflow.
const LABEL_BACKFILL: &str = "workflows.argoproj.io/backfill";
/// Longest prefix of a generated name, in bytes.
const MAX_PREFIX: usize = 58 - 1;
/// Most times that are filled up at once: a schedule of every second over years is a mistake.
const MAX_TIMES: usize = 100_000;

/// What to fill up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backfill {
    /// Name of the whole; that of the mutex, too.
    pub name: String,
    /// After this time.
    pub start: Timestamp,
    /// At this time or earlier.
    pub end: Timestamp,
    /// Whether all run at once; by default one after the other.
    pub parallel: bool,
    /// Parameter of the workflow that gets the time; upstream's default is `cronScheduleTime`.
    pub argument: String,
    /// Most workflows that one of those returned makes; upstream's default is 1000.
    pub max_workflows: usize,
}

/// The workflows to create: each makes, by a `resource` step, one workflow for each of its times. None where no time
/// lies in between. With several schedules, times of all of them.
///
/// # Errors
/// When a schedule can not be read, or there are too many times.
pub fn backfill(cron: &CronWorkflow, what: &Backfill, now: Timestamp) -> Result<Vec<Workflow>, OperationError> {
    let times = cron::times(cron, what.start, what.end, MAX_TIMES).map_err(OperationError::Schedule)?;
    let own = cron.metadata.name.as_deref().unwrap_or_default();
    let mut child = cron::child(cron, now).into_value();
    if let Some(metadata) = child["metadata"].as_object_mut() {
        metadata.remove("name");
        metadata.remove("namespace");
        let mut prefix = format!("{own}-backfill-{}", what.name.to_lowercase());
        let cut = (0..=MAX_PREFIX.min(prefix.len())).rev().find(|it| prefix.is_char_boundary(*it)).unwrap_or_default();
        prefix.truncate(cut);
        metadata.insert("generateName".to_owned(), format!("{prefix}-").into());
    }
    if !what.parallel {
        child["spec"]["priority"] = i32::MAX.into();
        child["spec"]["synchronization"] = json!({"mutexes": [{"name": what.name}]});
    }
    let parameter = json!({"name": what.argument, "value": "{{inputs.parameters.backfillscheduletime}}"});
    let given = child.pointer_mut("/spec/arguments/parameters").and_then(Value::as_array_mut);
    match given {
        Some(given) => {
            given.retain(|it| it["name"] != what.argument.as_str());
            given.push(parameter);
        }
        None => child["spec"]["arguments"]["parameters"] = json!([parameter]),
    }
    let manifest = child.to_string();
    let made = times.chunks(what.max_workflows.max(1)).map(|times| {
        let times: Vec<String> = times.iter().map(|it| it.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string()).collect();
        let spec = json!({
            "entrypoint": "main",
            "templates": [
                {"name": "main", "steps": [[{
                    "name": "create-workflow", "template": "create-workflow", "withParam": json!(times).to_string(),
                    "arguments": {"parameters": [{"name": "backfillscheduletime", "value": "{{item}}"}]},
                }]]},
                {"name": "create-workflow", "inputs": {"parameters": [{"name": "backfillscheduletime"}]},
                    "resource": {"action": "create", "successCondition": "status.phase == Succeeded", "manifest": manifest}},
            ],
        });
        let mut metadata = ObjectMeta {
            generate_name: Some("backfill-wf-".to_owned()),
            namespace: cron.metadata.namespace.clone(),
            ..ObjectMeta::default()
        };
        metadata.labels.insert(LABEL_BACKFILL.to_owned(), own.to_owned());
        if let Some(id) = cron.metadata.label(crate::api::LABEL_CONTROLLER_INSTANCE_ID) {
            metadata.labels.insert(crate::api::LABEL_CONTROLLER_INSTANCE_ID.to_owned(), id.to_owned());
        }
        let spec = serde_json::from_value(spec).map_err(|it| OperationError::Schedule(it.to_string()))?;
        let (api_version, kind) = ("argoproj.io/v1alpha1".to_owned(), "Workflow".to_owned());
        Ok(Workflow { api_version, kind, metadata, spec, ..Workflow::default() })
    });
    made.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cron(schedules: Value) -> CronWorkflow {
        serde_json::from_value(json!({
            "metadata": {"name": "nightly", "namespace": "ns", "uid": "u", "labels": {"workflows.argoproj.io/controller-instanceid": "i"}},
            "spec": {"schedules": schedules, "workflowSpec": {"entrypoint": "main", "arguments": {"parameters": [{"name": "a", "value": "b"}]},
                "templates": [{"name": "main", "container": {"image": "a"}}]}},
        }))
        .unwrap()
    }

    fn what() -> Backfill {
        Backfill {
            name: "March".to_owned(),
            start: "2026-03-01T00:00:00Z".parse().unwrap(),
            end: "2026-03-04T00:00:00Z".parse().unwrap(),
            parallel: false,
            argument: "cronScheduleTime".to_owned(),
            max_workflows: 2,
        }
    }

    #[test]
    fn past_times_become_workflows_one_after_the_other() {
        let now = "2026-04-01T00:00:00Z".parse().unwrap();
        let made = backfill(&cron(json!(["0 0 * * *"])), &what(), now).unwrap();
        assert_eq!(made.len(), 2, "three times, two at a time");
        let first = &made[0];
        assert_eq!(first.metadata.generate_name.as_deref(), Some("backfill-wf-"));
        assert_eq!(first.metadata.label(LABEL_BACKFILL), Some("nightly"));
        assert_eq!(first.metadata.label("workflows.argoproj.io/controller-instanceid"), Some("i"));
        let spec = serde_json::to_value(&first.spec).unwrap();
        let times = "[\"2026-03-02 00:00:00 +0000 UTC\",\"2026-03-03 00:00:00 +0000 UTC\"]";
        assert_eq!(spec["templates"][0]["steps"][0][0]["withParam"], times);
        let child: Value =
            serde_json::from_str(spec["templates"][1]["resource"]["manifest"].as_str().unwrap()).unwrap();
        assert_eq!(child["metadata"]["generateName"], "nightly-backfill-march-");
        assert!(child["metadata"].get("name").is_none());
        assert_eq!(child["metadata"]["labels"]["workflows.argoproj.io/cron-workflow"], "nightly");
        assert_eq!(child["spec"]["synchronization"], json!({"mutexes": [{"name": "March"}]}));
        assert_eq!(child["spec"]["priority"], i32::MAX);
        assert_eq!(child["spec"]["arguments"]["parameters"][1]["value"], "{{inputs.parameters.backfillscheduletime}}");
        let catalog = crate::engine::Catalog::default();
        let mut whole = first.clone();
        whole.metadata.name = Some("backfill-wf-1".to_owned());
        crate::engine::lint(&whole, &catalog).unwrap();
        let parallel = backfill(&cron(json!(["0 0 * * *"])), &Backfill { parallel: true, ..what() }, now).unwrap();
        assert!(!serde_json::to_string(&parallel).unwrap().contains("synchronization"));
    }

    #[test]
    fn what_can_not_be_filled_up_says_why() {
        let now = "2026-04-01T00:00:00Z".parse().unwrap();
        let none = Backfill { end: what().start, ..what() };
        assert!(backfill(&cron(json!(["0 0 * * *"])), &none, now).unwrap().is_empty());
        assert!(backfill(&cron(json!(["never"])), &what(), now).unwrap_err().to_string().contains("never"));
        let years = Backfill { start: "1990-01-01T00:00:00Z".parse().unwrap(), ..what() };
        let refused = backfill(&cron(json!(["* * * * *"])), &years, now).unwrap_err().to_string();
        assert!(refused.contains("more than 100000 times"), "{refused}");
    }
}
