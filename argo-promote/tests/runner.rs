//! One binary for all integration tests of this crate.

mod embedded;
mod fixtures;
mod git_steps;
mod registry;

/// Every file beside this one is a module of it.
#[test]
fn no_test_file_is_forgotten() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let runner = std::fs::read_to_string(folder.join("runner.rs")).unwrap();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(module) = name.strip_suffix(".rs").filter(|it| *it != "runner") {
            assert!(runner.contains(&format!("mod {module};")), "{name} is not in runner.rs");
        }
    }
}
