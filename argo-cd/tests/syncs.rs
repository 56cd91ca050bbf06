//! Whole synchronisations against upstream's sync engine: what is written in what order, what is said, what is left.

use std::collections::{BTreeMap, BTreeSet};

use argo_cd::{api::names, engine::tracking::Tracking, testing::World};
use argo_core::{Change, Object};
use serde_json::{Value, json};

/// Names a larger file of the same form (`tests/vectors/gen/sync` makes one).
const OF_MANY: &str = "ARGO_SYNC_VECTORS";

/// Most made-up scenarios in a hundred that may differ, all of them about hooks that share a name with another: one hook
/// of several phases, or one left over by somebody else. They are marked here with the attempt that made them (which is a
/// change that upstream does not write), and are never deleted in the pass that makes them again.
const PERCENT: usize = 3;

/// One scenario of `tests/vectors/gen/sync`, run to its end.
struct Run<'a> {
    case: &'a Value,
    world: World,
    trace: Vec<Vec<String>>,
    messages: Vec<String>,
}

fn list<'a>(case: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    case[field].as_array().into_iter().flatten()
}

fn id(object: &Object) -> String {
    format!("{}/{}", object.text("/kind"), object.name())
}

fn verb(change: &Change) -> &'static str {
    match change {
        Change::Create { .. } => "create",
        Change::Delete { .. } => "delete",
        Change::Patch { patch, .. }
            if patch
                .body
                .pointer("/metadata/finalizers")
                .is_some_and(|it| !it.to_string().contains(names::HOOK_FINALIZER)) =>
        {
            "release"
        }
        _ => "change",
    }
}

impl<'a> Run<'a> {
    fn new(case: &'a Value) -> Self {
        let mut world = World::new("shop");
        if list(case, "before").next().is_some() {
            world.set_objects(list(case, "before").cloned().map(Object::from_value).collect());
            world.operate(json!({"sync": {}}));
            world.settle();
        }
        for name in list(case, "sticky") {
            let found = world.live.iter().find(|it| Some(id(it).as_str()) == name.as_str()).cloned();
            let mut object = (*found.unwrap()).clone();
            object.set(&["metadata", "finalizers"], json!(["example.com/wait"]));
            world.put(object);
        }
        for hook in list(case, "leftover") {
            let mut hook = Object::from_value(hook.clone());
            Tracking::default().track(&mut hook, "shop", "dest").unwrap();
            world.put(hook);
        }
        for it in list(case, "failures") {
            let (kind, name) = it.as_str().unwrap().split_once('/').unwrap();
            world.refuse(kind, name, &format!("refused {name}"));
        }
        world.set_objects(list(case, "targets").cloned().map(Object::from_value).collect());
        world.wait(300);
        if case["confirmed"] == true {
            world.edit(|app| app.set_annotation(names::DELETION_APPROVED, "2030-01-01T00:00:00Z"));
        }
        world.written.clear();
        let strategy = if case["apply"] == true { "apply" } else { "hook" };
        world.operate(json!({"sync": {
            "prune": case["prune"] == true, "dryRun": case["dryRun"] == true,
            "syncOptions": list(case, "options").collect::<Vec<_>>(),
            "resources": list(case, "resources").collect::<Vec<_>>(),
            "syncStrategy": {strategy: {}},
        }}));
        Self { case, world, trace: Vec::new(), messages: Vec::new() }
    }

    /// Passes until nothing moves any more; then the cluster moves.
    fn run(&mut self) {
        for _ in 0..400 {
            let from = self.world.written.len();
            let wrote = self.world.pass();
            let mut done: Vec<String> = self.world.written[from..]
                .iter()
                .filter(|it| it.target().gvk.kind != "Application")
                .map(|it| format!("{} {}/{}", verb(it), it.target().gvk.kind, &it.target().name))
                .collect();
            done.sort();
            if !done.is_empty() {
                self.trace.push(done);
            }
            let message = self.world.text("/status/operationState/message");
            if !message.is_empty() && self.messages.last() != Some(&message) {
                self.messages.push(message);
            }
            let phase = self.world.text("/status/operationState/phase");
            let begun = self.world.app().unwrap().get("operation").is_none();
            if begun && !matches!(phase.as_str(), "Running" | "Terminating") {
                return;
            }
            let terminate = self.case["terminate"].as_u64().unwrap_or_default();
            if terminate > 0 && self.trace.len() as u64 >= terminate && phase == "Running" {
                self.world.edit(|app| app.set(&["status", "operationState", "phase"], "Terminating"));
            } else if !wrote && !self.pause() && !self.advance() {
                return;
            }
        }
    }

    /// Lets the little pause between waves go by, if it is one that is waited for.
    fn pause(&mut self) -> bool {
        let wake = self.world.plan().and_then(|it| it.plan.wake);
        let longest = argo_core::time::after(self.world.now, self.world.settings.wave_delay);
        let pause = wake.filter(|it| *it > self.world.now && *it <= longest);
        self.world.now = pause.unwrap_or(self.world.now);
        pause.is_some()
    }

