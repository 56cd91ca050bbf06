//! Admission policies: what refuses, warns, audits and changes.

use argo_embedded::{Cluster, Direct, PodSecurityExemptions};
use serde_json::{Value, json};

use crate::support::*;

const GROUP: &str = "admissionregistration.k8s.io";

fn about(resource: &str) -> Value {
    let group = if resource == "deployments" { "apps" } else { "" };
    json!({ "resourceRules": [{ "apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": [resource] }] })
}

/// A validating policy and its binding.
fn validating(direct: &Direct, name: &str, resource: &str, spec: Value, actions: &[&str]) {
    let mut policy = json!({ "apiVersion": format!("{GROUP}/v1"), "kind": "ValidatingAdmissionPolicy", "metadata": { "name": name }, "spec": spec });
    policy["spec"]["matchConstraints"] = about(resource);
    direct.create(policy).expect("the policy is made");
    let binding = json!({ "apiVersion": format!("{GROUP}/v1"), "kind": "ValidatingAdmissionPolicyBinding", "metadata": { "name": format!("{name}-here") },
        "spec": { "policyName": name, "validationActions": actions } });
    direct.create(binding).expect("the binding is made");
}

/// A mutating policy and its binding.
fn mutating(direct: &Direct, name: &str, resource: &str, spec: Value) {
    let mut policy = json!({ "apiVersion": format!("{GROUP}/v1beta1"), "kind": "MutatingAdmissionPolicy", "metadata": { "name": name }, "spec": spec });
    policy["spec"]["matchConstraints"] = about(resource);
    direct.create(policy).expect("the policy is made");
    let binding = json!({ "apiVersion": format!("{GROUP}/v1alpha1"), "kind": "MutatingAdmissionPolicyBinding", "metadata": { "name": format!("{name}-here") },
        "spec": { "policyName": name } });
    direct.create(binding).expect("the binding is made");
}

fn map(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "namespace": "default" } })
}

#[test]
fn the_authorizer_answers_for_the_caller_and_for_accounts() {
    let cluster = Cluster::builder().rbac().build().expect("in memory");
    let direct = cluster.direct("test");
    let role = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": "reader" },
        "rules": [{ "apiGroups": [""], "resources": ["secrets"], "verbs": ["get"] }] });
    let binding = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "reader" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "reader" },
        "subjects": [{ "kind": "ServiceAccount", "namespace": "default", "name": "robot" }] });
    direct.create(role).expect("made");
    direct.create(binding).expect("made");
    let may = |account: &str, verb: &str| {
        format!(
            "authorizer.serviceAccount('default', '{account}').group('').resource('secrets').namespace('default').check('{verb}').allowed()"
        )
    };
    let spec = json!({ "validations": [
        { "expression": may("robot", "get") },
        { "expression": format!("!{}", may("robot", "delete")) },
        { "expression": format!("!{}", may("other", "get")) },
        { "expression": "authorizer.requestResource.check('deletecollection').allowed()" },
        { "expression": "object.metadata.name != 'no'", "messageExpression": "'not ' + object.metadata.name", "reason": "Forbidden" },
    ] });
    validating(&direct, "checks", "configmaps", spec, &["Deny"]);
    direct.create(map("yes")).expect("all hold");
    let error = direct.create(map("no")).expect_err("the last does not");
    assert_eq!((error.code, error.reason.as_str()), (403, "Forbidden"));
    assert_eq!(
        error.message,
        "configmaps \"no\" is forbidden: ValidatingAdmissionPolicy 'checks' with binding 'checks-here' denied request: not no"
    );
}

#[test]
fn audits_go_to_the_journal() {
    let cluster = Cluster::new();
    let direct = cluster.direct("test");
    let spec = json!({
        "variables": [{ "name": "size", "expression": "object.metadata.name.size()" }],
        "validations": [{ "expression": "variables.size < 4", "message": "too long" }],
        "auditAnnotations": [{ "key": "size", "valueExpression": "string(variables.size)" }, { "key": "none", "valueExpression": "null" }],
    });
    validating(&direct, "sizes", "configmaps", spec, &["Audit"]);
    direct.create(map("short")).expect("audits refuse nothing");
    let entry = cluster.journal().entries().pop().expect("a request");
    assert_eq!(entry.audit["sizes/size"], "5");
    assert!(!entry.audit.contains_key("sizes/none"));
    let failures: Value =
        serde_json::from_str(&entry.audit["validation.policy.admission.k8s.io/validation_failure"]).expect("JSON");
    assert_eq!(
        failures,
        json!([{ "message": "too long", "policy": "sizes", "binding": "sizes-here", "expressionIndex": 0, "validationActions": ["Audit"] }])
    );
    direct.create(map("a")).expect("made");
    let entry = cluster.journal().entries().pop().expect("a request");
    assert_eq!(entry.audit.into_iter().collect::<Vec<_>>(), [("sizes/size".to_owned(), "1".to_owned())]);
}

