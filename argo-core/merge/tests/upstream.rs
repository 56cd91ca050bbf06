//! What the tests of structured-merge-diff and of apimachinery ask of those libraries, and what they answer: see `vectors/gen/upstream`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use argo_merge::Schema;
use argo_merge::strategic::{self, StrategicError};
use argo_merge::structured::{
    self, ConversionError, FieldSet, Managed, ManagerId, Operation, Owned, PathElement, PathMatcher, UpdateError,
    Updater, Versions,
};
use serde_json::{Value, json};

use crate::support::vectors;

/// Known differences, by what the library's error contains, with the reason.
const DIFFERENCES: &[(&str, &str)] = &[
    (
        "unable to find api field in struct",
        "unknown fields merge as deduced: pruning and strict checks are the server's part",
    ),
    ("schema error: no type found matching", "a type that is not defined is deduced"),
    ("[key=].key: expected string", "a map as the value of a key is shown"),
];

struct Suite {
    definitions: BTreeMap<u64, Value>,
    cases: Vec<Value>,
    failures: Vec<String>,
}

impl Suite {
    fn read(name: &str) -> Self {
        let (definitions, cases) = vectors(name).into_iter().partition::<Vec<_>, _>(|it| it.get("define").is_some());
        let definitions =
            definitions.into_iter().map(|it| (it["id"].as_u64().expect("an id"), it["value"].clone())).collect();
        Self { definitions, cases, failures: Vec::new() }
    }

    fn definition(&self, id: &Value) -> &Value {
        &self.definitions[&id.as_u64().expect("an id")]
    }

    /// A type in the form of structured-merge-diff.
    fn schema(&self, id: &Value) -> Schema {
        let definition = self.definition(id);
        let root = definition["root"]["namedType"].as_str().expect("a named type");
        Schema::from_type_defs(&definition["types"], root).expect("a schema")
    }

    fn expect<T: PartialEq + std::fmt::Debug>(&mut self, case: &Value, ours: &T, go: &T) {
        let known = |(part, _): &(&str, &str)| case["error"].as_str().is_some_and(|error| error.contains(part));
        if ours != go && !DIFFERENCES.iter().any(known) {
            self.failures.push(format!("{case}\n  ours {ours:?}\n  go   {go:?}"));
        }
    }

    fn report(self) {
        let shown: Vec<&str> = self.failures.iter().take(4).map(String::as_str).collect();
        let (failed, all) = (self.failures.len(), self.cases.len());
        assert!(failed == 0, "{failed} of {all} differ:\n{}", shown.join("\n\n"));
    }
}

fn set(value: &Value) -> FieldSet {
    FieldSet::parse(value)
}

fn element(text: &Value) -> PathElement {
    PathElement::parse(text.as_str().expect("a text")).expect("a path element")
}

fn matcher(value: &Value) -> PathMatcher {
    let Value::Array(members) = value else { return PathMatcher::All };
    members.iter().fold(PathMatcher::Members { any: None, named: BTreeMap::new() }, |all, member| {
        let below = matcher(&member[1]);
        all.or(if member[0] == "*" {
            PathMatcher::Members { any: Some(Box::new(below)), named: BTreeMap::new() }
        } else {
            PathMatcher::Members { any: None, named: BTreeMap::from([(element(&member[0]), below)]) }
        })
    })
}

#[test]
fn field_paths_and_their_sets_are_those_of_structured_merge_diff() {
    let mut suite = Suite::read("smd_fieldpath.jsonl");
    check_all(&mut suite);
    suite.report();
}

#[test]
fn typed_values_are_those_of_structured_merge_diff() {
    let mut suite = Suite::read("smd_typed.jsonl");
    check_all(&mut suite);
    suite.report();
}

fn check_all(suite: &mut Suite) {
    for case in std::mem::take(&mut suite.cases) {
        check(suite, &case);
        suite.cases.push(case);
    }
}

