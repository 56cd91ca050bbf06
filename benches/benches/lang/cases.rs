//! The Rust side of each case.

use std::borrow::Cow;
use std::hint::black_box;

use argo_lang::tags::{Document, Found, Render, Scope};
use argo_lang::text_template::{Functions, Run, Template, Val};
use argo_lang::{cron, expr, gojson, govaluate, jq, jsonpath, semver, yaml};
use jiff::tz::TimeZone;
use serde_json::Value;

use super::{Case, inputs};

fn case(go: &'static str, title: &'static str, work: impl FnMut() + 'static) -> Case {
    Case { go, title, bytes: 0, work: Box::new(work) }
}

/// Files that show Go what came out.
type Outputs = Vec<(&'static str, String)>;

/// All cases.
pub(crate) fn all() -> (Vec<Case>, Outputs) {
    let mut outputs = Vec::new();
    let cases = vec![
        template(&mut outputs),
        tags(),
        expression("ExprCondition", "expr: a success condition", inputs::CONDITION, "condition.out", &mut outputs),
        expression(
            "ExprPredicates",
            "expr: predicates, 50 objects",
            inputs::PREDICATES,
            "predicates.out",
            &mut outputs,
        ),
        filter(),
        decode(),
        encode(),
        json_path(&mut outputs),
        schedule(),
        rare_schedule(),
        versions(),
        query(&mut outputs),
    ];
    (cases, outputs)
}

fn template(outputs: &mut Outputs) -> Case {
    let template = Template::parse("gotpl", inputs::DEPLOYMENT, &Functions::helm()).expect("it parses");
    let (data, run) = (Val::from_json(&inputs::values()), Run::default());
    outputs.push(("deployment.out", template.execute_with("gotpl", &data, &run).expect("it executes")));
    case("Template", "text/template: a deployment with Sprig", move || {
        black_box(template.execute_with("gotpl", &data, &run).expect("it executes"));
    })
}

struct Task {
    name: String,
    index: String,
}

impl Scope for Task {
    fn find(&self, name: &str) -> Option<Found<'_>> {
        let text = match name {
            "inputs.parameters.name" => &self.name,
            "inputs.parameters.index" => &self.index,
            "inputs.parameters.image" => "registry.local/team/app:v1.2.3",
            "workflow.name" => "fan-out-x7k2p",
            "workflow.namespace" => "batch",
            _ => return None,
        };
        Some(Found::Value(Cow::Borrowed(text)))
    }

    fn env(&self) -> Value {
        Value::Null
    }
}

fn tags() -> Case {
    let (document, how) = (Document::compile(&inputs::task()), Render::default());
    case("Tags", "{{tags}}: a 2 KB template, 10,000 tasks", move || {
        for it in 0..10_000 {
            let task = Task { name: format!("task-{it}"), index: it.to_string() };
            black_box(document.render(&task, &how).expect("it renders"));
        }
    })
}

fn expression(go: &'static str, title: &'static str, source: &str, file: &'static str, outputs: &mut Outputs) -> Case {
    let program = expr::Program::compile(source, &expr::Options::default()).expect("it compiles");
    let env = inputs::env();
    outputs.push((file, gojson::to_string(&program.eval(&env).expect("it evaluates"))));
    case(go, title, move || {
        black_box(program.eval(&env).expect("it evaluates"));
    })
}

fn filter() -> Case {
    let expression = govaluate::Expression::parse(inputs::GOVALUATE).expect("it parses");
    let parameters = inputs::parameters();
    case("Govaluate", "govaluate: a filter", move || {
        assert!(expression.eval_bool(&parameters).expect("it evaluates"));
    })
}

fn decode() -> Case {
    let text = inputs::manifests();
    Case {
        bytes: text.len(),
        ..case("YamlDecode", "YAML decode: 2,500 manifests", move || {
            black_box(yaml::decode_all(&text).expect("it decodes"));
        })
    }
}

fn encode() -> Case {
    let values = yaml::decode_all(&inputs::manifests()).expect("it decodes");
    Case {
        bytes: values.iter().map(|it| yaml::to_yaml(it).len()).sum(),
        ..case("YamlEncode", "YAML encode: 2,500 manifests", move || {
            for it in &values {
                black_box(yaml::to_yaml(it));
            }
        })
    }
}

fn json_path(outputs: &mut Outputs) -> Case {
    let data = inputs::list(200);
    let path = jsonpath::JsonPath::parse(inputs::JSONPATH).expect("it parses");
    outputs.push(("list.out", path.render(&data).expect("it renders")));
    case("JsonPath", "JSONPath: a range with a filter, 200 pods", move || {
        black_box(path.render(&data).expect("it renders"));
    })
}

fn schedule() -> Case {
    let schedule = cron::Schedule::parse("30 6 * * 1-5").expect("it parses");
    let start = "2026-01-01T00:00:00Z".parse().expect("a time");
    case("Cron", "cron: the next 100 working days", move || {
        let mut at = start;
        for _ in 0..100 {
            at = schedule.next(at, &TimeZone::UTC).expect("there is one");
        }
        black_box(at);
    })
}

fn rare_schedule() -> Case {
    let schedule = cron::Schedule::parse("0 0 29 2 *").expect("it parses");
    let start = "2025-01-01T00:00:00Z".parse().expect("a time");
    let zone = TimeZone::get("Europe/Zurich").expect("a zone");
    case("CronRare", "cron: the next 29 February", move || {
        black_box(schedule.next(start, &zone).expect("there is one"));
    })
}

fn versions() -> Case {
    let constraint = semver::Constraint::parse(inputs::CONSTRAINT).expect("it parses");
    let versions = inputs::versions();
    case("Semver", "semver: 200 versions against a range", move || {
        let hits = versions.iter().filter(|it| constraint.matches(&semver::Version::parse(it).expect("a version")));
        assert!(hits.count() > 0);
    })
}

fn query(outputs: &mut Outputs) -> Case {
    let program = jq::Jq::compile(inputs::JQ).expect("it compiles");
    let data = inputs::list(2000);
    let results = program.all(&data).expect("it runs");
    outputs.push(("object.out", results.iter().map(gojson::to_string).collect::<Vec<_>>().join("\n")));
    case("Jq", "jq: groups and sums over an object of 1 MB", move || {
        black_box(program.all(&data).expect("it runs"));
    })
}
