//! The same operations against this API server and a real one, topic by topic, each in a namespace of its own.
//!
//! The answers of a real one (kube-apiserver 1.34, without controllers) are recorded beside the operations. With `KUBECONFIG` set both are
//! asked and compared; with `DIFFERENTIAL_RECORD` set as well, the answers are recorded anew. `differential/single` has operations that stand for
//! themselves, and among them the open ones, which still differ; `DIFFERENTIAL_SHOW` prints how.
//!
//! Operations (`differential/operations`) run one after another: `[METHOD(:type of body), path, body, options]`. A path without a leading slash
//! is below `/api/v1/namespaces/$NS/`; `apps:x` is below `/apis/apps/v1/namespaces/$NS/`, likewise `batch:` and so on, `w:` is
//! `$NS.example.com/v1`. Options: `accept`, `type` (content type), `fill` (bytes of data added to the body), `as` and `groups` (impersonation).

mod compare;
mod generate;
mod send;
mod single;

use std::path::PathBuf;

use argo_embedded::Cluster;
use kube::Client;
use serde_json::Value;

/// Known differences, by what operation and difference contain, with the reason. Everything else must be equal.
const DIFFERENCES: &[(&str, &str)] = &[
    ("json parse error", "the JSON parser's own words"),
    ("did not find expected ',' or '}'", "the YAML parser's own words"),
    ("invalid continue token", "the decoder's own words"),
    (
        "must have exactly one version marked as storage version",
        "the real one shows the Go struct, and checks what was accepted too",
    ),
    ("[\"GET\",\"/version", "who built it, and when"),
    ("serverAddress", "the address of the server"),
    ("example.com/v1\"] .body.resources[0].storageVersionHash", "a hash of the name of the namespace"),
    ("example.com/v1alpha1\"] .body.resources[0].storageVersionHash", "the same"),
    ("must be empty\"", "a review's metadata is shown in the order of Go's fields"),
    ("fieldsV1.f:metadata: real {\"f:labels\"", "the real one records labels that a status update did not set"),
    ("kubernetes.io/pvc-protection", "no controller would take the finalizer off again"),
    (
        "deprecated.daemonset.template.generation",
        "the real one keeps the counter elsewhere, and leaves it out where only metadata is asked for",
    ),
    ("[\"PATCH:text\",\"/api/v1/namespaces/$NS/endpoints/one\"", "the real one refuses the type before it warns"),
    (".body.status.hard: real null", "quotas are counted at once: no controller runs beside the server"),
    (".body.status.used: real null", "the same"),
    ("count/cronjobs.batch: 0/7", "the same"),
    ("/customresourcedefinitions/widgets.$NS.example.com", "the controllers of the real one own the conditions"),
    ("things.$NS.example.com?dryRun=All\"] .body.metadata.managedFields", "the same"),
    ("things.$NS.example.com\"] .body.metadata.managedFields", "the same"),
    ("{\"storedVersions\":[\"v9\"]}}] .body.metadata.managedFields", "the same"),
    ("{\"storedVersions\":[]}}] .body.metadata.managedFields", "the same"),
];

/// Makes the operations for a namespace.
type Operations = Box<dyn Fn(&str) -> Vec<Value> + Send + Sync>;

/// A list of operations.
struct Topic {
    name: &'static str,
    operations: Operations,
}

/// The cluster that answers a topic: roles decide only where they are asked about.
fn cluster(topic: &str) -> Cluster {
    match topic {
        "rbac" => Cluster::builder().rbac().build().expect("in memory"),
        _ => Cluster::new(),
    }
}

macro_rules! topics {
    ($($name:ident),* $(,)?) => {
        $(#[tokio::test]
        async fn $name() {
            let text = include_str!(concat!("differential/operations/", stringify!($name), ".yaml"));
            Topic { name: stringify!($name), operations: Box::new(|namespace| written(text, namespace)) }.run().await;
        })*
    };
}

topics!(basics, crds, discovery, lists, network, patches, pods, policies, rbac, requests, security, workloads);

#[tokio::test]
async fn every_kind_and_verb() {
    Topic { name: "every_kind_and_verb", operations: Box::new(generate::operations) }.run().await;
}

fn written(text: &str, namespace: &str) -> Vec<Value> {
    let text = text.replace("$NS", namespace);
    argo_lang::yaml::decode(&text).expect("YAML").as_array().expect("a list").clone()
}

/// The differences of two answers that are not known ones.
fn different(operation: &Value, real: &Value, here: &Value) -> Vec<String> {
    let text = operation.to_string();
    let mut found = compare::differences(real, here);
    found.retain(|line| !DIFFERENCES.iter().any(|(part, _)| format!("{text} {line}").contains(part)));
    found
}

impl Topic {
    async fn run(&self) {
        let here = self.answers(&cluster(self.name).client(), "here-ns").await;
        let real = std::env::var("KUBECONFIG").ok().filter(|path| !path.is_empty());
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("tests/differential/answers")
            .join(format!("{}.jsonl", self.name));
        let real = match real {
            Some(_) => {
                let namespace = format!("diff-{}-{}", self.name.replace('_', "-"), std::process::id());
                let answers = self.answers(&send::real().await, &namespace).await;
                if std::env::var_os("DIFFERENTIAL_RECORD").is_some() {
                    let lines: String = answers.iter().map(|answer| format!("{answer}\n")).collect();
                    std::fs::write(&file, lines).expect("written");
                }
                answers
            }
            None => {
                let recorded = std::fs::read_to_string(&file).expect("recorded answers");
                recorded.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
            }
        };
        let operations = (self.operations)("$NS");
        assert_eq!(real.len(), operations.len(), "record the answers anew");
        let mut unequal = Vec::new();
        for ((operation, real), here) in operations.iter().zip(&real).zip(&here) {
            let found = different(operation, real, here);
            if !found.is_empty() {
                let shown: String = operation.to_string().chars().take(200).collect();
                unequal.push(format!("{shown}\n    {}", found.join("\n    ")));
            }
        }
        let shown = unequal.join("\n");
        assert!(unequal.is_empty(), "{} of {} operations differ:\n{shown}", unequal.len(), operations.len());
        single::run(self.name, operations.len()).await;
    }

    /// The answers of one server, without what no two runs share.
    async fn answers(&self, client: &Client, namespace: &str) -> Vec<Value> {
        let mut answers = Vec::new();
        for operation in (self.operations)(namespace) {
            let answer = send::run(client, namespace, &operation).await;
            answers.push(compare::normal(&answer, namespace));
        }
        let _ = send::delete_namespace(client, namespace).await;
        answers
    }
}
