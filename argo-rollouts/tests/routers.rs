//! Traffic routers against what upstream's make of the same objects (`vectors/gen/routers`).

use std::collections::BTreeMap;

use argo_core::{BoxFailure, Change, Failure, Gvk, Object, ObjectRef, Timestamp};
use argo_rollouts::{
    api::Rollout,
    engine::RouteTraffic,
    routers::{
        Alb, Ambassador, Apisix, AppMesh, GatewayApi, Istio, Nginx, ObjectRouter, Read, RouteError, RouteRequest, Seen,
        Smi, Traefik,
    },
};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Vector {
    name: String,
    router: String,
    rollout: Value,
    objects: Option<Vec<Value>>,
    traffic: RouteTraffic,
    after: Option<Vec<Value>>,
    error: Option<String>,
}

/// Where upstream's answer is known not to be followed, and why.
const DIFFERENT: [(&str, &str); 4] = [
    ("subsets, 4", "without named routes upstream forgets the main route as soon as there is a mirror"),
    ("no virtual service, 1", "upstream passes over a missing VirtualService here, then fails on it"),
    ("no virtual service, 0", "the same in other words"),
    ("a virtual router that is missing, 0", "the same in other words"),
];

fn router(name: &str) -> Box<dyn ObjectRouter> {
    match name {
        "istio" => Box::new(Istio::default()),
        "nginx" => Box::new(Nginx),
        "alb" => Box::new(Alb),
        "smi" => Box::new(Smi::default()),
        "traefik" => Box::new(Traefik::default()),
        "ambassador" => Box::new(Ambassador::default()),
        "apisix" => Box::new(Apisix::default()),
        "appMesh" => Box::new(AppMesh::default()),
        "gatewayAPI" => Box::new(GatewayApi),
        other => panic!("no router {other}"),
    }
}

/// Routes once over these objects: the objects then, and how many changes that took.
fn route(
    router: &dyn ObjectRouter,
    rollout: &Object,
    traffic: &RouteTraffic,
    objects: &BTreeMap<ObjectRef, Object>,
) -> Result<(BTreeMap<ObjectRef, Object>, usize), RouteError> {
    let typed: Rollout = rollout.decode().expect("a rollout");
    let routing = typed.spec.strategy.canary.as_ref().and_then(|it| it.traffic_routing.as_ref()).expect("routing");
    let settings = routing.plugins.values().next().or_else(|| routing.extra.values().next()).expect("settings").clone();
    let now = Timestamp::from_second(1_700_000_000).expect("in range");
    let request = RouteRequest { rollout, typed: &typed, settings: &settings, traffic, replica_sets: &[], now };
    let mut read = Seen::default();
    let seen = loop {
        let mut seen = read.clone();
        match router.route(&request, &mut seen) {
            Ok(()) => break seen,
            Err(RouteError::Unread(missing)) => match *missing {
                Read::Object(target) => {
                    let object = objects.get(&target).cloned().map(Into::into);
                    read.put_read(target, object);
                }
                Read::List(gvk, namespace, labels) => {
                    let (key, value) = labels.split_once('=').expect("one label");
                    let found = objects.values().filter(|it| it.gvk() == gvk && it.label(key) == Some(value));
                    let found = found.cloned().map(Into::into).collect();
                    read.put_list(Read::List(gvk, namespace, labels), found);
                }
            },
            Err(error) => return Err(error),
        }
    };
    let changes = seen.changes();
    let mut after = objects.clone();
    for change in &changes {
        match change {
            Change::Create { object } => {
                after.insert(object.reference(), object.clone());
            }
            Change::Patch { target, patch, .. } => {
                let mut value = after[target].value().clone();
                argo_merge_patch(&mut value, &patch.body);
                after.insert(target.clone(), Object::from_value(value));
            }
            Change::Delete { target, .. } => {
                after.remove(target);
            }
            other => panic!("unexpected {other}"),
        }
    }
    Ok((after, changes.len()))
}

/// RFC 7386.
fn argo_merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            target.as_object_mut().expect("an object").remove(key);
        } else {
            argo_merge_patch(&mut target[key.as_str()], value);
        }
    }
}

/// What does not matter: empty fields, the order of JSON, whole numbers as floats, time of retirement.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(key, _)| !["creationTimestamp", "resourceVersion", "status"].contains(&key.as_str()))
            .map(|(key, it)| (key.clone(), plain(it)))
            .filter(|(key, it)| {
                !(it.is_null() || *it == json!({}) || *it == json!([]) && key != "exprs" || key == "weight" && *it == 0)
            })
            .collect(),
        Value::Array(items) => items.iter().map(plain).collect(),
        #[allow(clippy::cast_possible_truncation)]
        Value::Number(number) => json!(number.as_f64().unwrap_or_default() as i64),
        Value::String(text) if text.starts_with(['{', '[']) => {
            serde_json::from_str::<Value>(text).map_or_else(|_| value.clone(), |it| plain(&it))
        }
        other => other.clone(),
    }
}