#[test]
fn an_expression_that_cannot_be_run_is_an_error_not_an_end() {
    let cluster = Cluster::new();
    let direct = cluster.direct("test");
    let policy = |expression: &str| {
        json!({ "apiVersion": format!("{GROUP}/v1"), "kind": "ValidatingAdmissionPolicy", "metadata": { "name": "odd" },
            "spec": { "matchConstraints": about("configmaps"), "validations": [{ "expression": expression }] } })
    };
    let error = direct.create(policy("Foo{}.bar == 1")).expect_err("refused");
    assert_eq!(error.code, 422);
    assert!(
        error.message.starts_with(
            "ValidatingAdmissionPolicy.admissionregistration.k8s.io \"odd\" is invalid: spec.validations[0].expression: Invalid value: \"Foo{}.bar == 1\": compilation failed: "
        ) && error.message.contains("undeclared reference to 'Foo'"),
        "{}",
        error.message
    );
    let error = direct.create(policy("1")).expect_err("refused");
    assert!(error.message.ends_with("Invalid value: \"1\": must evaluate to bool but got int"), "{}", error.message);

    let mut definition = widgets(true);
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["x-kubernetes-validations"] =
        json!([{ "rule": "Foo{} == self" }]);
    let error = direct.create(definition).expect_err("refused");
    assert!(error.message.contains("undeclared reference to 'Foo'"), "{}", error.message);
}

#[test]
fn rules_may_look_at_an_old_value_that_may_be_missing() {
    let cluster = Cluster::new();
    let direct = cluster.direct("test");
    let mut definition = widgets(true);
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["size"]["x-kubernetes-validations"] = json!([{ "rule": "oldSelf.optMap(o, o == self).orValue(true)", "optionalOldSelf": true, "message": "Immutable after creation" }]);
    direct.create(definition).expect("the rule compiles");
    let widget = |size: u64| json!({ "apiVersion": "example.com/v1", "kind": "Widget", "metadata": { "name": "a", "namespace": "default" }, "spec": { "size": size } });
    direct.apply(widget(2)).expect("there is no old value");
    direct.apply(widget(2)).expect("the same");
    let error = direct.apply(widget(3)).expect_err("another");
    assert!(error.message.contains("Immutable after creation"), "{}", error.message);
}

#[test]
fn mutating_policies_are_served_on_request() {
    let plain = Cluster::new();
    let policy = json!({ "apiVersion": format!("{GROUP}/v1beta1"), "kind": "MutatingAdmissionPolicy", "metadata": { "name": "a" }, "spec": {} });
    assert_eq!(plain.direct("test").create(policy).expect_err("not served").code, 404);
    let cluster = Cluster::builder().mutating_policies().build().expect("in memory");
    let direct = cluster.direct("test");
    let spec = json!({ "reinvocationPolicy": "Never", "mutations": [{ "patchType": "JSONPatch", "jsonPatch": { "expression": "[]" } }] });
    mutating(&direct, "a", "configmaps", spec);
    let stored = direct.get("mutatingadmissionpolicies.admissionregistration.k8s.io", "", "a").expect("stored");
    assert_eq!(stored["apiVersion"], format!("{GROUP}/v1beta1"));
    assert_eq!(stored["spec"]["failurePolicy"], "Fail");
    assert_eq!(stored["spec"]["matchConstraints"]["matchPolicy"], "Equivalent");
}

