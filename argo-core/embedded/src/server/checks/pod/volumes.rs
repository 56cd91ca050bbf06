//! Volumes: one source each, and what each source must say.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::super::names;
use super::super::place::Place;
use super::sources;

/// A check of a source.
type Check = fn(&Place<'_, '_>);

/// The sources in the order in which they are looked at. The second name is that of the path in messages about the inside, the third that in
/// messages about one too many; neither is always that of the field.
const SOURCES: [(&str, &str, &str, Check); 29] = [
    ("emptyDir", "emptyDir", "emptyDir", empty_dir),
    ("hostPath", "hostPath", "hostPath", host_path),
    ("gitRepo", "gitRepo", "gitRepo", git_repo),
    ("gcePersistentDisk", "persistentDisk", "gcePersistentDisk", gce_disk),
    ("awsElasticBlockStore", "awsElasticBlockStore", "awsElasticBlockStore", aws_disk),
    ("secret", "secret", "secret", secret),
    ("nfs", "nfs", "nfs", nfs),
    ("iscsi", "iscsi", "iscsi", iscsi),
    ("glusterfs", "glusterfs", "glusterfs", glusterfs),
    ("flocker", "flocker", "flocker", flocker),
    ("persistentVolumeClaim", "persistentVolumeClaim", "persistentVolumeClaim", claim),
    ("rbd", "rbd", "rbd", rbd),
    ("cinder", "cinder", "cinder", cinder),
    ("cephfs", "cephfs", "cephFS", cephfs),
    ("quobyte", "quobyte", "quobyte", nothing),
    ("downwardAPI", "downwardAPI", "downwarAPI", sources::downward),
    ("fc", "fc", "fc", nothing),
    ("flexVolume", "flexVolume", "flexVolume", flex),
    ("configMap", "configMap", "configMap", config_map),
    ("azureFile", "azureFile", "azureFile", azure_file),
    ("vsphereVolume", "vsphereVolume", "vsphereVolume", vsphere),
    ("photonPersistentDisk", "photonPersistentDisk", "photonPersistentDisk", photon),
    ("portworxVolume", "portworxVolume", "portworxVolume", portworx),
    ("azureDisk", "azureDisk", "azureDisk", azure_disk),
    ("storageos", "storageos", "storageos", nothing),
    ("projected", "projected", "projected", sources::projected),
    ("scaleIO", "scaleIO", "scaleIO", scale_io),
    ("csi", "csi", "csi", csi),
    ("ephemeral", "ephemeral", "ephemeral", ephemeral),
];

/// Checks the volumes of a pod of this name. Returns those without a mistake.
pub(super) fn check<'v>(volumes: &Place<'v, '_>, pod: &str) -> BTreeMap<&'v str, &'v Value> {
    let mut good = BTreeMap::new();
    for volume in volumes.items() {
        let before = volume.found();
        source(&volume, pod);
        let name = volume.at("name");
        if name.is_empty() {
            name.required("");
        } else {
            name.label();
        }
        if good.contains_key(name.text()) {
            name.duplicate(name.text());
        }
        if volume.found() == before {
            good.insert(name.text(), volume.value());
        }
        let claim = volume.at("persistentVolumeClaim.claimName");
        let made = |other: Place<'_, '_>| {
            other.has("ephemeral") && claim.text() == format!("{pod}-{}", other.at("name").text())
        };
        if !pod.is_empty() && claim.is_set() && volumes.items().any(made) {
            claim.invalid_text("must not reference a PVC that gets created for an ephemeral volume");
        }
    }
    good
}

fn source(volume: &Place<'_, '_>, pod: &str) {
    let mut any = false;
    for (field, inside, extra, check) in SOURCES {
        let place = volume.at(field);
        if !place.is_set() {
            continue;
        }
        if any {
            volume.at(extra).forbidden("may not specify more than 1 volume type");
            continue;
        }
        any = true;
        let path = volume.at(inside).path();
        check(&volume.elsewhere(place.value(), &path));
    }
    if volume.has("ephemeral") && !pod.is_empty() && !volume.at("name").is_empty() {
        let name = format!("{pod}-{}", volume.at("name").text());
        for problem in names::subdomain_problems(&name) {
            volume.at("name").invalid_text(&format!("PVC name {name:?}: {problem}"));
        }
    }
    if !any {
        volume.required("must specify a volume type");
    }
}

fn nothing(_: &Place<'_, '_>) {}

fn all_needed(source: &Place<'_, '_>, fields: &[&str]) {
    fields.iter().for_each(|field| source.at(field).needed());
}

fn empty_dir(source: &Place<'_, '_>) {
    if source.at("sizeLimit").quantity().is_some_and(|size| size < argo_lang::quantity::Quantity::ZERO) {
        source.at("sizeLimit").forbidden("SizeLimit field must be a valid resource quantity");
    }
}

fn host_path(source: &Place<'_, '_>) {
    let path = source.at("path");
    if path.is_empty() {
        return path.required("");
    }
    no_backsteps(&path, path.text());
    let kinds = ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
    source.at("type").must_be(&kinds);
}

fn git_repo(source: &Place<'_, '_>) {
    source.at("repository").needed();
    let directory = source.at("directory");
    descending(&directory, directory.text());
}

