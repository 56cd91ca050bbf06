//! CustomResourceDefinitions served at run time.

use argo_embedded::Cluster;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::discovery::{Discovery, Scope};
use kube::runtime::wait::{await_condition, conditions};
use serde_json::{Value, json};

use crate::support::*;

fn widget(spec: Value) -> Value {
    json!({ "apiVersion": "example.com/v1", "kind": "Widget", "metadata": { "name": "w" }, "spec": spec })
}

#[tokio::test]
async fn definition_is_established_discovered_and_served() {
    let cluster = Cluster::new();
    let definitions: Api<CustomResourceDefinition> = Api::all(cluster.client());
    definitions
        .create(&PostParams::default(), &serde_json::from_value(widgets(true)).expect("definition"))
        .await
        .expect("created");
    await_condition(definitions.clone(), "widgets.example.com", conditions::is_crd_established())
        .await
        .expect("established");
    for aggregated in [false, true] {
        let discovery = Discovery::new(cluster.client());
        let discovery =
            if aggregated { discovery.run_aggregated().await } else { discovery.run().await }.expect("discovery");
        let (resource, capabilities) =
            discovery.resolve_gvk(&GroupVersionKind::gvk("example.com", "v1", "Widget")).expect("found");
        assert_eq!((resource.plural.as_str(), capabilities.scope.clone()), ("widgets", Scope::Namespaced));
        assert!(capabilities.supports_operation("patch") && capabilities.subresources.len() == 2);
        assert!(discovery.get("apps").is_some());
    }
    let widgets = dynamic(&cluster, "example.com", "v1", "Widget", "widgets");
    widgets.create(&PostParams::default(), &object(widget(json!({ "size": 2 })))).await.expect("served");
    definitions.delete("widgets.example.com", &Default::default()).await.expect("deleted");
    assert_eq!(status_of(widgets.list(&ListParams::default()).await.expect_err("no longer served")).code, 404);
    assert!(definitions.get_opt("widgets.example.com").await.expect("read").is_none());
}

#[tokio::test]
async fn objects_are_pruned_defaulted_and_converted() {
    let cluster = Cluster::new();
    cluster.install_crds(&[widgets(true)]).expect("installed");
    let v1 = dynamic(&cluster, "example.com", "v1", "Widget", "widgets");
    let spec = json!({ "size": 2, "unknown": 1, "free": { "any": { "thing": 1 } }, "parts": [{ "name": "a", "extra": true }], "port": "http" });
    let created = v1.create(&PostParams::default(), &object(widget(spec))).await.expect("created");
    assert_eq!(
        created.data["spec"],
        json!({ "size": 2, "colour": "red", "free": { "any": { "thing": 1 } }, "parts": [{ "name": "a", "count": 1 }], "port": "http" })
    );
    let beta =
        dynamic(&cluster, "example.com", "v1beta1", "Widget", "widgets").get("w").await.expect("served as v1beta1");
    assert_eq!(beta.types.expect("types").api_version, "example.com/v1beta1");
    let selected = v1.list(&ListParams::default().fields("spec.colour=red")).await.expect("selectable");
    assert_eq!(selected.items.len(), 1);
    assert!(v1.list(&ListParams::default().fields("spec.size=2")).await.is_err());
}

#[tokio::test]
async fn invalid_objects_are_refused_with_every_cause() {
    let cluster = Cluster::new();
    cluster.install_crds(&[widgets(true)]).expect("installed");
    let widgets = dynamic(&cluster, "example.com", "v1", "Widget", "widgets");
    let cases = [
        (
            json!({ "size": 0 }),
            "Widget.example.com \"w\" is invalid: spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1",
        ),
        (
            json!({ "size": 11 }),
            "Widget.example.com \"w\" is invalid: spec.size: Invalid value: 11: spec.size in body should be less than or equal to 10",
        ),
        (
            json!({ "size": "two" }),
            "Widget.example.com \"w\" is invalid: [spec.size: Invalid value: \"string\": spec.size in body must be of type integer: \"string\", .spec.size: Invalid value: 0: .spec.size accessor error: two is of the type string, expected int64]",
        ),
        (json!({}), "Widget.example.com \"w\" is invalid: spec.size: Required value"),
        (
            json!({ "size": 1, "colour": "blue" }),
            "Widget.example.com \"w\" is invalid: spec.colour: Unsupported value: \"blue\": supported values: \"red\", \"green\"",
        ),
        (
            json!({ "size": 1, "name": "A" }),
            "Widget.example.com \"w\" is invalid: spec.name: Invalid value: \"A\": spec.name in body should match '^[a-z]+$'",
        ),
        (
            json!({ "size": 1, "parts": [{ "name": "a" }, { "name": "a" }] }),
            "Widget.example.com \"w\" is invalid: spec.parts[1]: Duplicate value: {\"name\":\"a\"}",
        ),
        (
            json!({ "size": 0, "name": "toolong" }),
            "Widget.example.com \"w\" is invalid: [spec.name: Too long: may not be more than 5 bytes, spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1]",
        ),
    ];
    for (spec, expected) in cases {
        let status =
            status_of(widgets.create(&PostParams::default(), &object(widget(spec))).await.expect_err("invalid"));
        assert_eq!((status.code, status.message.as_str()), (422, expected));
    }
}