fn vectors() -> Vec<Vector> {
    let all: Vec<Vector> = serde_json::from_str(include_str!("data/routers.json")).expect("data");
    let gateway: Vec<Vector> = serde_json::from_str(include_str!("data/gateway.json")).expect("data");
    assert!(all.len() > 70 && gateway.len() > 15, "{} and {}", all.len(), gateway.len());
    all.into_iter().chain(gateway).collect()
}

fn objects(values: &[Value]) -> BTreeMap<ObjectRef, Object> {
    values.iter().map(|it| Object::from_value(it.clone())).map(|it| (it.reference(), it)).collect()
}

#[test]
fn objects_are_routed_as_by_upstream() {
    let mut wrong = Vec::new();
    for vector in vectors() {
        if DIFFERENT.iter().any(|(name, _)| *name == vector.name) {
            continue;
        }
        let (rollout, router) = (Object::from_value(vector.rollout), router(&vector.router));
        let before = objects(&vector.objects.unwrap_or_default());
        match (route(&*router, &rollout, &vector.traffic, &before), vector.error) {
            (Ok((after, _)), None) => {
                let after: Vec<Value> = after.values().map(|it| plain(it.value())).collect();
                let mut wanted: Vec<(ObjectRef, Value)> = objects(&vector.after.unwrap_or_default())
                    .into_iter()
                    .map(|(k, it)| (k, plain(it.value())))
                    .collect();
                wanted.sort_by(|a, b| a.0.cmp(&b.0));
                let wanted: Vec<Value> = wanted.into_iter().map(|it| it.1).collect();
                if after != wanted {
                    wrong.push(format!("{}:\n  {}\nwanted\n  {}", vector.name, json!(after), json!(wanted)));
                }
            }
            (Err(error), Some(wanted))
                if wanted.contains(&error.to_string()) || error.to_string().contains(&wanted) => {}
            (got, wanted) => wrong.push(format!("{}: {got:?}, wanted the error {wanted:?}", vector.name)),
        }
    }
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn routing_again_changes_nothing() {
    for vector in vectors() {
        let (rollout, router) = (Object::from_value(vector.rollout), router(&vector.router));
        let before = objects(&vector.objects.unwrap_or_default());
        let Ok((after, _)) = route(&*router, &rollout, &vector.traffic, &before) else { continue };
        let again = route(&*router, &rollout, &vector.traffic, &after).map(|it| it.1);
        assert_eq!(again, Ok(0), "{}", vector.name);
    }
}

#[test]
fn a_missing_object_says_what_is_missing_and_is_tried_again() {
    let rollout = Object::from_value(json!({"metadata": {"name": "shop", "namespace": "default"}, "spec": {"strategy":
        {"canary": {"trafficRouting": {"istio": {"virtualService": {"name": "vs"}}}}}}}));
    let error = route(&Istio::default(), &rollout, &RouteTraffic::default(), &BTreeMap::new()).unwrap_err();
    assert_eq!(error.to_string(), "VirtualService `vs` not found");
    assert!(error.is_transient());
    let broken = rollout.with(&["spec", "strategy", "canary", "trafficRouting", "istio"], json!({"virtualService": 7}));
    let error = route(&Istio::default(), &broken, &RouteTraffic::default(), &BTreeMap::new()).unwrap_err();
    assert!(error.to_string().starts_with("trafficRouting.istio: invalid type"), "{error}");
    assert!(!BoxFailure::from(error).is_transient());
}

#[test]
fn a_canary_mapping_goes_some_time_after_its_weight() {
    let rollout = Object::from_value(json!({"metadata": {"name": "shop", "namespace": "default"}, "spec": {"strategy":
        {"canary": {"stableService": "s", "canaryService": "c", "trafficRouting": {"ambassador": {"mappings": ["a"]}}}}}}));
    let mapping = |name: &str, spec: Value| {
        let gvk = Gvk::new("getambassador.io", "v2", "Mapping");
        Object::new(&gvk, Some("default"), name).with(&["spec"], spec)
    };
    let before = [mapping("a", json!({"service": "s"})), mapping("a-canary", json!({"service": "c", "weight": 40}))];
    let before = before.into_iter().map(|it| (it.reference(), it)).collect();
    let none = RouteTraffic::default();
    let (after, _) = route(&Ambassador::default(), &rollout, &none, &before).expect("routed");
    let canary = mapping("a-canary", json!({})).reference();
    assert_eq!(after[&canary].integer("/spec/weight"), Some(0));
    let (same, changes) = route(&Ambassador::default(), &rollout, &none, &after).expect("routed");
    assert_eq!((same.len(), changes), (2, 0), "it waits for everybody to see the weight");
    let mut late = after;
    let retired = late[&canary]
        .clone()
        .with(&["metadata", "annotations", "rollouts.argoproj.io/retires-at"], "2000-01-01T00:00:00Z");
    late.insert(canary.clone(), retired);
    let (gone, _) = route(&Ambassador::default(), &rollout, &none, &late).expect("routed");
    assert!(!gone.contains_key(&canary));
}
