//! Mounts and devices of containers.

use super::super::place::Place;
use super::Pod;
use super::volumes::descending;

/// Checks the mounts and devices of a container against the volumes of its pod and each other.
pub(super) fn check(container: &Place<'_, '_>, pod: &Pod<'_>) {
    let (mounts, devices) = (container.at("volumeMounts"), container.at("volumeDevices"));
    each_mount(container, &mounts, &devices, pod);
    each_device(&mounts, &devices, pod);
}

/// Whether a field of any item is this text.
fn taken(list: &Place<'_, '_>, field: &str, text: &str) -> bool {
    list.items().any(|item| item.at(field).text() == text)
}

fn each_mount(container: &Place<'_, '_>, mounts: &Place<'_, '_>, devices: &Place<'_, '_>, pod: &Pod<'_>) {
    let mut points: Vec<&str> = Vec::new();
    for mount in mounts.items() {
        let (name, path) = (mount.at("name"), mount.at("mountPath"));
        name.needed();
        if !pod.volumes.contains_key(name.text()) {
            name.not_found(name.text());
        }
        path.needed();
        if points.contains(&path.text()) {
            path.invalid_text("must be unique");
        }
        points.push(path.text());
        if taken(devices, "name", name.text()) {
            name.invalid_text("must not already exist in volumeDevices");
        }
        if taken(devices, "devicePath", path.text()) {
            path.invalid_text("must not already exist as a path in volumeDevices");
        }
        // Paths within the volume, and how it is mounted, are named as if they were of the list.
        let [sub, expression] = ["subPath", "subPathExpr"].map(|field| mount.at(field));
        if !sub.is_empty() {
            descending(&mounts.at("subPath"), sub.text());
        }
        if !expression.is_empty() {
            if !sub.is_empty() {
                expression.invalid_text("subPathExpr and subPath are mutually exclusive");
            }
            descending(&mounts.at("subPathExpr"), expression.text());
        }
        propagation(container, mounts, &mount);
        recursive(mounts, &mount);
    }
}

fn propagation(container: &Place<'_, '_>, mounts: &Place<'_, '_>, mount: &Place<'_, '_>) {
    const MODES: [&str; 3] = ["Bidirectional", "HostToContainer", "None"];
    if !mount.has("mountPropagation") {
        return;
    }
    let (mode, place) = (mount.at("mountPropagation").text(), mounts.at("mountPropagation"));
    if !MODES.contains(&mode) {
        place.unsupported(mode, &MODES);
    }
    if mode == "Bidirectional" && !container.at("securityContext.privileged").flag() {
        place.forbidden("Bidirectional mount propagation is available only to privileged containers");
    }
}

fn recursive(mounts: &Place<'_, '_>, mount: &Place<'_, '_>) {
    let place = mounts.at("recursiveReadOnly");
    match mount.at("recursiveReadOnly").text() {
        "" if !mount.has("recursiveReadOnly") => {}
        "Disabled" => {}
        "Enabled" | "IfPossible" => {
            if !mount.at("readOnly").flag() {
                place.forbidden("may only be specified when readOnly is true");
            }
            if !matches!(mount.at("mountPropagation").text(), "" | "None") {
                place.forbidden("may only be specified when mountPropagation is None or not specified");
            }
        }
        other => place.unsupported(other, &["Disabled", "Enabled", "IfPossible"]),
    }
}

fn each_device(mounts: &Place<'_, '_>, devices: &Place<'_, '_>, pod: &Pod<'_>) {
    let (mut names, mut paths): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for device in devices.items() {
        let (name, path) = (device.at("name"), device.at("devicePath"));
        name.needed();
        if names.contains(&name.text()) {
            name.invalid_text("must be unique");
        }
        match pod.volumes.get(name.text()) {
            None => name.not_found(name.text()),
            Some(volume) if volume.get("persistentVolumeClaim").or_else(|| volume.get("ephemeral")).is_none() => {
                let why = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
                name.invalid_text(why);
            }
            Some(_) => {}
        }
        path.needed();
        if paths.contains(&path.text()) {
            path.invalid_text("must be unique");
        }
        if path.text().split('/').any(|part| part == "..") {
            path.invalid_text("can not contain backsteps ('..')");
        } else {
            paths.push(path.text());
        }
        if taken(mounts, "name", name.text()) {
            name.invalid_text("must not already exist in volumeMounts");
        }
        if taken(mounts, "mountPath", path.text()) {
            path.invalid_text("must not already exist as a path in volumeMounts");
        }
        if !name.is_empty() {
            names.push(name.text());
        }
    }
}