#[tokio::test]
async fn unknown_fields_are_refused_under_strict_validation() {
    let cluster = Cluster::new();
    cluster.install_crds(&[widgets(true)]).expect("installed");
    let widgets = dynamic(&cluster, "example.com", "v1", "Widget", "widgets");
    widgets.create(&PostParams::default(), &object(widget(json!({ "size": 1 })))).await.expect("created");
    let params =
        PatchParams { field_validation: Some(kube::api::ValidationDirective::Strict), ..PatchParams::default() };
    let status = status_of(
        widgets.patch("w", &params, &Patch::Merge(json!({ "spec": { "sise": 1 } }))).await.expect_err("unknown"),
    );
    assert_eq!(status.code, 422);
    assert!(status.message.ends_with("strict decoding error: unknown field \"spec.sise\""), "{}", status.message);
}

#[tokio::test]
async fn status_is_apart_only_where_it_is_a_subresource() {
    let isolated = Cluster::new();
    isolated.install_crds(&[widgets(true)]).expect("installed");
    let api = dynamic(&isolated, "example.com", "v1", "Widget", "widgets");
    let mut wanted = widget(json!({ "size": 1 }));
    wanted["status"] = json!({ "note": "mine" });
    let created = api.create(&PostParams::default(), &object(wanted.clone())).await.expect("created");
    assert_eq!((created.data.get("status"), created.metadata.generation), (None, Some(1)));
    let status = api
        .patch_status(
            "w",
            &PatchParams::default(),
            &Patch::Merge(json!({ "status": { "note": "n", "size": 4, "selector": "a=b" }, "spec": { "size": 9 } })),
        )
        .await
        .expect("status");
    assert_eq!(
        (&status.data["status"]["note"], &status.data["spec"]["size"], status.metadata.generation),
        (&json!("n"), &json!(1), Some(1))
    );
    let scale = api.get_scale("w").await.expect("scale");
    assert_eq!((scale.spec.expect("spec").replicas, scale.status.expect("status").replicas), (Some(1), 4));
    api.patch_scale("w", &PatchParams::default(), &Patch::Merge(json!({ "spec": { "replicas": 3 } })))
        .await
        .expect("scaled");
    let scaled = api.get("w").await.expect("read");
    assert_eq!((&scaled.data["spec"]["size"], scaled.metadata.generation), (&json!(3), Some(2)));

    let plain = Cluster::new();
    plain.install_crds(&[widgets(false)]).expect("installed");
    let api = dynamic(&plain, "example.com", "v1", "Widget", "widgets");
    let created = api.create(&PostParams::default(), &object(wanted)).await.expect("created");
    assert_eq!(created.data["status"]["note"], "mine");
    let patched = api
        .patch("w", &PatchParams::default(), &Patch::Merge(json!({ "status": { "note": "yours" } })))
        .await
        .expect("patched");
    assert_eq!((patched.data["status"]["note"].as_str(), patched.metadata.generation), (Some("yours"), Some(2)));
    assert_eq!(
        status_of(
            api.patch_status("w", &PatchParams::default(), &Patch::Merge(json!({}))).await.expect_err("not served")
        )
        .code,
        404
    );
}

