//! Steps as local processes.

use std::{path::Path, time::Duration};

use argo_core::Timestamp;
use argo_workflows::{
    api::NodePhase,
    engine::{StepRequest, StepResult, StepState},
    executor::{
        Executor, ProcessExecutor, WorkflowId,
        process::{Config, Image, Isolation},
    },
};
use serde_json::{Value, json};

fn step(node: &str, template: Value) -> StepRequest {
    serde_json::from_value(json!({
        "workflow": {"namespace": "default", "name": "wf"}, "workflowUid": "uid-1",
        "nodeId": format!("wf-{node}"), "nodeName": format!("wf.{node}"), "podName": format!("wf-run-{node}"),
        "template": template, "includeResult": true, "onExit": false,
    }))
    .unwrap()
}

fn shell(node: &str, script: &str) -> StepRequest {
    step(node, json!({"name": "run", "container": {"image": "any", "command": ["sh", "-c", script]}}))
}

async fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let patience = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), patience).await.expect("it happens within half a minute")
}

async fn result(executor: &ProcessExecutor, step: &StepRequest) -> StepResult {
    let id = WorkflowId::of(step);
    until(|| match executor.observe(&id).get(&step.node_id) {
        Some(StepState::Finished(result)) => Some(result.clone()),
        _ => None,
    })
    .await
}

async fn run(executor: &ProcessExecutor, step: &StepRequest) -> StepResult {
    executor.start(step, Timestamp::UNIX_EPOCH).await.unwrap();
    result(executor, step).await
}

#[tokio::test]
async fn output_exit_code_and_parameters_come_back() {
    let root = tempfile::tempdir().unwrap();
    let executor = ProcessExecutor::open(root.path()).unwrap();
    let mut it = shell("a", "echo one; echo two; echo err >&2; echo v1 > tag");
    it.template.outputs =
        serde_json::from_value(json!({"parameters": [{"name": "tag", "valueFrom": {"path": "tag"}}]})).unwrap();
    let result = run(&executor, &it).await;
    assert_eq!((result.phase, result.exit_code), (NodePhase::Succeeded, Some(0)));
    assert_eq!(result.result.as_deref(), Some("one\ntwo"));
    assert_eq!(result.parameters["tag"], "v1");
    assert!(executor.logs(&WorkflowId::of(&it), "wf-a").unwrap().contains("err"));
    // The next step finds what the first one left.
    let result = run(&executor, &shell("b", "cat tag; exit 3")).await;
    assert_eq!(
        (result.phase, result.exit_code, result.message.as_str()),
        (NodePhase::Failed, Some(3), "main: Error (exit code 3)")
    );
    assert_eq!(result.result.as_deref(), Some("v1"));
}

#[tokio::test]
async fn a_script_runs_from_a_file_and_sees_only_its_environment() {
    let root = tempfile::tempdir().unwrap();
    let executor = Config::new(root.path()).env("SHARED", "yes").open().unwrap();
    let it = step(
        "a",
        json!({"name": "run", "script": {"image": "any", "command": ["sh"], "source": "env | cut -d= -f1 | sort | tr '\\n' ' '; echo $X",
            "env": [{"name": "X", "value": "$(SHARED)!"}]}}),
    );
    let result = run(&executor, &it).await.result.unwrap();
    assert!(result.ends_with("yes!"), "{result}");
    assert!(!result.contains("CARGO"), "{result}");
    assert!(result.contains("ARGO_NODE_ID") && result.contains("HOME"), "{result}");
}

#[tokio::test]
async fn starting_twice_is_starting_once() {
    let root = tempfile::tempdir().unwrap();
    let executor = ProcessExecutor::open(root.path()).unwrap();
    let it = shell("a", "echo x >> count; sleep 0.2");
    executor.start(&it, Timestamp::UNIX_EPOCH).await.unwrap();
    executor.start(&it, Timestamp::UNIX_EPOCH).await.unwrap();
    result(&executor, &it).await;
    executor.start(&it, Timestamp::UNIX_EPOCH).await.unwrap();
    let count = executor.workspace(&WorkflowId::of(&it)).join("count");
    assert_eq!(std::fs::read_to_string(count).unwrap(), "x\n");
}