fn check(suite: &mut Suite, case: &Value) {
    let (left, right) = (&case["left"], &case["right"]);
    let result = || set(&case["result"]);
    let schema = case.get("schema").map(|id| suite.schema(id)).unwrap_or_else(Schema::deduced);
    match case["op"].as_str().expect("an operation") {
        "union" => suite.expect(case, &set(left).union(&set(right)), &result()),
        "intersection" => suite.expect(case, &set(left).intersection(&set(right)), &result()),
        "difference" => suite.expect(case, &set(left).difference(&set(right)), &result()),
        "recursiveDifference" => suite.expect(case, &set(left).recursive_difference(&set(right)), &result()),
        "leaves" => suite.expect(case, &set(left).leaves(), &result()),
        "namedFields" => suite.expect(case, &set(left).with_named_fields(&schema), &result()),
        "include" => suite.expect(case, &matcher(&case["matcher"]).filter(&set(left)), &result()),
        "parse" => {
            let text: Value = serde_json::from_str(case["text"].as_str().expect("a text")).expect("JSON");
            suite.expect(case, &set(&text).to_fields_v1(), &case["result"]);
        }
        "element" => {
            let ours = PathElement::parse(case["text"].as_str().expect("a text")).map(|it| it.serialize());
            suite.expect(case, &ours.as_deref(), &case.get("result").and_then(Value::as_str));
        }
        "string" => {
            let path: Vec<String> =
                case["path"].as_array().expect("a path").iter().map(|it| element(it).to_string()).collect();
            suite.expect(case, &path.concat().as_str(), &case["result"].as_str().expect("a text"));
        }
        "compare" if case.get("result").is_some() => {
            suite.expect(
                case,
                &(element(left).cmp(&element(right)) as i64),
                &case["result"].as_i64().expect("a number"),
            );
        }
        "compare" if case.get("error").is_some() => {}
        "compare" => {
            let ours = structured::compare(left, right, &schema);
            let go = structured::Comparison {
                added: set(&case["added"]),
                modified: set(&case["modified"]),
                removed: set(&case["removed"]),
            };
            suite.expect(case, &ours, &go);
        }
        "set" => suite.expect(case, &structured::field_set(left, &schema), &result()),
        "merge" => suite.expect(case, &structured::merge(left, right, &schema), &case["result"]),
        "remove" => {
            suite.expect(case, &structured::remove_items(left, &set(&case["items"]), &schema), &case["result"]);
        }
        "extract" => {
            let ours = structured::extract_items(left, &set(&case["items"]), &schema, case["keys"] == true);
            suite.expect(case, &ours, &case["result"]);
        }
        "reconcile" => {
            let go = case.get("result").map_or_else(|| set(&case["items"]), set);
            suite.expect(case, &structured::reconcile(&set(&case["items"]), &schema), &go);
        }
        "validate" => {
            let ours = structured::validate(left, &schema, case["duplicates"] == true).err();
            suite.expect(case, &ours.as_deref().map(words), &case.get("error").and_then(Value::as_str).map(words));
        }
        other => panic!("an unknown operation {other}"),
    }
}

/// Go visits maps in any order, and prints addresses and inner types of what it got.
fn words(message: &str) -> Vec<String> {
    let mut lines: Vec<String> =
        message.lines().map(|line| line.split(", got ").next().unwrap_or_default().trim().to_owned()).collect();
    lines.sort();
    lines
}

// === sequences of applies and updates ===

/// The conversions a step asked for, as recorded.
struct Recorded<'a> {
    step: &'a Value,
    schemas: BTreeMap<String, Schema>,
    otherwise: Schema,
}

impl Versions for Recorded<'_> {
    fn schema(&self, api_version: &str) -> Schema {
        self.schemas.get(api_version).unwrap_or(&self.otherwise).clone()
    }

    fn convert<'v>(&self, object: &'v Value, to: &str) -> Result<Cow<'v, Value>, ConversionError> {
        if self.step["missing"].as_array().is_some_and(|versions| versions.contains(&json!(to))) {
            return Err(ConversionError::NoSuchVersion(to.to_owned()));
        }
        let conversions = self.step["conversions"].as_array().into_iter().flatten();
        match conversions.into_iter().find(|it| it[0] == *object && it[1] == to) {
            None => Ok(Cow::Borrowed(object)),
            Some(it) if it[2].is_null() => Err(ConversionError::Failed("as recorded".to_owned())),
            Some(it) => Ok(Cow::Owned(it[2].clone())),
        }
    }
}

