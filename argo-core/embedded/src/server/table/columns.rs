//! Columns of the built-in kinds, read from `columns.txt` once.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Value, json};

static COLUMNS: LazyLock<BTreeMap<&'static str, Vec<Value>>> = LazyLock::new(|| parse(include_str!("columns.txt")));

/// The column definitions of a built-in resource; name and age for those without a printer of their own.
pub(super) fn columns(group: &str, resource: &str) -> Vec<Value> {
    let group = if group.is_empty() { "core" } else { group };
    match COLUMNS.get(format!("{group}/{resource}").as_str()) {
        Some(columns) => columns.clone(),
        None => {
            let of = |index: usize| COLUMNS.get("core/namespaces").and_then(|columns| columns.get(index)).cloned();
            [of(0), of(2)].into_iter().flatten().collect()
        }
    }
}

/// A column definition.
pub(super) fn column(name: &str, kind: &str, format: &str, description: &str, priority: i64) -> Value {
    json!({ "name": name, "type": kind, "format": format, "description": description, "priority": priority })
}

fn parse(table: &'static str) -> BTreeMap<&'static str, Vec<Value>> {
    let mut columns: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    let mut descriptions: BTreeMap<&str, &str> = BTreeMap::new();
    let mut resource = "";
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        match fields[..] {
            [word, description] if word.starts_with('@') => {
                descriptions.insert(word, description);
            }
            [name] => resource = name,
            ["", name, kind, format, priority, description] => {
                let description = descriptions.get(description).copied().unwrap_or(description).replace("\\n", "\n");
                let format = if format == "-" { "" } else { format };
                columns.entry(resource).or_default().push(column(
                    name,
                    kind,
                    format,
                    &description,
                    priority.parse().unwrap_or(0),
                ));
            }
            _ => {}
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_as_many_cells_as_there_are_columns() {
        for def in crate::resources::builtin() {
            let cells =
                super::super::kinds::cells(def.group(), def.resource())(&json!({}), jiff::Timestamp::UNIX_EPOCH);
            let columns = columns(def.group(), def.resource());
            assert_eq!(cells.len(), columns.len(), "{}", def.served);
        }
    }
}
