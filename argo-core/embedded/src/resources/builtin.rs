//! The built-in resources, read from `builtin.txt` once.

use std::sync::{Arc, LazyLock};

use super::{ALL_VERBS, NameRule, ResourceDef, ScalePaths, VersionDef};
use crate::store::GroupResource;

static BUILTIN: LazyLock<Vec<Arc<ResourceDef>>> = LazyLock::new(|| parse(include_str!("builtin.txt")));

/// The resources every cluster serves.
pub(crate) fn builtin() -> &'static [Arc<ResourceDef>] {
    &BUILTIN
}

/// Mutating admission policies, which are served on request.
pub(crate) fn mutating_policies() -> Vec<Arc<ResourceDef>> {
    parse(include_str!("beta.txt"))
}

fn parse(table: &str) -> Vec<Arc<ResourceDef>> {
    let mut defs: Vec<ResourceDef> = Vec::new();
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<&str> = line.split(' ').collect();
        let [group_version, plural, kind, singular, scope, flags, short_names, categories] = columns[..] else {
            continue;
        };
        let (group, version) = group_version.split_once('/').unwrap_or(("", group_version));
        let flag = |flag: char| flags.contains(flag);
        let names =
            |column: &str| if column == "-" { Vec::new() } else { column.split(',').map(str::to_owned).collect() };
        let version_def = VersionDef {
            name: version.to_owned(),
            status: flag('s'),
            scale: flag('S').then(scale_paths),
            custom: None,
        };
        let served = GroupResource::new(group, plural);
        if let Some(def) = defs.iter_mut().find(|def| def.served == served) {
            def.versions.push(version_def);
            continue;
        }
        let stored = if plural == "events" { GroupResource::new("", plural) } else { served.clone() };
        defs.push(ResourceDef {
            served,
            stored,
            kind: kind.to_owned(),
            list_kind: format!("{kind}List"),
            singular: singular.to_owned(),
            short_names: names(short_names),
            categories: names(categories),
            namespaced: scope == "N",
            versions: vec![version_def],
            storage_version: version.to_owned(),
            generation: flag('g'),
            create_on_update: flag('u'),
            review: flag('r'),
            returns_deleted: flag('d'),
            verbs: match () {
                () if flag('r') || plural == "bindings" => &["create"],
                () if flag('o') => &["get", "list"],
                () if flag('c') => &["create", "delete", "get", "list", "patch", "update", "watch"],
                () => ALL_VERBS,
            },
            names: match () {
                () if flag('l') => NameRule::Label,
                () if flag('L') => NameRule::Label1035,
                () if flag('n') => NameRule::PathSegment,
                () if plural == "poddisruptionbudgets" => NameRule::Any,
                () => NameRule::Subdomain,
            },
            builtin: true,
        });
    }
    defs.into_iter().map(Arc::new).collect()
}

fn scale_paths() -> ScalePaths {
    ScalePaths {
        spec: vec!["spec".to_owned(), "replicas".to_owned()],
        status: vec!["status".to_owned(), "replicas".to_owned()],
        selector: None,
    }
}
