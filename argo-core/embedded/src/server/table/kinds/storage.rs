//! Volumes, claims, classes and drivers.

use serde_json::Value;

use super::super::cells::{access_modes, age, flag, items, name, row, size, strings, text_or};
use super::{Cells, created_at};
use crate::server::meta;

pub(super) fn cells(group: &str, resource: &str) -> Option<Cells> {
    Some(match (group, resource) {
        ("", "persistentvolumeclaims") => |o, now| {
            let bound = !meta::text(o, "/spec/volumeName").is_empty();
            let (capacity, modes) = if bound {
                (text_or(o, "/status/capacity/storage", "0"), access_modes(o, "/status/accessModes"))
            } else {
                (String::new(), String::new())
            };
            row([
                name(o),
                phase(o),
                meta::text(o, "/spec/volumeName").into(),
                capacity.into(),
                modes.into(),
                class(o).into(),
                text_or(o, "/spec/volumeAttributesClassName", "<unset>").into(),
                age(o, now),
                text_or(o, "/spec/volumeMode", "<unset>").into(),
            ])
        },
        ("", "persistentvolumes") => |o, now| {
            let claim = o.pointer("/spec/claimRef").map_or_else(String::new, |claim| {
                format!("{}/{}", meta::text(claim, "/namespace"), meta::text(claim, "/name"))
            });
            row([
                name(o),
                text_or(o, "/spec/capacity/storage", "0").into(),
                access_modes(o, "/spec/accessModes").into(),
                meta::text(o, "/spec/persistentVolumeReclaimPolicy").into(),
                phase(o),
                claim.into(),
                class(o).into(),
                text_or(o, "/spec/volumeAttributesClassName", "<unset>").into(),
                meta::text(o, "/status/reason").into(),
                age(o, now),
                text_or(o, "/spec/volumeMode", "<unset>").into(),
            ])
        },
        ("storage.k8s.io", "storageclasses") => |o, now| {
            let is_default = ["storageclass.kubernetes.io", "storageclass.beta.kubernetes.io"]
                .iter()
                .any(|group| meta::text(o, &format!("/metadata/annotations/{group}~1is-default-class")) == "true");
            let shown = format!("{}{}", meta::name(o), if is_default { " (default)" } else { "" });
            row([
                shown.into(),
                meta::text(o, "/provisioner").into(),
                text_or(o, "/reclaimPolicy", "Delete").into(),
                text_or(o, "/volumeBindingMode", "Immediate").into(),
                flag(o, "/allowVolumeExpansion").into(),
                age(o, now),
            ])
        },
        ("storage.k8s.io", "volumeattachments") => |o, now| {
            row([
                name(o),
                meta::text(o, "/spec/attacher").into(),
                meta::text(o, "/spec/source/persistentVolumeName").into(),
                meta::text(o, "/spec/nodeName").into(),
                flag(o, "/status/attached").into(),
                age(o, now),
            ])
        },
        ("storage.k8s.io", "volumeattributesclasses") => {
            |o, now| row([name(o), meta::text(o, "/driverName").into(), age(o, now)])
        }
        ("storage.k8s.io", "csinodes") => |o, now| row([name(o), size(o, "/spec/drivers").into(), age(o, now)]),
        ("storage.k8s.io", "csidrivers") => |o, now| {
            let modes = strings(o, "/spec/volumeLifecycleModes").join(",");
            let tokens: Vec<&str> =
                items(o, "/spec/tokenRequests").iter().map(|token| meta::text(token, "/audience")).collect();
            let tokens = if tokens.is_empty() { "<unset>".to_owned() } else { tokens.join(",") };
            row([
                name(o),
                o.pointer("/spec/attachRequired").and_then(Value::as_bool).unwrap_or(true).into(),
                flag(o, "/spec/podInfoOnMount").into(),
                flag(o, "/spec/storageCapacity").into(),
                tokens.into(),
                flag(o, "/spec/requiresRepublish").into(),
                if modes.is_empty() { "<none>".to_owned() } else { modes }.into(),
                age(o, now),
            ])
        },
        ("storage.k8s.io", "csistoragecapacities") => created_at,
        _ => return None,
    })
}

fn phase(o: &Value) -> Value {
    Value::from(if meta::is_deleting(o) { "Terminating" } else { meta::text(o, "/status/phase") })
}

fn class(o: &Value) -> String {
    let old = meta::text(o, "/metadata/annotations/volume.beta.kubernetes.io~1storage-class");
    if old.is_empty() { meta::text(o, "/spec/storageClassName") } else { old }.to_owned()
}
