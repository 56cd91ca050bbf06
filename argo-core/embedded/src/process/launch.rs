//! What it takes to start a container, read from its pod: nothing is started here.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::LocalImage;

/// A container ready to start.
#[derive(Clone)]
pub(crate) struct Launch {
    /// The pod, as a directory name.
    pub(crate) pod: String,
    pub(crate) container: String,
    pub(crate) image: LocalImage,
    pub(crate) command: Vec<String>,
    /// In order; may hold secrets.
    pub(crate) env: Vec<(String, String)>,
    pub(crate) working_dir: String,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) termination_path: String,
    pub(crate) message_from_logs: bool,
}

/// A volume where a container wants it.
#[derive(Clone)]
pub(crate) struct Mount {
    pub(crate) volume: String,
    pub(crate) source: Source,
    pub(crate) path: String,
    pub(crate) sub_path: String,
}

/// What is in a volume.
#[derive(Clone)]
pub(crate) enum Source {
    /// Nothing to begin with; shared by the pod.
    Empty,
    /// Files by name.
    Files(BTreeMap<String, Vec<u8>>),
    /// A path of the machine.
    Host(String),
}

/// Finds an object of the pod's namespace: kind (`ConfigMap`, `Secret`) and name.
pub(crate) type Find<'a> = &'a dyn Fn(&str, &str) -> Option<Arc<Value>>;

/// Neither variables nor files are shown: they may be secret.
impl fmt::Debug for Launch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launch").field("pod", &self.pod).field("container", &self.container).finish_non_exhaustive()
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

impl Launch {
    /// Reads what a container needs.
    ///
    /// The error says what is missing, in the kubelet's words for `CreateContainerConfigError`.
    pub(crate) fn of(pod: &Value, container: &Value, image: &LocalImage, find: Find<'_>) -> Result<Self, String> {
        let env = environment(pod, container, image, find)?;
        let words = |pointer: &str| {
            list(container, pointer).iter().filter_map(Value::as_str).map(|word| expand(word, &env)).collect::<Vec<_>>()
        };
        let (command, args) = (words("/command"), words("/args"));
        let command = match (command.is_empty(), args.is_empty()) {
            (false, _) => [command, args].concat(),
            (true, false) => [image.entrypoint.clone(), args].concat(),
            (true, true) => [image.entrypoint.clone(), image.cmd.clone()].concat(),
        };
        if command.is_empty() {
            return Err("no command specified".to_owned());
        }
        let mut mounts = Vec::new();
        for mount in list(container, "/volumeMounts") {
            let volume = text(mount, "/name");
            let spec = list(pod, "/spec/volumes").iter().find(|it| text(it, "/name") == volume);
            let source = spec.map_or(Ok(Source::Empty), |spec| source(pod, spec, find))?;
            let sub_path = text(mount, "/subPath").to_owned();
            mounts.push(Mount {
                volume: volume.to_owned(),
                source,
                path: text(mount, "/mountPath").to_owned(),
                sub_path,
            });
        }
        let metadata = |field: &str| text(pod, &format!("/metadata/{field}")).to_owned();
        let termination_path = Some(text(container, "/terminationMessagePath"))
            .filter(|it| !it.is_empty())
            .unwrap_or("/dev/termination-log");
        Ok(Self {
            pod: format!("{}_{}_{}", metadata("namespace"), metadata("name"), metadata("uid")),
            container: text(container, "/name").to_owned(),
            image: image.clone(),
            command,
            env,
            working_dir: text(container, "/workingDir").to_owned(),
            mounts,
            termination_path: termination_path.to_owned(),
            message_from_logs: text(container, "/terminationMessagePolicy") == "FallbackToLogsOnError",
        })
    }
}