fn id(manager: &str) -> ManagerId {
    ManagerId {
        manager: manager.to_owned(),
        operation: Operation::Apply,
        api_version: String::new(),
        subresource: String::new(),
    }
}

fn managers(value: &Value) -> Managed {
    let entries = value.as_object().expect("managers").iter().map(|(manager, owned)| {
        let owned =
            Owned { api_version: owned[0].as_str().expect("a version").to_owned(), fields: set(&owned[1]), time: None };
        (id(manager), owned)
    });
    Managed { entries: entries.collect() }
}

#[test]
fn sequences_of_applies_and_updates_end_as_in_structured_merge_diff() {
    let mut suite = Suite::read("smd_merge.jsonl");
    let cases = std::mem::take(&mut suite.cases);
    let mut tests: BTreeMap<&str, u32> = BTreeMap::new();
    for step in &cases {
        *tests.entry(step["test"].as_str().unwrap_or_default()).or_default() += 1;
        let types = step["types"].as_object().into_iter().flatten();
        let versions = Recorded {
            step,
            schemas: types.map(|(version, id)| (version.clone(), suite.schema(id))).collect(),
            otherwise: suite.schema(&step["schema"]),
        };
        let ignored = step["ignored"].as_object().into_iter().flatten();
        let ignored = ignored.map(|(version, fields)| (version.clone(), set(fields))).collect();
        let updater = Updater { versions: &versions, ignored: &ignored };
        let (live, object, version) = (&step["live"], &step["object"], step["version"].as_str().expect("a version"));
        let (before, by) = (managers(&step["managers"]), id(step["manager"].as_str().expect("a manager")));
        let outcome = if step["op"] == "apply" {
            updater.apply(live, object, version, before, &by, step["force"] == true)
        } else {
            updater.update(live, object, version, before, &by).map(|managed| (object.clone(), managed))
        };
        match outcome {
            Ok((result, managed)) => {
                // No result means that the object stays as it was.
                suite.expect(step, &Some(&result), &Some(step.get("result").unwrap_or(live)));
                suite.expect(step, &Some(managed), &step.get("after").map(managers));
            }
            Err(UpdateError::Conflicts(conflicts)) => {
                let mut ours: Vec<Value> =
                    conflicts.0.iter().map(|it| json!(format!("{}: {}", it.manager.manager, it.field()))).collect();
                let mut go = step["conflicts"].as_array().cloned().unwrap_or_default();
                ours.sort_by_key(Value::to_string);
                go.sort_by_key(Value::to_string);
                suite.expect(step, &ours, &go);
            }
            Err(error) => suite.expect(step, &Some(error.to_string()), &step.get("error").map(Value::to_string)),
        }
    }
    assert!(tests.len() >= 20, "steps of {tests:?}");
    suite.cases = cases;
    suite.report();
}

// === strategic merge ===

#[test]
fn strategic_patches_are_those_of_apimachinerys_tables() {
    let mut suite = Suite::read("strategic_strategicpatch.jsonl");
    let schemas: BTreeMap<u64, Schema> =
        suite.definitions.iter().map(|(id, value)| (*id, Schema::from_openapi_value(value))).collect();
    for case in std::mem::take(&mut suite.cases) {
        let schema = &schemas[&case["schema"].as_u64().expect("an id")];
        let (original, modified) = (&case["original"], &case["modified"]);
        let ours = match case["op"].as_str().expect("an operation") {
            "two" => strategic::diff(original, modified, schema),
            "apply" => strategic::apply(original, &case["patch"], schema),
            _ if case["overwrite"] == true => strategic::three_way(Some(original), modified, &case["current"], schema),
            _ => strategic::three_way_checked(Some(original), modified, &case["current"], schema),
        };
        let conflict = matches!(&ours, Err(StrategicError::Conflict { .. }));
        suite.expect(&case, &conflict, &(case["conflict"] == true));
        suite.expect(&case, &ours.as_ref().ok(), &case.get("result"));
        suite.cases.push(case);
    }
    suite.report();
}
