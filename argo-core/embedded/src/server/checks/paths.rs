//! Files of one volume that lie in each other's way.

use super::place::{Place, quoted};

/// A path in a volume, and of which of several sources it is.
#[derive(Clone, PartialEq, Eq)]
struct Mapped {
    path: String,
    source: String,
}

impl Mapped {
    fn shown(&self) -> String {
        match self.source.as_str() {
            "" => quoted(&self.path),
            source => format!("{} ({source})", quoted(&self.path)),
        }
    }

    /// Whether one is the other, or within it.
    fn meets(&self, other: &Self) -> bool {
        let (one, two) = (format!("{}/", self.path), format!("{}/", other.path));
        !self.path.is_empty() && !other.path.is_empty() && (one.starts_with(&two) || two.starts_with(&one))
    }
}

/// Warns of paths that meet within one volume.
pub(super) fn overlapping(volumes: &Place<'_, '_>, warnings: &mut Vec<String>) {
    for volume in volumes.items() {
        let name = quoted(volume.at("name").text());
        for (field, shown, named) in
            [("configMap", "ConfigMap", "name"), ("secret", "Secret", "secretName"), ("downwardAPI", "DownwardAPI", "")]
        {
            let source = volume.at(field);
            let shown = match named {
                "" => shown.to_owned(),
                named => format!("{shown} {}", quoted(source.at(named).text())),
            };
            let meetings = meetings(items(&source, ""));
            warnings.extend(meetings.iter().map(|it| format!("volume {name} ({shown}): overlapping paths: {it}")));
        }
        let mut all = Vec::new();
        for source in volume.at("projected.sources").items() {
            if source.is_empty() {
                warnings.push(format!("volume {name} (Projected) has no sources provided"));
                continue;
            }
            all.extend(projection(&source));
        }
        let meetings = meetings(all);
        warnings.extend(meetings.iter().map(|it| format!("volume {name} (Projected): overlapping paths: {it}")));
    }
}

fn items(source: &Place<'_, '_>, of: &str) -> Vec<Mapped> {
    let path = |item: Place<'_, '_>| item.at("path").text().trim_end_matches('/').to_owned();
    source.at("items").items().map(|item| Mapped { path: path(item), source: of.to_owned() }).collect()
}

fn projection(source: &Place<'_, '_>) -> Vec<Mapped> {
    for (field, shown) in [("configMap", "ConfigMap"), ("secret", "Secret")] {
        let inner = source.at(field);
        if !inner.at("items").is_empty() {
            return items(&inner, &format!("{shown} {}", quoted(inner.at("name").text())));
        }
    }
    if !source.at("downwardAPI.items").is_empty() {
        return items(&source.at("downwardAPI"), "DownwardAPI");
    }
    let token = source.at("serviceAccountToken");
    if token.is_set() {
        let path = token.at("path").text().trim_end_matches('/').to_owned();
        return vec![Mapped { path, source: "ServiceAccountToken".to_owned() }];
    }
    Vec::new()
}

fn meetings(paths: Vec<Mapped>) -> Vec<String> {
    let mut found = Vec::new();
    for (index, one) in paths.iter().enumerate() {
        let others = paths[..index].iter().filter(|other| one.meets(other));
        found.extend(others.map(|other| format!("{} with {}", one.shown(), other.shown())));
    }
    found
}