fn environment(
    pod: &Value,
    container: &Value,
    image: &LocalImage,
    find: Find<'_>,
) -> Result<Vec<(String, String)>, String> {
    let mut env: Vec<(String, String)> = image.env.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    for from in list(container, "/envFrom") {
        let prefix = text(from, "/prefix");
        for (kind, member) in [("ConfigMap", "configMapRef"), ("Secret", "secretRef")] {
            let Some(reference) = from.get(member) else { continue };
            let Some(data) = data(kind, text(reference, "/name"), optional(reference), find)? else { continue };
            env.extend(
                data.into_iter()
                    .map(|(key, value)| (format!("{prefix}{key}"), String::from_utf8_lossy(&value).into_owned())),
            );
        }
    }
    for variable in list(container, "/env") {
        let name = text(variable, "/name").to_owned();
        let from = &variable["valueFrom"];
        let mut value = variable.get("value").and_then(Value::as_str).map(|value| expand(value, &env));
        for (kind, member) in [("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")] {
            let Some(reference) = from.get(member) else { continue };
            let (object, key) = (text(reference, "/name"), text(reference, "/key"));
            let found = data(kind, object, optional(reference), find)?.and_then(|mut data| data.remove(key));
            match found {
                Some(found) => value = Some(String::from_utf8_lossy(&found).into_owned()),
                None if optional(reference) => {}
                None => {
                    return Err(format!(
                        "couldn't find key {key} in {kind} {}/{object}",
                        text(pod, "/metadata/namespace")
                    ));
                }
            }
        }
        if let Some(path) = from.pointer("/fieldRef/fieldPath").and_then(Value::as_str) {
            value = Some(field(pod, path));
        }
        if let Some(value) = value {
            env.retain(|(other, _)| *other != name);
            env.push((name, value));
        }
    }
    Ok(env)
}

fn optional(reference: &Value) -> bool {
    reference.get("optional").and_then(Value::as_bool).unwrap_or(false)
}

/// The data of a ConfigMap or Secret; nothing when it is missing and may be.
fn data(kind: &str, name: &str, optional: bool, find: Find<'_>) -> Result<Option<BTreeMap<String, Vec<u8>>>, String> {
    let Some(object) = find(kind, name) else {
        return if optional { Ok(None) } else { Err(format!("{} {name:?} not found", kind.to_lowercase())) };
    };
    let mut out = BTreeMap::new();
    let members =
        |field: &str| object.get(field).and_then(Value::as_object).into_iter().flat_map(Map::iter).collect::<Vec<_>>();
    for (key, value) in members("data") {
        let value = value.as_str().unwrap_or_default();
        let bytes =
            if kind == "Secret" { STANDARD.decode(value).unwrap_or_default() } else { value.as_bytes().to_vec() };
        out.insert(key.clone(), bytes);
    }
    for (key, value) in members("binaryData") {
        out.insert(key.clone(), STANDARD.decode(value.as_str().unwrap_or_default()).unwrap_or_default());
    }
    Ok(Some(out))
}

/// The value of a downward API field.
fn field(pod: &Value, path: &str) -> String {
    if let Some((map, key)) = path.strip_suffix("']").and_then(|it| it.split_once("['")) {
        return pod
            .pointer(&format!("/{}", map.replace('.', "/")))
            .and_then(|it| it.get(key))
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
    }
    match pod.pointer(&format!("/{}", path.replace('.', "/"))) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Object(members)) => {
            let lines: Vec<String> = members.iter().map(|(key, value)| format!("{key}={value}")).collect();
            lines.join("\n")
        }
        _ => String::new(),
    }
}

fn source(pod: &Value, spec: &Value, find: Find<'_>) -> Result<Source, String> {
    if let Some(path) = spec.pointer("/hostPath/path").and_then(Value::as_str) {
        return Ok(Source::Host(path.to_owned()));
    }
    for (kind, member, name) in [("ConfigMap", "configMap", "name"), ("Secret", "secret", "secretName")] {
        let Some(reference) = spec.get(member) else { continue };
        let data =
            data(kind, reference.get(name).and_then(Value::as_str).unwrap_or_default(), optional(reference), find)?
                .unwrap_or_default();
        let items = list(reference, "/items");
        if items.is_empty() {
            return Ok(Source::Files(data));
        }
        let chosen = items
            .iter()
            .filter_map(|item| Some((text(item, "/path").to_owned(), data.get(text(item, "/key"))?.clone())));
        return Ok(Source::Files(chosen.collect()));
    }
    if spec.get("downwardAPI").is_some() {
        let items = list(spec, "/downwardAPI/items").iter();
        return Ok(Source::Files(
            items
                .map(|item| {
                    (text(item, "/path").to_owned(), field(pod, text(item, "/fieldRef/fieldPath")).into_bytes())
                })
                .collect(),
        ));
    }
    Ok(Source::Empty)
}

