//! Templates of type `http` and `plugin`: in this process, scripted, and by the agent of a workflow.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use argo_core::{
    Change, Gvk, Object, ObjectKey, Resource,
    runtime::{Context, Shutdown},
};
use argo_embedded::Cluster;
use argo_workflows::{
    api::{NodePhase, TemplateType, Workflow, WorkflowTaskSet, crds},
    controller::Controller,
    engine::{HttpAnswer, StepRequest, StepResult},
    exec::{
        agent::{self, Agent, NoHeaderSecrets, Plugin},
        run::agent::serve,
    },
    executor::{
        PodsExecutor, ScriptedExecutor,
        pods::PodConfig,
        process::{AgentWork, Lookup, Source, Work as _},
        scripted::Script,
    },
    testing::Run,
};
use serde_json::{Value, json};

use crate::server::{Response, Server};

fn step(template: Value) -> StepRequest {
    serde_json::from_value(json!({
        "workflow": {"namespace": "default", "name": "wf"}, "workflowUid": "uid-1",
        "nodeId": "wf-a", "nodeName": "wf.a", "podName": "wf-a",
        "template": template, "includeResult": false, "onExit": false,
    }))
    .unwrap()
}

#[derive(Debug)]
struct OneSecret;

#[async_trait::async_trait]
impl Lookup for OneSecret {
    async fn data(&self, source: Source, namespace: &str, name: &str) -> Option<BTreeMap<String, Vec<u8>>> {
        let known = source == Source::Secret && (namespace, name) == ("default", "token");
        known.then(|| BTreeMap::from([("value".to_owned(), b"hush".to_vec())]))
    }
}

async fn call(http: Value) -> StepResult {
    AgentWork::new(Some(Arc::new(OneSecret))).run(&step(json!({"name": "call", "http": http}))).await
}

fn plain(status: u16, body: &str) -> Response {
    (status, vec![("x-served-by", "test".to_owned())], body.as_bytes().to_vec())
}

#[tokio::test]
async fn a_call_sends_what_the_template_says_and_gives_the_body() {
    let server = Server::start(|it| plain(200, &format!("{} {} {}", it.method, it.path, it.text()))).await;
    let result = call(json!({
        "url": format!("{}/a?b=c", server.url), "method": "PUT", "body": "hello",
        "headers": [{"name": "X-Plain", "value": "v"},
            {"name": "Authorization", "valueFrom": {"secretKeyRef": {"name": "token", "key": "value"}}}],
        "successCondition": "response.headers[\"X-Served-By\"][0] == 'test' && request.body == 'hello'",
    }))
    .await;
    assert_eq!((result.phase, result.message.as_str()), (NodePhase::Succeeded, ""));
    assert_eq!(result.result.as_deref(), Some("PUT /a?b=c hello"));
    let seen = server.seen();
    assert_eq!((seen[0].header("x-plain"), seen[0].header("authorization")), ("v", "hush"));
    let result = call(json!({"url": server.url.as_str(), "bodyFrom": {"bytes": "aGk="}})).await;
    assert_eq!(result.result.as_deref(), Some("GET / hi"));
}

#[tokio::test]
async fn what_goes_wrong_is_the_steps_message() {
    let server = Server::start(|it| if it.path == "/slow" { plain(0, "") } else { plain(418, "no") }).await;
    let url = |path: &str| format!("{}{path}", server.url);
    let result = call(json!({"url": url("/")})).await;
    assert_eq!(
        (result.phase, result.message.as_str(), result.result.as_deref()),
        (NodePhase::Failed, "received non-2xx response code: 418", Some("no"))
    );
    let slow = url("/slow");
    let result = call(json!({"url": slow, "timeoutSeconds": 0})).await;
    assert_eq!(result.message, format!("Get \"{slow}\": context deadline exceeded"));
    let result = call(json!({"url": "http://user:hush@127.0.0.1:1/"})).await;
    assert_eq!(result.message, "Get \"http://user:***@127.0.0.1:1/\": connect: connection refused");
    for (secret, message) in [
        (json!({"name": "none", "key": "k"}), "secrets \"none\" not found"),
        (json!({"name": "token", "key": "k"}), "secret 'token' does not have the key 'k'"),
    ] {
        let headers = json!([{"name": "a", "valueFrom": {"secretKeyRef": secret}}]);
        let result = call(json!({"url": url("/"), "headers": headers})).await;
        assert_eq!((result.phase, result.message.as_str()), (NodePhase::Failed, message));
    }
}