#[tokio::test]
async fn custom_updates_must_name_a_revision() {
    let cluster = Cluster::new();
    cluster.install_crds(&[widgets(true)]).expect("installed");
    let widgets = dynamic(&cluster, "example.com", "v1", "Widget", "widgets");
    widgets.create(&PostParams::default(), &object(widget(json!({ "size": 1 })))).await.expect("created");
    let status = status_of(
        widgets
            .replace("w", &PostParams::default(), &object(widget(json!({ "size": 2 }))))
            .await
            .expect_err("unconditional"),
    );
    assert_eq!(
        status.message,
        "widgets.example.com \"w\" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update"
    );
}

#[tokio::test]
async fn rules_in_cel_are_checked_on_create_and_on_transitions() {
    let cluster = Cluster::new();
    let mut definition = widgets(true);
    let schema = &mut definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    schema["x-kubernetes-validations"] = json!([
        { "rule": "!has(self.name) || self.name != 'root'", "message": "root is reserved" },
        { "rule": "self.size >= oldSelf.size", "message": "may not shrink" },
    ]);
    cluster.install_crds(&[definition.clone()]).expect("installed");
    let widgets = dynamic(&cluster, "example.com", "v1", "Widget", "widgets");
    let refused = status_of(
        widgets
            .create(&PostParams::default(), &object(widget(json!({ "size": 2, "name": "root" }))))
            .await
            .expect_err("reserved"),
    );
    assert_eq!(
        refused.message,
        "Widget.example.com \"w\" is invalid: spec: Invalid value: \"object\": root is reserved"
    );
    widgets.create(&PostParams::default(), &object(widget(json!({ "size": 2 })))).await.expect("created");
    let shrink = Patch::Merge(json!({ "spec": { "size": 1 } }));
    let refused = status_of(widgets.patch("w", &PatchParams::default(), &shrink).await.expect_err("shrinks"));
    assert_eq!(refused.message, "Widget.example.com \"w\" is invalid: spec: Invalid value: \"object\": may not shrink");

    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["x-kubernetes-validations"]
        [0]["rule"] = json!("self.name ==");
    let refused = cluster.install_crds(&[definition]).expect_err("does not compile");
    assert!(refused.message.contains("spec.versions[0].schema.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule: Invalid value: {\"Rule\":\"self.name ==\""), "{refused}");
    assert!(refused.message.contains("compilation failed: ERROR: <input>:1:13: Syntax error"), "{refused}");
}

#[tokio::test]
async fn what_was_invalid_before_may_stay_while_it_is_not_touched() {
    let cluster = Cluster::new();
    let mut definition = widgets(true);
    cluster.install_crds(&[definition.clone()]).expect("installed");
    let api = dynamic(&cluster, "example.com", "v1", "Widget", "widgets");
    api.create(&PostParams::default(), &object(widget(json!({ "size": 9 })))).await.expect("created");
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["size"]["maximum"] =
        json!(5);
    cluster.install_crds(&[definition]).expect("tightened");
    api.patch("w", &PatchParams::default(), &Patch::Merge(json!({ "spec": { "colour": "green" } })))
        .await
        .expect("another field");
    let refused = status_of(
        api.patch("w", &PatchParams::default(), &Patch::Merge(json!({ "spec": { "size": 8 } })))
            .await
            .expect_err("still too large"),
    );
    assert_eq!(refused.code, 422);
}

#[tokio::test]
async fn what_the_stored_version_does_not_know_is_lost() {
    let cluster = Cluster::new();
    let mut definition = widgets(true);
    // v1 is stored and knows `spec.size` and more; v1beta1 knows anything.
    definition["spec"]["versions"][1]["schema"] = json!({ "openAPIV3Schema": { "type": "object", "properties": { "spec": { "type": "object", "properties": {
            "size": { "type": "integer" }, "old": { "type": "integer" } } } } } });
    cluster.install_crds(&[definition]).expect("installed");
    let old = dynamic(&cluster, "example.com", "v1beta1", "Widget", "widgets");
    let widget = object(
        json!({ "apiVersion": "example.com/v1beta1", "kind": "Widget", "metadata": { "name": "w" }, "spec": { "size": 2, "old": 1 } }),
    );
    let created = old.create(&PostParams::default(), &widget).await.expect("created");
    assert_eq!(created.data["spec"]["size"], 2);
    assert!(created.data["spec"].get("old").is_none(), "no conversion carries it over: {}", created.data);
}
