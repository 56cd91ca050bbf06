//! The embedded Kubernetes, with steps as processes of this machine.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result};
use argo_core::runtime::{Context, Shutdown};
use argo_embedded::Cluster;
use argo_workflows::{
    Controller,
    api::TemplateType,
    executor::process::{ClusterLookup, Config, Image, Isolation, ResourceWork},
};
use serde_json::json;

use crate::{args::Args, run::World};

pub(crate) async fn world(args: &Args) -> Result<World> {
    let cluster = Cluster::new();
    cluster.install_crds(&argo_workflows::api::crds())?;
    let shutdown = Shutdown::new();
    let context = Context::builder(cluster.client()).shutdown(shutdown.clone()).build();
    let folder = tempfile::tempdir()?;
    let tools = tools(args, folder.path())?;
    // Programs may be anywhere: all of what is on the PATH is shown, with what stands around it.
    let path = std::env::var("PATH").unwrap_or_default();
    let around = path.split(':').filter_map(|it| Path::new(it).ancestors().nth(1).map(Path::to_owned));
    let around = around.filter(|it| it.components().count() > 2);
    let isolation = Isolation::detect().showing(around);
    if !isolation.has_roots() {
        eprintln!("steps see this machine's files: mount namespaces can not be made here (unshare, mount, chroot)");
    }
    let mut config = Config::new(folder.path().join("steps"))
        .isolated(isolation)
        .separate_workspaces()
        .tools(&tools)
        .artifacts(folder.path().join("artifacts"), "my-bucket")
        .archive_logs()
        .work(TemplateType::Resource, Arc::new(ResourceWork::new(context.clone())))
        .lookup(Arc::new(ClusterLookup::new(context.clone())));
    // As the recorded controller was told: these images have a default argument, and no entrypoint.
    for (name, program) in [("argoproj/argosay:v2", "argosay"), ("argoproj/argosay:v1", "cowsay")] {
        let image = Image { cmd: vec![program.to_owned()], ..Image::default() };
        config = config.image(name, image.clone()).image(format!("docker.io/{name}"), image);
    }
    config.grace = std::time::Duration::from_secs(2);
    let executor = config.open()?;
    let controller = Controller::builder(context.clone()).executor(Arc::new(executor)).build()?;
    let running = tokio::spawn(controller.run(shutdown.clone()));
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "my-minio-cred"},
        "stringData": {"accesskey": "admin", "secretkey": "password"}});
    let repository = json!({"archiveLogs": true, "s3": {"bucket": "my-bucket"}}).to_string();
    let repositories = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "artifact-repositories",
        "annotations": {"workflows.argoproj.io/default-artifact-repository": "default-v1"}},
        "data": {"default-v1": repository, "my-key": repository}});
    Ok(World {
        context,
        timeout: args.timeout,
        prefix: "run".to_owned(),
        furniture: vec![secret, repositories],
        shutdown,
        ended: Box::pin(async move {
            let _ = running.await;
            drop((cluster, folder));
        }),
    })
}

/// The programs of the images, where steps find them first.
fn tools(args: &Args, folder: &Path) -> Result<PathBuf> {
    let tools = folder.join("tools");
    std::fs::create_dir_all(&tools)?;
    let write = |name: &str, text: &[u8]| -> Result<()> {
        let path = tools.join(name);
        std::fs::write(&path, text)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
        Ok(())
    };
    write("cowsay", b"#!/bin/sh\necho \"$@\"\n")?;
    write("python", b"#!/bin/sh\nexec python3 \"$@\"\n")?;
    let images = args.dir.join("images");
    if images.is_dir() {
        for file in std::fs::read_dir(&images).with_context(|| format!("reading {}", images.display()))? {
            let file = file?;
            if file.path().is_file() {
                write(&file.file_name().to_string_lossy(), &std::fs::read(file.path())?)?;
            }
        }
    }
    Ok(tools)
}
