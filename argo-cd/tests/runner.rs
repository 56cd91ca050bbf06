//! The one integration test binary.

mod actions;
mod cluster;
mod clusters;
mod diffs;
mod git;
mod health;
mod plans;
mod projects;
mod real;
mod serverside;
mod support;
mod syncs;
mod tracking;
mod trees;
mod webhooks;
mod world;

/// A file that nobody names is a test that nobody runs.
#[test]
fn every_file_is_named() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let runner = std::fs::read_to_string(folder.join("runner.rs")).unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        if path.extension().is_some_and(|it| it == "rs") && stem != "runner" {
            assert!(runner.contains(&format!("mod {stem};")), "tests/{stem}.rs is not named in tests/runner.rs");
        }
    }
}
