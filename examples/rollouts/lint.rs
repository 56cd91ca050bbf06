//! `kubectl argo rollouts lint` over files and folders, without a cluster.
//!
//! cargo run --example rollouts-lint -- --help

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use argo_rollouts::lint;

const HELP: &str = "\
Says what upstream's `kubectl argo rollouts lint` says of manifests.

cargo run --example rollouts-lint -- PATH…
  PATH   a file, or a folder whose .yaml, .yml and .json files are read, and those of its folders

Prints a line for every file: `FILE: ok`, or `FILE: ` and what is wrong first. Ends with 1 where anything is.
";

fn main() -> ExitCode {
    match run(env::args().skip(1).collect()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("rollouts-lint: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Vec<String>) -> Result<bool> {
    if arguments.iter().any(|it| it == "-h" || it == "--help") {
        print!("{HELP}");
        return Ok(true);
    }
    if arguments.is_empty() {
        bail!("a file or a folder is needed");
    }
    let mut files = Vec::new();
    for path in arguments {
        gather(Path::new(&path), &mut files, true)?;
    }
    files.sort();
    let mut bad = 0;
    for file in &files {
        let text = fs::read_to_string(file).with_context(|| format!("{} can not be read", file.display()))?;
        match lint(&text).first() {
            None => println!("{}: ok", file.display()),
            Some(error) => {
                bad += 1;
                println!("{}: {error}", file.display());
            }
        }
    }
    println!("{} of {} files are valid", files.len() - bad, files.len());
    Ok(bad == 0)
}

/// Files of manifests below a path; the path itself whatever its name.
fn gather(path: &Path, files: &mut Vec<PathBuf>, named: bool) -> Result<()> {
    let reads = || format!("{} can not be read", path.display());
    if fs::metadata(path).with_context(reads)?.is_dir() {
        for entry in fs::read_dir(path).with_context(reads)? {
            gather(&entry.with_context(reads)?.path(), files, false)?;
        }
    } else if named || path.extension().is_some_and(|it| it == "yaml" || it == "yml" || it == "json") {
        files.push(path.to_owned());
    }
    Ok(())
}
