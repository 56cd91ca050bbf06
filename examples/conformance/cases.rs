//! Manifests and what is recorded of them.

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::args::Args;

/// One manifest with its recording.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// Objects of the manifest, in order; `Err` where it can not be read.
    pub(crate) objects: Result<Vec<Value>, String>,
    /// The recorded runs, in the order of the workflows in the manifest.
    pub(crate) recorded: Vec<Value>,
    /// What the API server said where it refused.
    pub(crate) rejected: Option<String>,
}

/// Reads every recording below the directory, with its manifest.
pub(crate) fn read(args: &Args) -> Result<Vec<Case>> {
    let folder = args.dir.join("expected");
    let files = std::fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut names: Vec<String> = Vec::new();
    for file in files {
        let name = file?.file_name().to_string_lossy().into_owned();
        if let Some(name) = name.strip_suffix(".json") {
            names.push(name.to_owned());
        }
    }
    names.retain(|it| args.only.is_empty() || args.only.iter().any(|only| it.contains(only.as_str())));
    names.sort();
    if names.is_empty() {
        bail!("nothing to compare in {}", folder.display());
    }
    names.into_iter().map(|it| case(args, it)).collect()
}

fn case(args: &Args, name: String) -> Result<Case> {
    let manifest = args.dir.join("manifests").join(&name);
    let text = std::fs::read_to_string(&manifest).with_context(|| format!("reading {}", manifest.display()))?;
    let file = args.dir.join("expected").join(format!("{name}.json"));
    let bytes = std::fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
    let recorded: Value = serde_json::from_slice(&bytes).with_context(|| format!("reading {}", file.display()))?;
    let rejected = match recorded.get("rejected") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(other) => Some(other.to_string()),
    };
    Ok(Case {
        objects: argo_lang::yaml::decode_all(&text).map_err(|it| it.to_string()),
        recorded: recorded.get("workflows").and_then(Value::as_array).cloned().unwrap_or_default(),
        rejected,
        name,
    })
}