/// `$(NAME)` becomes its value, `$$` a dollar; unknown names stay.
fn expand(text: &str, env: &[(String, String)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|it| it.split_once(')')) {
            match env.iter().rev().find(|(other, _)| other == name) {
                Some((_, value)) => out.push_str(value),
                None => out.push_str(&format!("$({name})")),
            }
            rest = after;
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn launch(container: &Value, find: Find<'_>) -> Result<Launch, String> {
        let pod = json!({
            "metadata": {"name": "p", "namespace": "n", "uid": "u", "labels": {"app": "web"}},
            "spec": {"volumes": [{"name": "c", "configMap": {"name": "settings", "items": [{"key": "a", "path": "x/a"}]}}]},
        });
        let image = LocalImage::at("/images/a").entrypoint(["serve"]).env("IMAGE", "1");
        Launch::of(&pod, container, &image, find)
    }

    fn nothing(_: &str, _: &str) -> Option<Arc<Value>> {
        None
    }

    #[test]
    fn commands_and_arguments_follow_the_rules_of_images() {
        let words = |container: Value| launch(&container, &nothing).unwrap().command;
        assert_eq!(words(json!({"name": "c"})), ["serve"]);
        assert_eq!(words(json!({"name": "c", "args": ["-v"]})), ["serve", "-v"]);
        assert_eq!(words(json!({"name": "c", "command": ["sh"], "args": ["-c", "x"]})), ["sh", "-c", "x"]);
    }

    #[test]
    fn variables_refer_to_earlier_ones_and_to_the_pod() {
        let container = json!({"name": "c", "command": ["echo", "$(B)", "$$(B)", "$(NONE)"], "env": [
            {"name": "A", "value": "1"}, {"name": "B", "value": "$(A)-2"},
            {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        ]});
        let launch = launch(&container, &nothing).unwrap();
        assert_eq!(launch.command, ["echo", "1-2", "$(B)", "$(NONE)"]);
        let value = |name: &str| launch.env.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
        assert_eq!((value("POD"), value("APP"), value("IMAGE")), (Some("p"), Some("web"), Some("1")));
    }

    #[test]
    fn what_is_missing_is_named_unless_it_is_optional() {
        let reference = |optional: bool| json!({"name": "c", "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": optional}}}]});
        assert_eq!(launch(&reference(false), &nothing).unwrap_err(), "secret \"s\" not found");
        assert!(launch(&reference(true), &nothing).is_ok());
        let empty = |_: &str, _: &str| Some(Arc::new(json!({"data": {}})));
        assert_eq!(launch(&reference(false), &empty).unwrap_err(), "couldn't find key k in Secret n/s");
    }

    #[test]
    fn chosen_items_of_a_config_map_become_files() {
        let find = |_: &str, _: &str| Some(Arc::new(json!({"data": {"a": "1", "b": "2"}})));
        let launch =
            launch(&json!({"name": "c", "volumeMounts": [{"name": "c", "mountPath": "/etc/c"}]}), &find).unwrap();
        let Source::Files(files) = &launch.mounts[0].source else { panic!("files") };
        assert_eq!(
            files.iter().map(|(path, data)| (path.as_str(), data.as_slice())).collect::<Vec<_>>(),
            [("x/a", b"1".as_slice())]
        );
    }

    #[test]
    fn secrets_do_not_show() {
        let find = |_: &str, _: &str| Some(Arc::new(json!({"data": {"k": "aHVzaA=="}})));
        let container =
            json!({"name": "c", "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]});
        let launch = launch(&container, &find).unwrap();
        assert!(launch.env.contains(&("A".to_owned(), "hush".to_owned())));
        assert!(!format!("{launch:?}").contains("hush"));
    }
}
