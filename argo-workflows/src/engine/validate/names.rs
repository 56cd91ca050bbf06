//! Rules for names.

/// What is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// Templates, steps, tasks.
    Field,
    /// Parameters and artifacts.
    Value,
}

/// Every name is there, well-formed and used once.
pub(super) fn field_names<'n>(names: impl Iterator<Item = &'n str>, named: Named) -> Result<(), String> {
    let mut seen = std::collections::BTreeSet::new();
    for (i, name) in names.enumerate() {
        if name.is_empty() {
            return Err(format!("[{i}].name is required"));
        }
        let fault = match named {
            Named::Field => field_name(name),
            Named::Value => value_name(name),
        };
        if let Err(fault) = fault {
            return Err(format!("[{i}].name: '{name}' is invalid: {fault}"));
        }
        if !seen.insert(name) {
            return Err(format!("[{i}].name '{name}' is not unique"));
        }
    }
    Ok(())
}

/// A template's, step's or task's name; tags in it are taken for letters.
pub(super) fn field_name(name: &str) -> Result<(), String> {
    let mut faults = Vec::new();
    if name.len() > 128 {
        faults.push("must be no more than 128 characters".to_owned());
    }
    let plain = name.chars().all(|it| it.is_ascii_alphanumeric() || it == '-');
    if !plain || !name.starts_with(|it: char| it.is_ascii_alphanumeric()) {
        faults.push(
            "name must consist of alpha-numeric characters or '-', and must start with an alpha-numeric character (e.g. My-name1-2, 123-NAME)"
                .to_owned(),
        );
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.join(";")) }
}

/// A parameter's or artifact's name.
pub(super) fn value_name(name: &str) -> Result<(), String> {
    let plain = |it: char| it.is_ascii_alphanumeric() || it == '-' || it == '_';
    if !name.is_empty() && name.chars().all(plain) {
        return Ok(());
    }
    Err("Parameter/Artifact name must consist of alpha-numeric characters, '_' or '-' e.g. my_param_1, MY-PARAM-1"
        .to_owned())
}

/// Containers that the executor adds to a pod.
pub(super) fn is_reserved(container: &str) -> bool {
    container == "wait" || container == "supervisor" || container.starts_with("artifact-plugin-")
}
