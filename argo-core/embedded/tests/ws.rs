//! The `ws` feature of kube: exec, attach and port-forward, in process and over HTTPS.

use argo_embedded::Cluster;
use argo_embedded::simulator::{PodRule, SimulatorConfig};
use argo_embedded::streams::{ExecAnswer, PortAnswer};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, AttachParams};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stock_client_reaches_into_pods_in_process_and_over_https() {
    let cluster = Cluster::builder().simulator(SimulatorConfig::default()).build().expect("in memory");
    cluster.direct("test").create(pod("a", None)).expect("created");
    cluster.simulator().expect("simulated").settled().await;
    cluster
        .streams()
        .on_exec(PodRule::any(), "cat", ExecAnswer::Echo)
        .on_exec(PodRule::any(), "fail", ExecAnswer::fails(7, "no"))
        .on_port(PodRule::any(), 80, PortAnswer::Echo);
    let serving = cluster.serve(([127, 0, 0, 1], 0).into()).await.expect("serving");
    for client in [cluster.client(), crate::https::client(serving.kubeconfig()).await] {
        let pods: Api<Pod> = Api::default_namespaced(client);
        let mut process = pods.exec("a", ["cat"], &AttachParams::default().stdin(true)).await.expect("open");
        let mut stdin = process.stdin().expect("stdin");
        stdin.write_all(b"typed").await.expect("written");
        stdin.shutdown().await.expect("closed");
        let mut printed = String::new();
        process.stdout().expect("stdout").read_to_string(&mut printed).await.expect("read");
        let status = process.take_status().expect("a status").await.expect("told");
        assert_eq!((printed.as_str(), status.status.as_deref()), ("typed", Some("Success")));

        let mut process = pods.exec("a", ["fail"], &AttachParams::default()).await.expect("open");
        let status = process.take_status().expect("a status").await.expect("told");
        assert_eq!(status.reason.as_deref(), Some("NonZeroExitCode"));

        let mut forward = pods.portforward("a", &[80]).await.expect("open");
        let mut stream = forward.take_stream(80).expect("a stream");
        stream.write_all(b"hello").await.expect("written");
        let mut echoed = [0; 5];
        stream.read_exact(&mut echoed).await.expect("read");
        assert_eq!(&echoed, b"hello");
    }
}