    /// What waits to go is gone, what was asked to end has ended.
    fn advance(&mut self) -> bool {
        let all: Vec<Object> = self.world.live.iter().map(|it| (**it).clone()).collect();
        let mut moved = false;
        for mut object in all {
            if object.is_deleting() {
                let rest: Vec<String> =
                    object.finalizers().filter(|it| *it != "example.com/wait").map(str::to_owned).collect();
                if rest.len() == object.finalizers().count() {
                    continue;
                }
                moved = true;
                object.set(&["metadata", "finalizers"], rest.clone());
                if rest.is_empty() {
                    self.world.live.remove(&object.reference());
                } else {
                    self.world.put(object);
                }
                continue;
            }
            let prefix = object.name().split("-0000000-").next().unwrap_or_default();
            let outcome = self.case["outcomes"].get(format!("{}/{prefix}", object.text("/kind")));
            if let Some(outcome) = outcome.filter(|_| object.get("status").is_none()) {
                object.set(&["status"], outcome.clone());
                self.world.put(object);
                moved = true;
            }
        }
        moved
    }

    fn results(&self) -> BTreeMap<String, String> {
        let app = self.world.app().unwrap();
        let results = app.pointer("/status/operationState/syncResult/resources").and_then(Value::as_array).cloned();
        let text = |it: &Value, field: &str| it[field].as_str().unwrap_or_default().to_owned();
        results
            .unwrap_or_default()
            .iter()
            .map(|it| {
                let key = format!("{}/{} {}", text(it, "kind"), &text(it, "name"), text(it, "syncPhase"));
                let (status, phase) = (text(it, "status"), text(it, "hookPhase"));
                let mut value = format!("{status} {phase}");
                if matches!(status.as_str(), "SyncFailed" | "PruneSkipped")
                    || matches!(phase.as_str(), "Failed" | "Error")
                {
                    value.push_str(&format!(" {}", text(it, "message")));
                }
                (key, value)
            })
            .collect()
    }

    /// Everything that can be compared.
    fn found(&self) -> Value {
        let left: BTreeSet<String> =
            self.world.live.iter().filter(|it| it.text("/kind") != "Application").map(|it| id(it)).collect();
        json!({
            "trace": self.trace, "phase": self.world.text("/status/operationState/phase"),
            "message": self.messages.last(), "messages": self.messages, "results": self.results(), "left": left,
        })
    }
}

fn wanted(case: &Value) -> Value {
    let left: BTreeSet<&str> = list(case, "left").filter_map(Value::as_str).collect();
    let messages: Vec<&Value> = list(case, "messages").filter(|it| **it != "").collect();
    json!({"trace": case["trace"], "phase": case["phase"], "message": case["message"], "messages": messages,
        "results": case["results"], "left": left})
}

/// A value with `mig-0000000-presync-1767225600` without its time, wherever it stands.
fn timeless(value: &Value) -> Value {
    let text = value.to_string();
    let mut parts = text.split("-0000000-");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (phase, rest) = part.split_once('-').unwrap_or((part, ""));
        out.push_str(&format!("-{phase}{}", rest.trim_start_matches(|it: char| it.is_ascii_digit())));
    }
    serde_json::from_str(&out).unwrap()
}

/// Whether the groups of writes are the same, or smaller ones in the same order: what upstream does in one pass may take
/// several here, as nothing is begun before what came before it is recorded.
fn refines(ours: &Value, theirs: &Value) -> bool {
    let mut ours = ours.as_array().unwrap().iter();
    let sorted = |mut it: Vec<String>| {
        it.sort();
        it
    };
    let texts =
        |it: &Value| it.as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect::<Vec<_>>();
    for group in theirs.as_array().unwrap() {
        let (group, mut found) = (texts(group), Vec::new());
        while found.len() < group.len() {
            let Some(more) = ours.next() else { return false };
            found.extend(texts(more));
        }
        if sorted(found) != sorted(group) {
            return false;
        }
    }
    ours.next().is_none()
}

#[test]
fn synchronisations_are_upstreams() {
    let own = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/syncs.jsonl");
    let path = std::env::var_os(OF_MANY).map_or(own, Into::into);
    let (mut cases, mut differ, mut endings) = (0, Vec::new(), Vec::new());
    let mut fields: BTreeMap<&str, usize> = BTreeMap::new();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        cases += 1;
        let mut run = Run::new(&case);
        run.run();
        let (found, wanted) = (timeless(&run.found()), timeless(&wanted(&case)));
        let names = ["trace", "phase", "message", "results", "left", "messages"];
        let differs = |it: &&str| match *it {
            "trace" => !refines(&found[*it], &wanted[*it]),
            _ => found[*it] != wanted[*it],
        };
        let different: Vec<&str> = names.into_iter().filter(differs).collect();
        different.iter().for_each(|it| *fields.entry(it).or_default() += 1);
        if different.contains(&"phase") {
            endings.push(case["name"].clone());
        }
        if !different.is_empty() {
            let pair = |it: &&str| format!("  {it}\n    ours   {}\n    theirs {}", found[*it], wanted[*it]);
            differ.push(format!("{}\n{}", case["name"], different.iter().map(pair).collect::<Vec<_>>().join("\n")));
        }
    }
    println!("{} of {cases} synchronisations equal; differences: {fields:?}", cases - differ.len());
    let named: Vec<&String> = differ.iter().filter(|it| !it.starts_with("\"made ")).collect();
    assert!(named.is_empty(), "{named:#?}");
    assert!(endings.is_empty(), "{endings:?}");
    assert!(differ.len() * 100 <= cases * PERCENT, "{} of {cases} differ:\n{}", differ.len(), differ.join("\n"));
}
