//! `resource.customizations`: health, actions and differences by kind.

use std::collections::BTreeMap;

use argo_lang::yaml;
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};

use super::SettingsFault;

/// What was configured for kinds, by `group/Kind`, by `Kind` (the core group), or with wildcards (`*/*`, `apps/*`).
pub type Overrides = BTreeMap<String, Override>;

/// Name of the key that holds them all, and prefix of those that hold one each.
const KEY: &str = "resource.customizations";

/// What was configured for a kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Override {
    /// A Lua script that judges health; empty for none.
    pub health_lua: String,
    /// Whether that script may use all of Lua's libraries.
    pub use_open_libs: bool,
    /// Actions, as YAML; empty for none.
    pub actions: String,
    /// Differences that do not count.
    pub ignore_differences: IgnoreRule,
    /// Changes of live objects that bring no Application up.
    pub ignore_resource_updates: IgnoreRule,
    /// Fields that hold values of known types.
    pub known_type_fields: Vec<KnownTypeField>,
}

/// Parts of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IgnoreRule {
    /// JSON pointers.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub json_pointers: Vec<String>,
    /// jq expressions that select.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub jq_path_expressions: Vec<String>,
    /// Field managers whose fields these are.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub managed_fields_managers: Vec<String>,
}

/// A field that holds a value of a known type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KnownTypeField {
    /// Path of the field, by dots.
    pub field: String,
    /// `core/v1/PodSpec`, `core/Quantity` …
    #[serde(rename = "type")]
    pub kind: String,
}

/// Go reads null as the empty value.
pub(super) fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(it: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(it)?.unwrap_or_default())
}

/// As `resource.customizations` holds them: rules are YAML in a text.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Raw {
    #[serde(rename = "health.lua", deserialize_with = "or_default")]
    health_lua: String,
    #[serde(rename = "health.lua.useOpenLibs", deserialize_with = "or_default")]
    use_open_libs: bool,
    #[serde(deserialize_with = "or_default")]
    actions: String,
    #[serde(rename = "ignoreDifferences", deserialize_with = "or_default")]
    ignore_differences: String,
    #[serde(rename = "ignoreResourceUpdates", deserialize_with = "or_default")]
    ignore_resource_updates: String,
    #[serde(rename = "knownTypeFields", deserialize_with = "or_default")]
    known_type_fields: Vec<KnownTypeField>,
}

/// Reads every key of `argocd-cm` that is about kinds; a key that can not be read is left out and said.
pub(super) fn read(data: &BTreeMap<String, String>, faults: &mut Vec<SettingsFault>) -> Overrides {
    let mut overrides = Overrides::new();
    if let Some(text) = data.get(KEY).filter(|it| !it.is_empty()) {
        match decode::<BTreeMap<String, Option<Raw>>>(text) {
            Ok(all) => {
                for (kind, raw) in all {
                    match whole(raw.unwrap_or_default()) {
                        Ok(it) => {
                            overrides.insert(kind, it);
                        }
                        Err(message) => faults.push(SettingsFault::new(KEY, format!("{kind}: {message}"))),
                    }
                }
            }
            Err(message) => faults.push(SettingsFault::new(KEY, message)),
        }
    }
    for (key, text) in data.iter().filter(|(key, _)| key.starts_with(KEY)) {
        let parts: Vec<&str> = key.splitn(4, '.').collect();
        let [_, _, what, kind] = parts[..] else { continue };
        if let Err(message) = split(&mut overrides, what, kind, text) {
            faults.push(SettingsFault::new(key, message));
        }
    }
    overrides
}

fn whole(raw: Raw) -> Result<Override, String> {
    Ok(Override {
        health_lua: raw.health_lua,
        use_open_libs: raw.use_open_libs,
        actions: raw.actions,
        ignore_differences: decode(&raw.ignore_differences)?,
        ignore_resource_updates: decode(&raw.ignore_resource_updates)?,
        known_type_fields: raw.known_type_fields,
    })
}

