//! YAML and JSON text.

use argo_lang::{gojson, yaml};
use serde_json::{Value, json};

use super::{Language, error, op, optional, required};

pub(super) const LANGUAGES: &[Language] = &[
    Language {
        name: "yaml",
        aliases: &["yml"],
        ops: &[
            op("decode", &[required("text")], "the value of the first document; of equal keys the last wins", |args| {
                yaml::decode_with(args.text(0)?, &yaml::Options::lenient()).map_err(error)
            }),
            op("decode_strict", &[required("text")], "the same; equal keys are an error", |args| {
                yaml::decode(args.text(0)?).map_err(error)
            }),
            op("decode_all", &[required("text")], "the list of all documents", |args| {
                yaml::decode_all(args.text(0)?).map(Value::Array).map_err(error)
            }),
            op(
                "kustomize",
                &[required("text")],
                "the value as Kustomize reads it: only true and false are bools",
                |args| yaml::decode_with(args.text(0)?, &yaml::Options::kustomize()).map_err(error),
            ),
            op("encode", &[required("value")], "YAML text as `sigs.k8s.io/yaml` writes it", |args| {
                Ok(json!(yaml::to_yaml(args.value(0))))
            }),
            op("encode_pretty", &[required("value")], "YAML text with lists indented, as `toYamlPretty`", |args| {
                Ok(json!(yaml::to_yaml_pretty(args.value(0))))
            }),
            op(
                "edit",
                &[required("text"), required("key"), required("value")],
                "the text with one value replaced at a dotted key",
                |args| yaml::edit::set(args.text(0)?, args.text(1)?, args.value(2)).map(Value::String).map_err(error),
            ),
        ],
    },
    Language {
        name: "json",
        aliases: &["gojson"],
        ops: &[
            op("encode", &[required("value"), optional("html", "true")], "text as `json.Marshal` writes it", |args| {
                let write = if args.flag(1)? { gojson::to_string } else { gojson::to_string_raw };
                Ok(json!(write(args.value(0))))
            }),
            op(
                "encode_indent",
                &[required("value"), optional("indent", "\"  \"")],
                "text as `json.MarshalIndent` writes it",
                |args| Ok(json!(gojson::to_string_indent(args.value(0), args.text(1)?))),
            ),
        ],
    },
];
