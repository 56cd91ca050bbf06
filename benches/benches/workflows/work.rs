//! The workflows that are run.

use serde_json::{Value, json};

use crate::SIZES;

/// What is run: workflows, and how many nodes with pods they have together.
pub(crate) struct Work {
    pub(crate) name: &'static str,
    pub(crate) question: String,
    pub(crate) workflows: Vec<Value>,
    pub(crate) pods: usize,
}

pub(crate) fn all() -> Vec<Work> {
    let (count, tasks, wide) = (SIZES.scaled(1_000), SIZES.scaled(5_000), SIZES.scaled(10_000));
    let steps: Vec<Value> = (0..5).map(|it| json!([{"name": format!("s{it}"), "template": "run"}])).collect();
    let many = (0..count).map(|it| workflow(&format!("many-{it}"), json!({"steps": steps}))).collect();
    let fan = json!({"steps": [[{"name": "all", "template": "run", "withSequence": {"count": wide}}]]});
    vec![
        Work { name: "many", question: format!("{count} workflows of 5 steps"), workflows: many, pods: count * 5 },
        Work {
            name: "dag",
            question: format!("a dag of {tasks} tasks"),
            workflows: vec![workflow("dag", dag(tasks))],
            pods: tasks,
        },
        Work {
            name: "fan-out",
            question: format!("a loop over {wide} items"),
            workflows: vec![workflow("fan-out", fan)],
            pods: wide,
        },
    ]
}

/// Fifty at a time, each after the one fifty before.
pub(crate) fn dag(count: usize) -> Value {
    let task = |it: usize| match it.checked_sub(50) {
        None => json!({"name": format!("t{it}"), "template": "run"}),
        Some(before) => json!({"name": format!("t{it}"), "template": "run", "dependencies": [format!("t{before}")]}),
    };
    json!({"dag": {"tasks": (0..count).map(task).collect::<Vec<_>>()}})
}

pub(crate) fn workflow(name: &str, mut main: Value) -> Value {
    main["name"] = "main".into();
    let run = json!({"name": "run", "container": {"image": "busybox", "command": ["true"]}});
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"entrypoint": "main", "nodeSelector": {"type": "fake"}, "templates": [main, run]},
    })
}
