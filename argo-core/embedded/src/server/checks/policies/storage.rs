//! Claims, volumes, classes of storage.

use argo_lang::quantity::Quantity;

use super::super::place::Place;
use super::super::{same, selector};

const MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];

/// A claim, new or as it shall be.
pub(in super::super) fn claim(object: &Place<'_, '_>, live: Option<&Place<'_, '_>>) {
    claim_spec(&object.at("spec"));
    if let Some(live) = live {
        claim_update(live, object);
    }
}

/// What is asked of a volume.
pub(in super::super) fn claim_spec(spec: &Place<'_, '_>) {
    let modes = spec.at("accessModes");
    if modes.is_empty() {
        modes.required("at least 1 access mode is required");
    }
    if spec.has("selector") {
        selector::labels(&spec.at("selector"));
    }
    access_modes(&modes);
    let resources = spec.at("resources");
    let place = resources.key("storage");
    match resources.at("requests.storage").quantity() {
        None => place.required(""),
        Some(size) if size <= Quantity::ZERO => place.wrong(size.to_string(), "must be greater than zero"),
        Some(_) => {}
    }
    for field in ["storageClassName", "volumeAttributesClassName"] {
        if !spec.at(field).is_empty() {
            spec.at(field).subdomain();
        }
    }
    if spec.has("volumeMode") {
        spec.at("volumeMode").must_be(&["Block", "Filesystem"]);
    }
    let (source, reference) = (spec.at("dataSource"), spec.at("dataSourceRef"));
    for place in [&source, &reference] {
        if place.is_set() {
            data_source(place);
        }
    }
    let elsewhere = !reference.at("namespace").is_empty();
    if elsewhere {
        reference.at("namespace").label();
    }
    if source.is_set() && reference.is_set() {
        let same = ["apiGroup", "kind", "name"].iter().all(|f| source.at(f).value() == reference.at(f).value());
        if elsewhere {
            spec.wrong(source.path(), "may not be specified when dataSourceRef.namespace is specified");
        } else if !same {
            spec.wrong(source.path(), "must match dataSourceRef");
        }
    }
}

fn access_modes(modes: &Place<'_, '_>) {
    let given = modes.texts();
    for mode in given.iter().filter(|mode| !MODES.contains(mode)) {
        modes.unsupported(*mode, &MODES);
    }
    let alone = given.contains(&"ReadWriteOncePod");
    if alone && given.iter().any(|mode| *mode != "ReadWriteOncePod" && MODES.contains(mode)) {
        modes.forbidden("may not use ReadWriteOncePod with other access modes");
    }
}