fn partition(source: &Place<'_, '_>) {
    let partition = source.at("partition");
    if !(0..=255).contains(&partition.int()) {
        partition.invalid("must be between 0 and 255, inclusive");
    }
}

fn gce_disk(source: &Place<'_, '_>) {
    source.at("pdName").needed();
    partition(source);
}

fn aws_disk(source: &Place<'_, '_>) {
    source.at("volumeID").needed();
    partition(source);
}

fn secret(source: &Place<'_, '_>) {
    source.at("secretName").needed();
    sources::mode_and_items(source);
}

fn config_map(source: &Place<'_, '_>) {
    source.at("name").needed();
    sources::mode_and_items(source);
}

fn nfs(source: &Place<'_, '_>) {
    all_needed(source, &["server", "path"]);
    let path = source.at("path");
    if !path.text().starts_with('/') {
        path.invalid_text("must be an absolute path");
    }
}

fn iscsi(source: &Place<'_, '_>) {
    all_needed(source, &["targetPortal", "iqn"]);
    let lun = source.at("lun");
    if !(0..=255).contains(&lun.int()) {
        lun.invalid("must be between 0 and 255, inclusive");
    }
    if (source.at("chapAuthDiscovery").flag() || source.at("chapAuthSession").flag()) && !source.has("secretRef") {
        source.at("secretRef").required("");
    }
}

fn glusterfs(source: &Place<'_, '_>) {
    all_needed(source, &["endpoints", "path"]);
}

fn flocker(source: &Place<'_, '_>) {
    let [name, uuid] = ["datasetName", "datasetUUID"].map(|field| source.at(field).is_empty());
    if name && uuid {
        source.required("one of datasetName and datasetUUID is required");
    }
    if !name && !uuid {
        source.wrong("resource", "datasetName and datasetUUID can not be specified simultaneously");
    }
    if source.at("datasetName").text().contains('/') {
        source.at("datasetName").invalid_text("must not contain '/'");
    }
}

fn claim(source: &Place<'_, '_>) {
    source.at("claimName").needed();
}

fn rbd(source: &Place<'_, '_>) {
    all_needed(source, &["monitors", "image"]);
}

fn cinder(source: &Place<'_, '_>) {
    source.at("volumeID").needed();
    if source.has("secretRef") {
        source.at("secretRef.name").needed();
    }
}

fn cephfs(source: &Place<'_, '_>) {
    source.at("monitors").needed();
}

fn flex(source: &Place<'_, '_>) {
    source.at("driver").needed();
}

fn azure_file(source: &Place<'_, '_>) {
    all_needed(source, &["secretName", "shareName"]);
}

fn vsphere(source: &Place<'_, '_>) {
    source.at("volumePath").needed();
}

fn photon(source: &Place<'_, '_>) {
    source.at("pdID").needed();
}

fn portworx(source: &Place<'_, '_>) {
    source.at("volumeID").needed();
}

fn azure_disk(source: &Place<'_, '_>) {
    all_needed(source, &["diskName", "diskURI"]);
    source.at("cachingMode").choice(&["None", "ReadOnly", "ReadWrite"]);
    source.at("kind").choice(&["Dedicated", "Managed", "Shared"]);
}

fn scale_io(source: &Place<'_, '_>) {
    all_needed(source, &["gateway", "system", "volumeName"]);
}

fn csi(source: &Place<'_, '_>) {
    driver_name(&source.at("driver"));
    let reference = source.at("nodePublishSecretRef");
    if reference.is_set() {
        let name = reference.at("name");
        if name.is_empty() {
            name.required("");
        } else {
            source.at("name").wrongs(name.text(), names::subdomain_problems(name.text()));
        }
    }
}

/// The name of a CSI driver.
pub(super) fn driver_name(name: &Place<'_, '_>) {
    if name.is_empty() {
        name.required("");
    }
    if name.text().len() > 63 {
        name.too_long(63);
    }
    let lower = name.text().to_lowercase();
    name.wrongs(name.text(), names::subdomain_problems(&lower));
}

fn ephemeral(source: &Place<'_, '_>) {
    let template = source.at("volumeClaimTemplate");
    if !template.is_set() {
        return template.required("");
    }
    template.at("metadata.annotations").annotations();
    template.at("metadata.labels").labels();
    for (field, _) in template.at("metadata").entries() {
        if !matches!(field, "annotations" | "labels" | "creationTimestamp") {
            template.at("metadata").at(field).forbidden("cannot be set");
        }
    }
    super::super::policies::claim_spec(&template.at("spec"));
}

/// A path without `..` in it.
pub(super) fn no_backsteps(place: &Place<'_, '_>, path: &str) {
    if path.split('/').any(|part| part == "..") {
        place.wrong(path, "must not contain '..'");
    }
}

/// A path that goes down from where it is.
pub(super) fn descending(place: &Place<'_, '_>, path: &str) {
    if path.starts_with('/') {
        place.wrong(path, "must be a relative path");
    }
    no_backsteps(place, path);
}

/// A path of a user's file in a volume: the names with two dots are the kubelet's.
pub(super) fn unreserved(place: &Place<'_, '_>) {
    let path = place.text();
    descending(place, path);
    if path.starts_with("..") && !path.starts_with("../") {
        place.wrong(path, "must not start with '..'");
    }
}
