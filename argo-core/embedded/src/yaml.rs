//! Manifests: streams of YAML or JSON documents, lists taken apart.

use serde_json::Value;

/// The documents of a stream, empty ones left out.
pub(crate) fn documents(text: &str) -> Result<Vec<Value>, argo_lang::yaml::YamlError> {
    Ok(argo_lang::yaml::decode_all(text)?.into_iter().filter(|document| !document.is_null()).collect())
}

/// The objects of a stream: documents, with the items of lists in the place of the lists.
pub(crate) fn objects(text: &str) -> Result<Vec<Value>, argo_lang::yaml::YamlError> {
    let mut objects = Vec::new();
    for document in documents(text)? {
        let is_list = document.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List"));
        match document.get("items").and_then(Value::as_array) {
            Some(items) if is_list => objects.extend(items.iter().cloned()),
            _ => objects.push(document),
        }
    }
    Ok(objects)
}