fn data_source(source: &Place<'_, '_>) {
    source.at("name").needed();
    source.at("kind").needed();
    let (group, kind) = (source.at("apiGroup"), source.at("kind").text());
    if !group.is_empty() {
        group.subdomain();
    } else if kind != "PersistentVolumeClaim" {
        source.wrong(kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup");
    }
}

/// Of a claim that is bound the size and the attributes may change; of one that is not, its volume.
fn claim_update(live: &Place<'_, '_>, object: &Place<'_, '_>) {
    const CLASS: &str = "volume.beta.kubernetes.io/storage-class";
    let bound = object.at("status.phase").text() == "Bound";
    let (old, new) = (live.at("spec"), object.at("spec"));
    let mut expected = old.value().clone();
    let mut take = |field: &str| {
        if let Some(fields) = expected.as_object_mut() {
            match new.value().get(field) {
                Some(value) => fields.insert(field.to_owned(), value.clone()),
                None => fields.remove(field),
            };
        }
    };
    if old.at("volumeName").is_empty() {
        take("volumeName");
    }
    let annotations = live.at("metadata.annotations");
    let class = new.at("storageClassName");
    let annotated = annotations.key(CLASS);
    if class.is_set() && !old.has("storageClassName") && (!annotated.is_set() || annotated.text() == class.text()) {
        take("storageClassName");
    }
    if bound {
        take("volumeAttributesClassName");
        if let Some(size) = new.value().pointer("/resources/requests/storage")
            && let Some(place) = expected.pointer_mut("/resources/requests/storage")
        {
            *place = size.clone();
        }
    }
    if !same(new.value(), &expected) {
        let diff = super::super::shown::changes("PersistentVolumeClaimSpec", &expected, new.value());
        new.forbidden(&format!(
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n{diff}"
        ));
    }
    let size = |place: &Place<'_, '_>, path: &str| place.at(path).quantity().unwrap_or(Quantity::ZERO);
    let (before, after) = (size(&old, "resources.requests.storage"), size(&new, "resources.requests.storage"));
    if after < before && after <= size(live, "status.capacity.storage") {
        new.at("resources.requests.storage").forbidden("field can not be less than status.capacity");
    }
    let mode = new.at("volumeMode");
    if mode.value() != old.at("volumeMode").value() {
        object.elsewhere(mode.value(), "volumeMode").invalid("field is immutable");
    }
}

/// A volume: what it is of, how big, how it may be used.
pub(in super::super) fn volume(object: &Place<'_, '_>, live: Option<&Place<'_, '_>>) {
    const OTHERS: [&str; 10] = [
        "accessModes",
        "capacity",
        "claimRef",
        "mountOptions",
        "nodeAffinity",
        "persistentVolumeReclaimPolicy",
        "storageClassName",
        "volumeAttributesClassName",
        "volumeMode",
        "",
    ];
    let spec = object.at("spec");
    let modes = spec.at("accessModes");
    modes.needed();
    access_modes(&modes);
    let capacity = spec.at("capacity");
    capacity.needed();
    if !capacity.is_empty() && (!capacity.has("storage") || capacity.entries().count() > 1) {
        let shown: Vec<&str> = capacity.entries().map(|(name, _)| name).collect();
        capacity.unsupported(serde_json::json!(shown), &["storage"]);
    }
    for (name, amount) in capacity.entries() {
        if amount.quantity().is_some_and(|amount| amount <= Quantity::ZERO) {
            capacity
                .key(name)
                .wrong(amount.quantity().unwrap_or(Quantity::ZERO).to_string(), "must be greater than zero");
        }
    }
    if spec.has("persistentVolumeReclaimPolicy") {
        spec.at("persistentVolumeReclaimPolicy").choice(&["Delete", "Recycle", "Retain"]);
    }
    let sources = spec.entries().filter(|(field, _)| !OTHERS.contains(field)).count();
    if sources == 0 {
        spec.required("must specify a volume type");
    }
    if spec.at("hostPath.path").text() == "/" && spec.at("persistentVolumeReclaimPolicy").text() == "Recycle" {
        spec.at("persistentVolumeReclaimPolicy").forbidden("may not be 'recycle' for a hostPath mount of '/'");
    }
    let class = spec.at("storageClassName");
    if !class.is_empty() {
        class.subdomain();
    }
    if spec.has("volumeMode") {
        spec.at("volumeMode").must_be(&["Block", "Filesystem"]);
    }
    if spec.has("nodeAffinity.required") {
        selector::nodes(&spec.at("nodeAffinity.required"));
    }
    if let Some(live) = live {
        let sources = |object: &Place<'_, '_>| {
            let mut source = object.at("spec").value().clone();
            if let Some(fields) = source.as_object_mut() {
                fields.retain(|field, _| !OTHERS.contains(&field.as_str()));
            }
            source
        };
        if !same(&sources(live), &sources(object)) {
            spec.at("persistentvolumesource").forbidden("spec.persistentvolumesource is immutable after creation\n");
        }
        spec.at("volumeMode").immutable(&live.at("spec.volumeMode"));
    }
}

/// A class: only what it is called and whether it may grow changes.
pub(in super::super) fn storage_class(object: &Place<'_, '_>, live: Option<&Place<'_, '_>>) {
    let provisioner = object.at("provisioner");
    if provisioner.is_empty() {
        provisioner.required("");
    } else {
        let lower = provisioner.text().to_lowercase();
        provisioner.wrongs(&lower, super::super::names::qualified_name_problems(&lower));
    }
    let parameters = object.at("parameters");
    if parameters.entries().count() > 512 {
        parameters.too_long(512);
    }
    for (key, _) in parameters.entries().filter(|(key, _)| key.is_empty()) {
        parameters.wrong(key, "field can not be empty.");
    }
    object.at("reclaimPolicy").choice(&["Delete", "Retain"]);
    let mode = object.at("volumeBindingMode");
    if mode.is_set() {
        mode.must_be(&["Immediate", "WaitForFirstConsumer"]);
    } else {
        mode.required("");
    }
    let Some(live) = live else { return };
    for field in ["parameters", "provisioner", "reclaimPolicy"] {
        if !same(object.at(field).value(), live.at(field).value()) {
            object.at(field).forbidden(&format!("updates to {field} are forbidden."));
        }
    }
    mode.immutable(&live.at("volumeBindingMode"));
}
