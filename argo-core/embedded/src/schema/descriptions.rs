//! What types and fields mean and which values they take: the words of the API description that kube-apiserver serves
//! (the Kubernetes authors, Apache License 2.0), packed by `gen/main.go`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Unpacked with the first question: most clusters are never asked.
static DESCRIPTIONS: LazyLock<BTreeMap<String, Described>> = LazyLock::new(|| {
    let packed = include_bytes!("descriptions.deflate");
    match miniz_oxide::inflate::decompress_to_vec(packed) {
        Ok(text) => parse(&String::from_utf8_lossy(&text)),
        Err(error) => {
            tracing::error!(%error, "the descriptions of fields cannot be unpacked");
            BTreeMap::new()
        }
    }
});

/// A type in words.
#[derive(Debug, Default)]
pub(crate) struct Described {
    pub(crate) text: String,
    pub(crate) fields: BTreeMap<String, Meaning>,
}

/// A field in words.
#[derive(Debug, Default)]
pub(crate) struct Meaning {
    pub(crate) text: String,
    /// The values it takes; empty if any.
    pub(crate) values: Vec<String>,
}

/// A type of the table (`apps.v1.Deployment`) in words.
pub(crate) fn described(name: &str) -> Option<&'static Described> {
    DESCRIPTIONS.get(name)
}

fn parse(text: &str) -> BTreeMap<String, Described> {
    let mut types: BTreeMap<String, Described> = BTreeMap::new();
    let mut name = String::new();
    let unfold = |text: &str| text.replace("\\n", "\n");
    for line in text.lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        match columns[..] {
            ["", field, description, values] => {
                let values = values.split(',').filter(|value| !value.is_empty()).map(str::to_owned).collect();
                let meaning = Meaning { text: unfold(description), values };
                types.entry(name.clone()).or_default().fields.insert(field.to_owned(), meaning);
            }
            [type_name, description] => {
                type_name.clone_into(&mut name);
                types.entry(name.clone()).or_default().text = unfold(description);
            }
            _ => {}
        }
    }
    types
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_described_but_for_those_that_upstream_says_nothing_of() {
        let missing: Vec<&&str> = super::super::types().keys().filter(|name| described(name).is_none()).collect();
        assert!(missing.is_empty(), "{missing:?}");
        let strategy = described("apps.v1.DeploymentStrategy").expect("it is there");
        assert_eq!(strategy.fields["type"].values, ["Recreate", "RollingUpdate"]);
    }
}