#[tokio::test]
async fn what_it_can_not_do_is_an_error_that_names_the_field() {
    let root = tempfile::tempdir().unwrap();
    let executor = ProcessExecutor::open(root.path()).unwrap();
    let cases = [
        (
            json!({"container": {"image": "i", "command": ["x"], "volumeMounts": [{"name": "v"}]}}),
            "container.volumeMounts is not supported by the process executor without isolation",
        ),
        (
            json!({"container": {"image": "i"}}),
            "container.command is required: nothing is known of the entrypoint of image 'i'",
        ),
        (
            json!({"resource": {"action": "get"}}),
            "templates of type resource are not supported by the process executor",
        ),
        (
            json!({"container": {"image": "i", "command": ["true"]}, "outputs": {"parameters": [{"name": "p", "valueFrom": {"path": "../../etc/passwd"}}]}}),
            "wait: Error (exit code 64): the path ../../etc/passwd leads out of the container",
        ),
        (
            json!({"container": {"image": "i", "command": ["true"]}, "outputs": {"artifacts": [{"name": "a", "path": "/a"}]}}),
            "outputs.artifacts.a is not supported by the process executor: it has no repository",
        ),
        (
            json!({"container": {"image": "i", "command": ["true"]}, "outputs": {"parameters": [{"name": "p", "valueFrom": {"path": "/tmp/p"}}]}}),
            "wait: Error (exit code 64): open /var/run/argo/outputs/parameters/tmp/p: no such file or directory",
        ),
        (
            json!({"container": {"image": "i", "command": ["true"], "env": [{"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}}),
            "container.env.S.valueFrom is not supported by the process executor",
        ),
    ];
    for (i, (template, message)) in cases.into_iter().enumerate() {
        let result = run(&executor, &step(&format!("s{i}"), template)).await;
        assert_eq!((result.phase, result.message.as_str()), (NodePhase::Error, message));
    }
    let result =
        run(&executor, &step("none", json!({"container": {"image": "i", "command": ["no-such-program"]}}))).await;
    assert_eq!((result.phase, result.exit_code), (NodePhase::Failed, Some(64)));
}

#[tokio::test]
async fn a_link_out_of_the_working_directory_is_not_followed() {
    let root = tempfile::tempdir().unwrap();
    let executor = ProcessExecutor::open(root.path()).unwrap();
    let mut it = shell("a", "ln -s /etc/hostname out");
    it.template.outputs =
        serde_json::from_value(json!({"parameters": [{"name": "p", "valueFrom": {"path": "out"}}]})).unwrap();
    let result = run(&executor, &it).await;
    assert_eq!(result.phase, NodePhase::Error);
    assert!(result.parameters.is_empty());
}

#[tokio::test]
async fn stopping_ends_the_whole_process_group() {
    let root = tempfile::tempdir().unwrap();
    let executor = ProcessExecutor::open(root.path()).unwrap();
    let it = shell("a", "sleep 1000 & echo $! > child; wait");
    executor.start(&it, Timestamp::UNIX_EPOCH).await.unwrap();
    let id = WorkflowId::of(&it);
    let file = executor.workspace(&id).join("child");
    let child = until(|| std::fs::read_to_string(&file).ok().filter(|it| it.ends_with('\n'))).await;
    executor.stop(&id, &it.node_id).await.unwrap();
    let result = result(&executor, &it).await;
    assert_eq!((result.phase, result.exit_code), (NodePhase::Failed, Some(143)));
    until(|| (!Path::new(&format!("/proc/{}", child.trim())).exists()).then_some(())).await;
    executor.release(&id).await.unwrap();
    assert!(!executor.workspace(&id).exists());
}

#[tokio::test]
async fn a_step_survives_its_controller_and_its_result_is_found() {
    let root = tempfile::tempdir().unwrap();
    let it = shell("a", "sleep 0.5; echo done");
    {
        // Dropped without a word, as by kill -9: the process goes on.
        let executor = ProcessExecutor::open(root.path()).unwrap();
        executor.start(&it, Timestamp::UNIX_EPOCH).await.unwrap();
        let id = WorkflowId::of(&it);
        until(|| matches!(executor.observe(&id).get(&it.node_id), Some(StepState::Running)).then_some(())).await;
    }
    let second = ProcessExecutor::open(root.path()).unwrap();
    assert!(matches!(second.observe(&WorkflowId::of(&it))[&it.node_id], StepState::Running));
    assert_eq!(result(&second, &it).await.result.as_deref(), Some("done"));
    let third = ProcessExecutor::open(root.path()).unwrap();
    assert!(
        matches!(&third.observe(&WorkflowId::of(&it))[&it.node_id], StepState::Finished(it) if it.exit_code == Some(0))
    );
}

#[tokio::test]
async fn a_process_that_was_not_written_down_is_taken_up_by_what_its_shell_says() {
    let root = tempfile::tempdir().unwrap();
    let it = shell("a", "echo x >> count; sleep 0.5");
    {
        let executor = ProcessExecutor::open(root.path()).unwrap();
        executor.start(&it, Timestamp::UNIX_EPOCH).await.unwrap();
        let dir = root.path().join("uid-1").join("wf-a");
        until(|| std::fs::read_to_string(dir.join("pid")).ok().filter(|it| it.ends_with('\n'))).await;
        // As it is when the controller is killed right after the start.
        std::fs::write(dir.join("record"), json!({"step": it, "pid": 0}).to_string()).unwrap();
    }
    let second = ProcessExecutor::open(root.path()).unwrap();
    assert_eq!(result(&second, &it).await.phase, NodePhase::Succeeded);
    let count = second.workspace(&WorkflowId::of(&it)).join("count");
    assert_eq!(std::fs::read_to_string(count).unwrap(), "x\n");
}

#[tokio::test]
async fn a_step_lost_with_its_machine_starts_again() {
    let root = tempfile::tempdir().unwrap();
    let it = shell("a", "echo again");
    let dir = root.path().join("uid-1").join("wf-a");
    std::fs::create_dir_all(&dir).unwrap();
    // A record of a process that is not there, without an exit code.
    let record = json!({"step": it, "pid": 999_999_999, "started": 1});
    std::fs::write(dir.join("record"), record.to_string()).unwrap();
    let executor = ProcessExecutor::open(root.path()).unwrap();
    assert!(executor.observe(&WorkflowId::of(&it)).is_empty(), "unknown, so that the engine starts it");
    assert_eq!(run(&executor, &it).await.result.as_deref(), Some("again"));
}

#[tokio::test]
async fn endless_output_ends_the_step() {
    let root = tempfile::tempdir().unwrap();
    let mut config = Config::new(root.path());
    config.max_log = 100_000;
    let executor = config.open().unwrap();
    let result = run(&executor, &shell("a", "while true; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done")).await;
    assert_eq!((result.phase, result.message.as_str()), (NodePhase::Error, "output is longer than 100000 bytes"));
}

#[tokio::test]
async fn tools_are_found_first() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    let tool = root.path().join("push-image");
    std::fs::write(&tool, "#!/bin/sh\necho pushed $1\n").unwrap();
    std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
    let executor = Config::new(root.path().join("state")).tools(root.path()).open().unwrap();
    assert_eq!(run(&executor, &shell("a", "push-image app:1")).await.result.as_deref(), Some("pushed app:1"));
}

#[tokio::test]
async fn images_bring_programs_and_entrypoints() {
    let root = tempfile::tempdir().unwrap();
    let image = Image { entrypoint: vec!["sh".into(), "-c".into()], ..Image::default() };
    let executor = Config::new(root.path().join("state")).image("tools:1", image).separate_workspaces().open().unwrap();
    let it = step("a", json!({"container": {"image": "tools:1", "args": ["pwd"], "workingDir": "/src"}}));
    let text = run(&executor, &it).await.result.unwrap();
    assert!(text.ends_with("uid-1/wf-a/work/src"), "{text}");
}

#[tokio::test]
async fn the_containers_of_a_set_wait_for_each_other_and_sidecars_end_with_them() {
    let root = tempfile::tempdir().unwrap();
    let mut config = Config::new(root.path());
    config.grace = Duration::from_secs(5);
    let executor = config.open().unwrap();
    let container = |name: &str, script: &str, after: &[&str]| json!({"name": name, "image": "i", "command": ["sh", "-c", script], "dependencies": after});
    let it = step(
        "set",
        json!({
            "containerSet": {"containers": [container("last", "cat a b", &["a", "b"]), container("a", "sleep 0.1; echo 1 > a", &[]),
                container("b", "cat a; echo 2 > b", &["a"]), container("main", "cat b", &["b"])]},
            "sidecars": [container("side", "echo up > side; exec sleep 1000", &[])],
            "initContainers": [container("first", "echo 0 > zero", &[])],
        }),
    );
    let set = run(&executor, &it).await;
    assert_eq!((set.phase, set.message.as_str(), set.exit_code), (NodePhase::Succeeded, "", Some(0)));
    assert_eq!(set.result.as_deref(), Some("2"));
    assert_eq!(set.containers.keys().collect::<Vec<_>>(), ["a", "b", "last", "main"]);
    assert!(executor.workspace(&WorkflowId::of(&it)).join("side").exists());
    let it = step(
        "bad",
        json!({"containerSet": {"containers": [container("a", "exit 3", &[]), container("b", "true", &["a"])]}}),
    );
    let bad = run(&executor, &it).await;
    assert_eq!((bad.phase, bad.message.as_str(), bad.exit_code), (NodePhase::Failed, "a: Error (exit code 3)", None));
    assert_eq!(bad.containers["b"].exit_code, Some(64));
    let it = step(
        "again",
        json!({"containerSet": {"retryStrategy": {"retries": "3"}, "containers": [container("a", "echo x >> tries; [ $(wc -l < tries) -eq 3 ]", &[])]}}),
    );
    assert_eq!(run(&executor, &it).await.phase, NodePhase::Succeeded);
    let it = step(
        "init",
        json!({"container": {"image": "i", "command": ["true"]}, "initContainers": [container("first", "exit 4", &[])]}),
    );
    let init = run(&executor, &it).await;
    assert_eq!((init.phase, init.message.as_str()), (NodePhase::Failed, "first: Error (exit code 4)"));
}

#[tokio::test]
async fn isolated_steps_have_paths_volumes_and_artifacts_as_in_a_container() {
    let isolation = Isolation::detect();
    if isolation == Isolation::None {
        eprintln!("skipped: this machine lets nobody make a mount namespace (unshare, mount, chroot)");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let config = Config::new(root.path().join("steps")).isolated(isolation);
    let executor = config.artifacts(root.path().join("store"), "bucket").archive_logs().open().unwrap();
    let script = "echo hi > /tmp/hello.txt; mkdir /deep && cp /in/raw /deep/copy; echo v > /vol/param; echo out; echo err >&2; ls / > /vol/ls";
    let mut it = step(
        "a",
        json!({
            "inputs": {"artifacts": [{"name": "raw", "path": "/in/raw", "raw": {"data": "given"}}]},
            "outputs": {"parameters": [{"name": "p", "valueFrom": {"path": "/vol/param"}}],
                "artifacts": [{"name": "hello", "path": "/tmp/hello.txt"}, {"name": "dir", "path": "/deep", "archive": {"none": {}}},
                    {"name": "no", "path": "/no", "optional": true}]},
            "volumes": [{"name": "v", "emptyDir": {}}],
            "container": {"image": "i", "command": ["sh", "-ec", script], "volumeMounts": [{"name": "v", "mountPath": "/vol"}]},
        }),
    );
    let first = run(&executor, &it).await;
    assert_eq!((first.phase, first.message.as_str()), (NodePhase::Succeeded, ""));
    assert_eq!((first.result.as_deref(), first.parameters["p"].as_str()), (Some("out"), "v"));
    let keys: Vec<_> =
        first.artifacts.iter().map(|it| (it.name.as_str(), it.extra["s3"]["key"].as_str().unwrap())).collect();
    assert_eq!(
        keys,
        [("hello", "wf/wf-run-a/hello.tgz"), ("dir", "wf/wf-run-a/deep"), ("main-logs", "wf/wf-run-a/main.log")]
    );
    assert!(!Path::new("/tmp/hello.txt").exists());
    assert_eq!(
        std::fs::read_to_string(root.path().join("store/s3/bucket/wf/wf-run-a/main.log")).unwrap(),
        "out\nerr\n"
    );
    // The next step gets what the first one made, where it wants it.
    it = step(
        "b",
        json!({
            "inputs": {"artifacts": [{"name": "x", "path": "/here", "s3": {"key": "wf/wf-run-a/hello.tgz"}}, {"name": "d", "path": "/d", "s3": {"key": "wf/wf-run-a/deep"}}]},
            "container": {"image": "i", "command": ["cat", "/here", "/d/copy"]},
        }),
    );
    assert_eq!(run(&executor, &it).await.result.as_deref(), Some("hi\ngiven"));
    it = step(
        "c",
        json!({"inputs": {"artifacts": [{"name": "x", "path": "/x", "s3": {"key": "no"}}]}, "container": {"image": "i", "command": ["true"]}}),
    );
    let third = run(&executor, &it).await;
    assert_eq!(
        (third.phase, third.message.as_str()),
        (NodePhase::Error, "init: Error (exit code 64): artifact x failed to load: no artifact with key no")
    );
    it = step(
        "d",
        json!({"outputs": {"artifacts": [{"name": "x", "path": "/mnt/out"}]}, "container": {"image": "i", "command": ["true"]}}),
    );
    let fourth = run(&executor, &it).await;
    assert_eq!(
        (fourth.phase, fourth.message.as_str()),
        (
            NodePhase::Error,
            "wait: Error (exit code 64): open /var/run/argo/outputs/artifacts/mnt/out.tgz: no such file or directory; "
        )
    );
}