#[tokio::test]
async fn a_body_that_fits_no_status_is_refused() {
    let server = Server::start(|_| (200, vec![], vec![b'x'; (2 << 20) + 1])).await;
    let result = call(json!({"url": server.url.as_str()})).await;
    assert_eq!(result.phase, NodePhase::Failed);
    assert!(result.message.contains("longer than 2097152 bytes"), "{}", result.message);
}

#[tokio::test]
async fn certificates_are_checked_unless_the_template_says_otherwise() {
    let cluster = Cluster::new();
    let server = cluster.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let url = format!("https://{}/healthz", server.address());
    let result = call(json!({"url": url})).await;
    assert!(result.phase == NodePhase::Failed && result.message.contains("ertificate"), "{}", result.message);
    let result =
        call(json!({"url": url, "insecureSkipVerify": true, "successCondition": "response.statusCode > 0"})).await;
    assert_eq!(result.phase, NodePhase::Succeeded, "{}", result.message);
}

async fn ask(plugins: Vec<Plugin>) -> StepResult {
    let template = json!({"name": "p", "plugin": {"hello": {}}});
    let it = step(template);
    let workflow = agent::Workflow { key: it.workflow.clone(), uid: it.workflow_uid.clone() };
    Agent::new(Arc::new(NoHeaderSecrets)).plugins(plugins).finish(&workflow, &it.template).await
}

#[tokio::test]
async fn the_first_plugin_that_says_anything_does_the_task() {
    let not_mine = Server::start(|_| plain(200, "{}")).await;
    let knows_nothing = Server::start(|_| plain(404, "")).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let does = Server::start(move |it| {
        let body: Value = serde_json::from_slice(&it.body).unwrap();
        assert_eq!(it.path, "/api/v1/template.execute");
        assert_eq!(it.header("authorization"), "Bearer hush");
        assert_eq!(body["workflow"], json!({"metadata": {"name": "wf", "namespace": "default", "uid": "uid-1"}}));
        assert!(body["template"]["plugin"]["hello"].is_object());
        let reply = match count.fetch_add(1, Ordering::SeqCst) {
            0 => return plain(503, "not yet"),
            1 => json!({"node": {"phase": "Running", "progress": "1/2"}, "requeue": "10ms"}),
            _ => json!({"node": {"phase": "Succeeded", "message": "done",
                "outputs": {"result": "r", "parameters": [{"name": "p", "value": "v"}]}}}),
        };
        plain(200, &reply.to_string())
    })
    .await;
    let plugins = [&not_mine, &knows_nothing, &does].map(|it| Plugin::new(&it.url, "hush"));
    let result = ask(plugins.to_vec()).await;
    assert_eq!((result.phase, result.message.as_str()), (NodePhase::Succeeded, "done"));
    assert_eq!((result.result.as_deref(), result.parameters["p"].as_str()), (Some("r"), "v"));
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    assert_eq!(knows_nothing.seen().len(), 1, "who does no templates is not asked again");
}