#[test]
fn mutating_policies_change_what_is_written() {
    let cluster = Cluster::builder().mutating_policies().build().expect("in memory");
    let direct = cluster.direct("test");
    let sidecar = r#"Object{ spec: Object.spec{ template: Object.spec.template{ spec: Object.spec.template.spec{
        containers: [Object.spec.template.spec.containers{ name: "mesh", image: variables.image }] } } } }"#;
    let spec = json!({
        "reinvocationPolicy": "IfNeeded",
        "matchConditions": [{ "name": "without", "expression": "!object.spec.template.spec.containers.exists(c, c.name == 'mesh')" }],
        "variables": [{ "name": "image", "expression": "'mesh:' + request.namespace" }],
        "mutations": [{ "patchType": "ApplyConfiguration", "applyConfiguration": { "expression": sidecar } }],
    });
    mutating(&direct, "mesh", "deployments", spec);
    let spec = json!({ "reinvocationPolicy": "Never", "mutations": [{ "patchType": "JSONPatch", "jsonPatch": { "expression":
        "[JSONPatch{op: 'test', path: '/spec/replicas', value: 1}, JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('example.com/one'), value: 'yes'}]" } }] });
    mutating(&direct, "label", "deployments", spec);
    let one = direct.create(deployment("one")).expect("made");
    assert_eq!(one["spec"]["template"]["spec"]["containers"][1]["name"], "mesh");
    assert_eq!(one["spec"]["template"]["spec"]["containers"][1]["image"], "mesh:default");
    // Defaults of what a policy adds are filled in too.
    assert_eq!(one["spec"]["template"]["spec"]["containers"][1]["imagePullPolicy"], "IfNotPresent");
    assert_eq!(one["metadata"]["labels"]["example.com/one"], "yes");

    let mut two = deployment("two");
    two["spec"]["replicas"] = json!(2);
    let two = direct.create(two).expect("made");
    assert_eq!(two["metadata"]["labels"].get("example.com/one"), None, "the test of the patch failed");
    assert_eq!(two["spec"]["template"]["spec"]["containers"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_mutation_that_fails_refuses_unless_failures_are_ignored() {
    let cluster = Cluster::builder().mutating_policies().build().expect("in memory");
    let direct = cluster.direct("test");
    let spec = |ignore: bool| {
        json!({ "reinvocationPolicy": "Never", "failurePolicy": if ignore { "Ignore" } else { "Fail" }, "mutations": [
            { "patchType": "JSONPatch", "jsonPatch": { "expression": "[JSONPatch{op: 'remove', path: '/data/none'}]" } },
            { "patchType": "ApplyConfiguration", "applyConfiguration": { "expression": "Object{data: Object.data{seen: 'yes'}}" } },
        ] })
    };
    mutating(&direct, "removes", "configmaps", spec(true));
    let made = direct.create(map("a")).expect("failures are ignored");
    assert_eq!(made["data"], json!({ "seen": "yes" }));
    mutating(&direct, "strict", "configmaps", spec(false));
    let error = direct.create(map("b")).expect_err("the first mutation fails");
    assert_eq!((error.code, error.reason.as_str()), (403, "Invalid"));
    assert!(
        error.message.starts_with("policy 'strict' with binding 'strict-here' denied request: JSON Patch: "),
        "{}",
        error.message
    );
}

/// Held against kube-apiserver 1.34.3: the same causes in the same words.
#[test]
fn what_extends_admission_is_checked() {
    let cluster = Cluster::builder().mutating_policies().build().expect("in memory");
    let direct = cluster.direct("test");
    let causes = |kind: &str, version: &str, rest: Value| -> Vec<String> {
        let mut object =
            json!({ "apiVersion": format!("{GROUP}/{version}"), "kind": kind, "metadata": { "name": "x" } });
        object.as_object_mut().expect("an object").extend(rest.as_object().expect("an object").clone());
        let error = direct.create(object).expect_err("refused");
        let details = error.details.expect("details");
        let causes = details["causes"].as_array().expect("causes").iter();
        causes
            .map(|it| {
                format!("{}: {}", it["field"].as_str().unwrap_or_default(), it["message"].as_str().unwrap_or_default())
            })
            .collect()
    };
    assert_eq!(
        causes("ValidatingAdmissionPolicy", "v1", json!({ "spec": {} })),
        [
            "spec.matchConstraints: Required value",
            "spec.validations: Required value: validations or auditAnnotations must contain at least one item",
            "spec.auditAnnotations: Required value: validations or auditAnnotations must contain at least one item",
        ]
    );
    assert_eq!(
        causes(
            "ValidatingAdmissionPolicyBinding",
            "v1",
            json!({ "spec": { "policyName": "a", "validationActions": ["Deny", "Warn", "Odd", "Deny"], "paramRef": {} } })
        ),
        [
            "spec.paramRef: Required value: one of name or selector must be specified",
            "spec.paramRef.parameterNotFoundAction: Required value",
            "spec.validationActions[2]: Unsupported value: \"Odd\": supported values: \"Audit\", \"Deny\", \"Warn\"",
            "spec.validationActions[3]: Duplicate value: \"Deny\"",
            "spec.validationActions: Invalid value: [\"Deny\",\"Warn\",\"Odd\",\"Deny\"]: must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)",
        ]
    );
    assert_eq!(
        causes(
            "MutatingAdmissionPolicy",
            "v1beta1",
            json!({ "spec": { "matchConstraints": about("pods"), "reinvocationPolicy": "Odd", "mutations": [
            { "patchType": "JSONPatch" }, { "patchType": "Odd" },
            { "patchType": "ApplyConfiguration", "applyConfiguration": { "expression": "true" }, "jsonPatch": { "expression": "[]" } }] } })
        ),
        [
            "spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch",
            "spec.mutations[1].patchType: Unsupported value: \"Odd\": supported values: \"ApplyConfiguration\", \"JSONPatch\"",
            "spec.mutations[2].applyConfiguration.expression: Invalid value: \"true\": must evaluate to Object but got bool",
            "spec.mutations[2].jsonPatch: Invalid value: \"{jsonPatch}\": must not be specified when patchType is ApplyConfiguration",
            "spec.reinvocationPolicy: Unsupported value: \"Odd\": supported values: \"IfNeeded\", \"Never\"",
        ]
    );
    let second = json!({ "name": "a.b.c", "clientConfig": { "url": "https://x", "service": { "name": "a", "namespace": "b" } }, "sideEffects": "Some",
        "admissionReviewVersions": ["v2", "v2"], "timeoutSeconds": 40, "failurePolicy": "X", "matchPolicy": "Y", "reinvocationPolicy": "Z",
        "rules": [{ "operations": ["*", "CREATE"], "apiGroups": [], "apiVersions": ["*"], "resources": ["*", "a/b"], "scope": "Z" }] });
    assert_eq!(
        causes(
            "MutatingWebhookConfiguration",
            "v1",
            json!({ "webhooks": [{ "name": "a", "clientConfig": {} }, second] })
        ),
        [
            "webhooks[0].name: Invalid value: \"a\": should be a domain with at least three segments separated by dots",
            "webhooks[0].sideEffects: Required value: must specify one of None, NoneOnDryRun",
            "webhooks[0].clientConfig: Required value: exactly one of url or service is required",
            "webhooks[0].admissionReviewVersions: Required value: must specify one of v1, v1beta1",
            "webhooks[1].rules[0].operations: Invalid value: [\"*\",\"CREATE\"]: if '*' is present, must not specify other operations",
            "webhooks[1].rules[0].apiGroups: Required value",
            "webhooks[1].rules[0].scope: Unsupported value: \"Z\": supported values: \"*\", \"Cluster\", \"Namespaced\"",
            "webhooks[1].failurePolicy: Unsupported value: \"X\": supported values: \"Fail\", \"Ignore\"",
            "webhooks[1].matchPolicy: Unsupported value: \"Y\": supported values: \"Equivalent\", \"Exact\"",
            "webhooks[1].sideEffects: Unsupported value: \"Some\": supported values: \"None\", \"NoneOnDryRun\"",
            "webhooks[1].timeoutSeconds: Invalid value: 40: the timeout value must be between 1 and 30 seconds",
            "webhooks[1].reinvocationPolicy: Unsupported value: \"Z\": supported values: \"IfNeeded\", \"Never\"",
            "webhooks[1].clientConfig: Required value: exactly one of url or service is required",
            "webhooks[1].admissionReviewVersions[1]: Invalid value: \"v2\": duplicate version",
            "webhooks[1].admissionReviewVersions: Invalid value: [\"v2\",\"v2\"]: must include at least one of v1, v1beta1",
        ]
    );
}

#[test]
fn pod_security_leaves_exempt_ones_alone_and_tells_of_the_rest() {
    let exemptions = PodSecurityExemptions {
        usernames: vec!["builder".to_owned()],
        namespaces: vec!["free".to_owned()],
        runtime_classes: vec!["vm".to_owned()],
    };
    let cluster = Cluster::builder().pod_security_exemptions(exemptions).build().expect("in memory");
    let direct = cluster.direct("test");
    let labels =
        json!({ "pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/audit": "restricted" });
    for name in ["free", "strict"] {
        let space = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": labels } });
        direct.create(space).expect("made");
    }
    let class = json!({ "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": { "name": "vm" }, "handler": "vm" });
    direct.create(class).expect("made");
    let host = |name: &str, space: &str| {
        let mut pod = pod(name, None);
        pod["metadata"]["namespace"] = json!(space);
        pod["spec"]["hostNetwork"] = json!(true);
        pod
    };
    let audit = || cluster.journal().entries().pop().expect("a request").audit;

    direct.create(host("a", "free")).expect("the namespace is exempt");
    assert_eq!(audit()["pod-security.kubernetes.io/exempt"], "namespace");
    let mut classed = host("a", "strict");
    classed["spec"]["runtimeClassName"] = json!("vm");
    direct.create(classed).expect("the class is exempt");
    assert_eq!(audit()["pod-security.kubernetes.io/exempt"], "runtimeClass");
    assert_eq!(direct.create(host("b", "strict")).expect_err("refused").code, 403);
    let told = audit();
    assert_eq!(told["pod-security.kubernetes.io/enforce-policy"], "baseline:latest");
    assert!(told["pod-security.kubernetes.io/audit-violations"].starts_with("would violate PodSecurity \"restricted:latest\": host namespaces (hostNetwork=true), allowPrivilegeEscalation != false"));
}
