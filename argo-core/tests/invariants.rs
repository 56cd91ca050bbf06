//! What of the design's invariants can be read from the source, for the whole workspace.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            if !["target", ".git"].iter().any(|it| path.ends_with(it)) {
                sources(&path, into);
            }
        } else if path.extension().is_some_and(|it| it == "rs") {
            into.push(path);
        }
    }
}

fn in_room(path: &Path, room: &str) -> bool {
    path.components().any(|it| it.as_os_str() == room)
        || path.parent().is_some_and(|it| it.ends_with("src")) && path.file_stem().is_some_and(|it| it == room)
}

/// Lines of code: without comments and without what follows `#[cfg(test)]`.
fn code(path: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().enumerate().take_while(|(_, line)| !line.starts_with("#[cfg(test)]"));
    lines.filter(|(_, line)| !line.trim_start().starts_with("//")).map(|(i, line)| (i + 1, line.to_owned())).collect()
}

const PRODUCTS: [&str; 5] = ["argo-workflows", "argo-rollouts", "argo-cd", "argo-events", "argo-promote"];

#[test]
fn engines_and_wire_types_touch_nothing_outside() {
    let forbidden = [
        "tokio::",
        "reqwest::",
        "std::fs",
        "std::net",
        "std::process",
        "std::thread",
        "std::env",
        "kube::",
        "SystemTime",
        "Instant::now",
        "Timestamp::now",
        "Zoned::now",
        "axum::",
        "Clock::",
    ];
    let mut found = Vec::new();
    for product in PRODUCTS {
        let mut files = Vec::new();
        sources(&root().join(product).join("src"), &mut files);
        for file in files.iter().filter(|it| in_room(it, "engine") || in_room(it, "api")) {
            for (number, line) in code(file) {
                if let Some(word) = forbidden.iter().find(|it| line.contains(**it)) {
                    found.push(format!("{}:{number}: {word}", file.display()));
                }
            }
        }
    }
    assert!(found.is_empty(), "engine/ and api/ are pure:\n{}", found.join("\n"));
}

#[test]
fn dependencies_point_one_way() {
    let allowed: [(&str, &[&str]); 10] = [
        ("argo-core/merge", &[]),
        ("argo-core/lang", &[]),
        ("argo-core", &["argo-lang", "argo-merge"]),
        ("argo-core/embedded", &["argo-core", "argo-lang", "argo-merge"]),
        ("argo-workflows", &["argo-core", "argo-lang", "argo-merge"]),
        ("argo-rollouts", &["argo-core", "argo-lang", "argo-merge"]),
        ("argo-cd/render", &["argo-core", "argo-lang"]),
        ("argo-cd", &["argo-core", "argo-lang", "argo-merge", "argo-render"]),
        ("argo-events", &["argo-core", "argo-lang", "argo-merge"]),
        ("argo-promote", &["argo-cd", "argo-core", "argo-lang", "argo-merge", "argo-rollouts"]),
    ];
    for (folder, allowed) in allowed {
        let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        let dependencies = manifest.split("[dependencies]").nth(1).unwrap_or_default();
        let dependencies = dependencies.split("\n[").next().unwrap_or_default();
        for line in dependencies.lines().filter(|it| it.starts_with("argo-")) {
            let name = line.split(['.', ' ', '=']).next().unwrap();
            assert!(allowed.contains(&name), "{folder} must not depend on {name}");
        }
    }
}

#[test]
fn every_product_has_the_same_rooms() {
    for product in PRODUCTS {
        for room in ["api", "engine", "controller", "testing"] {
            let folder = root().join(product).join("src").join(room);
            assert!(folder.is_dir(), "{} is missing", folder.display());
        }
        assert!(root().join(product).join("tests/runner.rs").is_file(), "{product} has one test binary");
        assert!(root().join(product).join("PARITY.md").is_file(), "{product} says what it does");
    }
}

#[test]
fn nothing_is_left_unsaid_or_unfinished() {
    let mut files = Vec::new();
    sources(&root(), &mut files);
    let mut found = Vec::new();
    for file in files.iter().filter(|it| !it.ends_with("invariants.rs")) {
        for (number, line) in code(file) {
            for word in ["todo!(", "unimplemented!(", "allow(unsafe_code", "#[ignore]"] {
                if line.contains(word) {
                    found.push(format!("{}:{number}: {word}", file.display()));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_crate_takes_the_workspace_lints() {
    for folder in [
        "argo-core",
        "argo-core/lang",
        "argo-core/merge",
        "argo-core/embedded",
        "argo-cd/render",
        "examples",
        "benches",
    ]
    .iter()
    .chain(PRODUCTS.iter())
    {
        let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{folder}");
    }
}