#[tokio::test]
async fn a_task_that_no_plugin_does_fails() {
    let result = ask(vec![]).await;
    assert_eq!((result.phase, result.message.as_str()), (NodePhase::Failed, "no plugin executed the template"));
    let broken = Server::start(|_| plain(500, "oh no")).await;
    let result = ask(vec![Plugin::new(&broken.url, "t")]).await;
    assert_eq!((result.phase, result.message.as_str()), (NodePhase::Failed, "500 Internal Server Error: oh no"));
    let forgets = Server::start(|_| plain(200, r#"{"node": {"phase": "Running"}}"#)).await;
    let result = ask(vec![Plugin::new(&forgets.url, "t")]).await;
    assert!(result.phase == NodePhase::Error && result.message.contains("without requeue"), "{}", result.message);
}

const TWO_CALLS: &str = r#"
metadata: {name: calls}
spec:
  entrypoint: main
  templates:
  - name: main
    steps:
    - - {name: good, template: http, arguments: {parameters: [{name: url, value: "URL/good"}]}}
    - - name: echo
        template: http
        arguments: {parameters: [{name: url, value: "URL/{{steps.good.outputs.result}}"}]}
  - name: http
    inputs: {parameters: [{name: url}]}
    http: {url: "{{inputs.parameters.url}}", successCondition: "response.statusCode == 201"}
"#;

#[test]
fn a_scripted_answer_is_judged_by_the_template() {
    let executor = ScriptedExecutor::new()
        .with("good", |it| Script::answers(it, &HttpAnswer::new(201, "next")))
        .with("echo", |it| Script::answers(it, &HttpAnswer::new(200, "")).after(Duration::from_secs(5)));
    let run = Run::yaml(TWO_CALLS).with(executor).finish();
    assert_eq!((run.phase("calls[0].good"), run.phase("calls[1].echo")), ("Succeeded", "Failed"));
    assert_eq!(run.input("calls[1].echo", "url"), Some("URL/next"));
    let echo = run.node("calls[1].echo").unwrap();
    assert_eq!(echo.message(), "successCondition 'response.statusCode == 201' evaluated false");
    assert!(echo.outputs.as_ref().unwrap().exit_code.is_none());
    assert_eq!(serde_json::to_value(&echo.kind).unwrap(), "HTTP");
}

fn spec(url: &str) -> Value {
    argo_lang::yaml::decode(&TWO_CALLS.replace("URL", url)).unwrap()["spec"].clone()
}

async fn cluster() -> (Cluster, Context) {
    let cluster = Cluster::new();
    cluster.install_crds(&crds()).unwrap();
    let context = Context::builder(cluster.client()).build();
    (cluster, context)
}

async fn until(
    context: &Context,
    gvk: Gvk,
    name: &str,
    holds: impl Fn(Option<&Object>) -> bool,
) -> Option<Arc<Object>> {
    let cache = context.cache(gvk);
    cache.synced().await;
    let key = ObjectKey::new(Some("default"), name);
    let patience = async {
        while !holds(cache.get(&key).as_deref()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(60), patience).await;
    assert!(found.is_ok(), "{name} does not get there: {:?}", cache.get(&key));
    cache.get(&key)
}

async fn submit(context: &Context, name: &str, spec: Value) {
    let object = Object::new(&Workflow::gvk(), Some("default"), name).with(&["spec"], spec);
    context.applier().apply(&Change::create(object)).await.unwrap();
}

fn phase(object: Option<&Object>) -> String {
    object.map(|it| it.text("/status/phase").to_owned()).unwrap_or_default()
}

#[tokio::test]
async fn scripted_steps_beside_real_calls() {
    let server = Server::start(|it| plain(201, it.path.trim_start_matches('/'))).await;
    let (cluster, context) = cluster().await;
    let executor = ScriptedExecutor::new().work(TemplateType::Http, Arc::new(AgentWork::new(None)));
    let shutdown = Shutdown::new();
    let controller = Controller::builder(context.clone()).executor(Arc::new(executor)).build().unwrap();
    let running = tokio::spawn(controller.run(shutdown.clone()));
    submit(&context, "calls", spec(&server.url)).await;
    let _ = until(&context, Workflow::gvk(), "calls", |it| phase(it) == "Succeeded").await;
    assert_eq!(server.seen().iter().map(|it| it.path.clone()).collect::<Vec<_>>(), ["/good", "/good"]);
    shutdown.cancel();
    running.await.unwrap();
    drop(cluster);
}

/// The program of the agent's pods, as the kubelet would start it.
async fn run_agents(context: Context) {
    let pods = context.cache(Gvk::new("", "v1", "Pod"));
    let mut events = pods.subscribe();
    while let Some(event) = events.recv().await {
        let (None, Some(pod)) = (&event.old, &event.new) else { continue };
        if pod.label("workflows.argoproj.io/component") != Some("agent") {
            continue;
        }
        let owner = pod.controller().unwrap();
        let workflow = agent::Workflow { key: ObjectKey::new(pod.namespace(), &owner.name), uid: owner.uid };
        let agent = Agent::new(Arc::new(NoHeaderSecrets));
        tokio::spawn(serve(context.client().clone(), workflow, agent, 4));
    }
}

#[tokio::test]
async fn the_agent_of_a_workflow_does_its_tasks_once() {
    let server = Server::start(|it| plain(201, it.path.trim_start_matches('/'))).await;
    let (cluster, context) = cluster().await;
    let shutdown = Shutdown::new();
    let executor = PodsExecutor::new(context.clone(), PodConfig { instance_id: None, ..PodConfig::default() });
    let controller = Controller::builder(context.clone()).executor(Arc::new(executor)).build().unwrap();
    let running = tokio::spawn(controller.run(shutdown.clone()));
    let agents = tokio::spawn(run_agents(context.clone()));
    submit(&context, "calls", spec(&server.url)).await;
    let _ = until(&context, Workflow::gvk(), "calls", |it| phase(it) == "Succeeded").await;
    // What is over is taken out, and the agent goes.
    until(&context, WorkflowTaskSet::gvk(), "calls", |it| {
        let none = |pointer: &str| {
            it.and_then(|it| it.pointer(pointer)).and_then(Value::as_object).is_none_or(serde_json::Map::is_empty)
        };
        none("/spec/tasks")
            && none("/status/nodes")
            && it.is_some_and(|it| it.label("workflows.argoproj.io/completed") == Some("true"))
    })
    .await;
    let agent = argo_workflows::executor::pods::agent::spec::pod_name("calls");
    until(&context, Gvk::new("", "v1", "Pod"), &agent, |it| it.is_none()).await;
    assert_eq!(server.seen().len(), 2);
    shutdown.cancel();
    running.await.unwrap();
    agents.abort();
    drop(cluster);
}

#[tokio::test]
async fn an_agent_that_fails_or_vanishes_leaves_no_task_waiting() {
    let (cluster, context) = cluster().await;
    let shutdown = Shutdown::new();
    let executor = PodsExecutor::new(context.clone(), PodConfig::default());
    let controller = Controller::builder(context.clone()).executor(Arc::new(executor)).build().unwrap();
    let running = tokio::spawn(controller.run(shutdown.clone()));
    submit(&context, "calls", spec("http://127.0.0.1:1")).await;
    let pod = Gvk::new("", "v1", "Pod");
    let name = argo_workflows::executor::pods::agent::spec::pod_name("calls");
    let first = until(&context, pod.clone(), &name, |it| it.is_some()).await.unwrap();
    context.applier().apply(&Change::delete(&first)).await.unwrap();
    // Another one is made.
    let second = until(&context, pod, &name, |it| it.is_some_and(|it| it.uid() != first.uid())).await.unwrap();
    let mut failed = (*second).clone();
    failed.set(&["status", "phase"], "Failed");
    failed.set(&["status", "message"], "out of luck");
    let change = Change::Patch {
        target: second.reference(),
        patch: argo_core::Patch::merge(json!({"status": failed.get("status")})),
        subresource: Some("status".to_owned()),
        resource_version: None,
    };
    context.applier().apply(&change).await.unwrap();
    let ended = |it: Option<&Object>| matches!(phase(it).as_str(), "Error" | "Failed");
    let workflow = until(&context, Workflow::gvk(), "calls", ended).await.unwrap();
    assert!(workflow.value().to_string().contains("agent pod failed with reason:\\\"out of luck\\\""), "{workflow:?}");
    shutdown.cancel();
    running.await.unwrap();
    drop(cluster);
}
