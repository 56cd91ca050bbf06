//! Files in volumes: of maps and secrets, of the pod's own fields, and several of them in one.

use super::super::place::Place;
use super::environment::{FILE_FIELDS, field_reference, resource_reference};
use super::volumes::unreserved;

/// The mode and the items of a volume of keys.
pub(super) fn mode_and_items(source: &Place<'_, '_>) {
    mode(source);
    source.at("items").items().for_each(|item| key_to_path(&item));
}

fn mode(source: &Place<'_, '_>) {
    let mode = source.at("defaultMode");
    if mode.is_set() {
        mode.file_mode();
    }
}

fn key_to_path(item: &Place<'_, '_>) {
    item.at("key").needed();
    item.at("path").needed();
    unreserved(&item.at("path"));
    if item.has("mode") {
        item.at("mode").file_mode();
    }
}

/// A volume of the pod's fields. Its files are named as if they were the volume.
pub(super) fn downward(source: &Place<'_, '_>) {
    mode(source);
    files(source);
}

fn files(source: &Place<'_, '_>) {
    let path = source.path();
    for item in source.at("items").items() {
        file(&source.elsewhere(item.value(), &path));
    }
}

fn file(file: &Place<'_, '_>) {
    file.at("path").needed();
    unreserved(&file.at("path"));
    let (field, resource) = (file.at("fieldRef"), file.at("resourceFieldRef"));
    if field.is_set() {
        field_reference(&field, &FILE_FIELDS);
        if resource.is_set() {
            file.wrong("resource", "fieldRef and resourceFieldRef can not be specified simultaneously");
        }
    } else if resource.is_set() {
        resource_reference(&resource, true);
    } else {
        file.required("one of fieldRef and resourceFieldRef is required");
    }
    if file.has("mode") {
        file.at("mode").file_mode();
    }
}

/// A volume of several sources; no two files may have one path.
pub(super) fn projected(volume: &Place<'_, '_>) {
    mode(volume);
    let mut paths: Vec<&str> = Vec::new();
    for source in volume.at("sources").items() {
        let mut sources = 0;
        for field in ["secret", "configMap"] {
            let inner = source.at(field);
            if inner.is_set() {
                sources += 1;
                inner.at("name").needed();
                for item in inner.at("items").items() {
                    key_to_path(&item);
                    claim_path(volume, &mut paths, item.at("path").text(), inner.at("name").text());
                }
            }
        }
        let downward = source.at("downwardAPI");
        if downward.is_set() {
            sources += 1;
            files(&downward);
            for item in downward.at("items").items() {
                let path = item.at("path").text();
                claim_path(volume, &mut paths, path, path);
            }
        }
        let token = source.at("serviceAccountToken");
        if token.is_set() {
            sources += 1;
            service_account_token(volume, &token);
        }
        if sources > 1 {
            source.forbidden("may not specify more than 1 volume type per source");
        }
    }
}

fn claim_path<'v>(volume: &Place<'_, '_>, paths: &mut Vec<&'v str>, path: &'v str, shown: &str) {
    if path.is_empty() {
        return;
    }
    if paths.contains(&path) {
        volume.wrong(shown, "conflicting duplicate paths");
    } else {
        paths.push(path);
    }
}

fn service_account_token(volume: &Place<'_, '_>, token: &Place<'_, '_>) {
    let seconds = token.at("expirationSeconds");
    if seconds.int() < 600 {
        seconds.invalid_int("may not specify a duration less than 10 minutes");
    }
    if seconds.int() > 1 << 32 {
        seconds.invalid_int("may not specify a duration larger than 2^32 seconds");
    }
    // Named as if it were a field of the volume.
    let path = volume.at("path").path();
    let place = volume.elsewhere(token.at("path").value(), &path);
    if place.is_empty() {
        place.required("");
    } else {
        unreserved(&place);
    }
}
