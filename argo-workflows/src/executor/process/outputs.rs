//! Results and output parameters of a process that has ended.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use super::{command::below, files::StepDir, is_below};
use crate::engine::{StepRequest, StepResult};

/// Most bytes of standard output that become a result: the last 256 KiB.
pub(super) const MAX_RESULT: u64 = 256 << 10;
/// Longest output parameter.
const MAX_PARAMETER: u64 = 1 << 20;

/// Fills in what the step gives. Parameters are read from failed steps, too, as far as they are there.
pub(super) fn collect(step: &StepRequest, dir: &StepDir, work: &Path, result: &mut StepResult) -> Result<(), String> {
    if step.include_result {
        let mut text = tail(&dir.stdout(), MAX_RESULT).map_err(|it| format!("reading standard output: {it}"))?;
        if text.ends_with('\n') {
            text.pop();
        }
        result.result = Some(text);
    }
    let mut first = Ok(());
    for it in step.template.outputs.iter().flat_map(|it| &it.parameters) {
        let Some(from) = &it.value_from else { continue };
        let Some(path) = &from.path else {
            if first.is_ok() && from.default.is_none() {
                first =
                    Err(format!("outputs.parameters.{}.valueFrom is not supported by the process executor", it.name));
            }
            continue;
        };
        match read(work, path) {
            Ok(text) => {
                result.parameters.insert(it.name.clone(), text);
            }
            Err(error) => {
                if first.is_ok() && from.default.is_none() {
                    first = Err(format!("outputs.parameters.{}: {path}: {error}", it.name));
                }
            }
        }
    }
    first
}

/// A file below the working directory, without one newline at its end.
fn read(work: &Path, path: &str) -> Result<String, String> {
    let path = below(work, path)?;
    let file = File::open(&path).map_err(|it| it.to_string())?;
    if !is_below(work, &path) {
        return Err("the path leads out of the working directory".to_owned());
    }
    let mut bytes = Vec::new();
    file.take(MAX_PARAMETER + 1).read_to_end(&mut bytes).map_err(|it| it.to_string())?;
    if bytes.len() as u64 > MAX_PARAMETER {
        return Err(format!("longer than {MAX_PARAMETER} bytes"));
    }
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

/// The last bytes of a file; an absent file is empty.
pub(super) fn tail(path: &Path, most: u64) -> io::Result<String> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(most)))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