fn split(overrides: &mut Overrides, what: &str, kind: &str, text: &str) -> Result<(), String> {
    let parts: Vec<&str> = kind.split('_').collect();
    let kind = match parts[..] {
        ["all"] => "*/*".to_owned(),
        [group, kind] => format!("{group}/{kind}"),
        [kind] if !kind.is_empty() => kind.to_owned(),
        _ => {
            return Err(format!(
                "group kind should be in format `resource.customizations.<type>.<group_kind>` or \
                 resource.customizations.<type>.<kind>`, got group kind: '{kind}'"
            ));
        }
    };
    let mut it = overrides.get(&kind).cloned().unwrap_or_default();
    match what {
        "health" => text.clone_into(&mut it.health_lua),
        "useOpenLibs" => it.use_open_libs = super::config_map::boolean(text)?,
        "actions" => text.clone_into(&mut it.actions),
        "ignoreDifferences" => it.ignore_differences = decode(text)?,
        "ignoreResourceUpdates" => it.ignore_resource_updates = decode(text)?,
        "knownTypeFields" => it.known_type_fields = decode(text)?,
        _ => return Err(format!("resource customization type {what} not supported")),
    }
    overrides.insert(kind, it);
    Ok(())
}

/// YAML into a type; nothing at all is its empty value.
pub(super) fn decode<T: DeserializeOwned + Default>(text: &str) -> Result<T, String> {
    let value = yaml::decode(text).map_err(|it| it.to_string())?;
    let value: Option<T> = serde_json::from_value(value).map_err(|it| it.to_string())?;
    Ok(value.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(list: &[(&str, &str)]) -> (Overrides, Vec<String>) {
        let data = list.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let mut faults = Vec::new();
        let overrides = read(&data, &mut faults);
        (overrides, faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn split_keys_add_to_the_whole_one_and_replace_its_fields() {
        let whole = "apps/Deployment:\n  health.lua: old\n  actions: a\n  ignoreDifferences: |\n    jsonPointers: [/spec/x]\n\
                     '*/*':\n  ignoreResourceUpdates: |\n    jqPathExpressions: [.a]\n";
        let (overrides, faults) = of(&[
            ("resource.customizations", whole),
            ("resource.customizations.health.apps_Deployment", "new"),
            ("resource.customizations.useOpenLibs.apps_Deployment", "true"),
            ("resource.customizations.health.Pod", "pod"),
            ("resource.customizations.ignoreDifferences.all", "managedFieldsManagers:\n- hpa\njsonPointers:\n"),
            ("resource.customizations.knownTypeFields.example.com_Thing", "- {field: spec.a, type: core/Quantity}"),
        ]);
        assert_eq!(faults, [""; 0]);
        let deployment = &overrides["apps/Deployment"];
        assert_eq!((deployment.health_lua.as_str(), deployment.actions.as_str()), ("new", "a"));
        assert!(deployment.use_open_libs && deployment.ignore_differences.json_pointers == ["/spec/x"]);
        assert_eq!(overrides["Pod"].health_lua, "pod");
        let all = &overrides["*/*"];
        assert_eq!(all.ignore_differences.managed_fields_managers, ["hpa"]);
        assert_eq!(all.ignore_resource_updates.jq_path_expressions, [".a"]);
        assert_eq!(overrides["example.com/Thing"].known_type_fields[0].kind, "core/Quantity");
    }

    #[test]
    fn a_key_that_can_not_be_read_is_said_and_the_others_stand() {
        let (overrides, faults) = of(&[
            ("resource.customizations.health.a_b_c", "x"),
            ("resource.customizations.colour.Pod", "x"),
            ("resource.customizations.useOpenLibs.Pod", "maybe"),
            ("resource.customizations.ignoreDifferences.Pod", "jsonPointers: ["),
            ("resource.customizations.health.Service", "ok"),
        ]);
        assert_eq!(overrides.len(), 1);
        assert_eq!(faults.len(), 4, "{faults:?}");
        assert!(faults.iter().any(|it| it.contains("resource customization type colour not supported")), "{faults:?}");
        assert!(faults.iter().any(|it| it.contains("got group kind: 'a_b_c'")), "{faults:?}");
    }
}
