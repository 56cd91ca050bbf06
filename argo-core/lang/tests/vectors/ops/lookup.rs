//! Languages that find or change parts of a JSON value.

use argo_lang::{gjson, json_pointer, jsonpath};
use serde_json::{Value, json};

use super::{Args, Field, Language, error, op, optional, required};

const PATH: &[Field] = &[required("template"), required("data"), optional("allow_missing", "false")];

pub(super) const LANGUAGES: &[Language] = &[
    Language {
        name: "jsonpath",
        aliases: &["kubectl_jsonpath"],
        ops: &[
            op("render", PATH, "the text of the whole template, as `kubectl -o jsonpath=` prints it", |args| {
                path(args)?.render(args.value(1)).map(Value::String).map_err(error)
            }),
            op("find", PATH, "the list of the selected values", |args| {
                path(args)?.find(args.value(1)).map(Value::Array).map_err(error)
            }),
            op("relaxed", PATH, "the same for a path without braces", |args| {
                let path = jsonpath::JsonPath::parse_relaxed(args.text(0)?).map_err(error)?;
                let path = if args.flag(2)? { path.allow_missing() } else { path };
                path.find(args.value(1)).map(Value::Array).map_err(error)
            }),
        ],
    },
    Language {
        name: "gjson",
        aliases: &["sjson"],
        ops: &[
            op("get", &[required("json"), required("path")], "`{\"exists\": bool, \"value\"?: any}`", |args| {
                Ok(found(gjson::get(args.value(0), args.text(1)?).as_ref()))
            }),
            op("set", &[required("json"), required("path"), required("value")], "the changed value", |args| {
                let mut value = args.value(0).clone();
                gjson::set(&mut value, args.text(1)?, args.value(2).clone()).map(|()| value).map_err(error)
            }),
            op("delete", &[required("json"), required("path")], "the changed value", |args| {
                let mut value = args.value(0).clone();
                gjson::delete(&mut value, args.text(1)?).map(|_| value).map_err(error)
            }),
        ],
    },
    Language {
        name: "json_pointer",
        aliases: &["jsonpointer"],
        ops: &[
            op("get", &[required("data"), required("pointer")], "`{\"exists\": bool, \"value\"?: any}`", |args| {
                Ok(found(json_pointer::get(args.value(0), args.text(1)?)))
            }),
            op("set", &[required("data"), required("pointer"), required("value")], "the changed value", |args| {
                let mut value = args.value(0).clone();
                if json_pointer::set(&mut value, args.text(1)?, args.value(2).clone()) {
                    Ok(value)
                } else {
                    Err(error("the pointer leads nowhere"))
                }
            }),
            op("parse", &[required("pointer")], "the list of unescaped tokens", |args| {
                json_pointer::parse(args.text(0)?).map(|it| json!(it)).map_err(error)
            }),
        ],
    },
];

fn path(args: &Args) -> Result<jsonpath::JsonPath, super::Trouble> {
    let path = jsonpath::JsonPath::parse(args.text(0)?).map_err(error)?;
    Ok(if args.flag(2)? { path.allow_missing() } else { path })
}

fn found(value: Option<&Value>) -> Value {
    match value {
        Some(value) => json!({"exists": true, "value": value}),
        None => json!({"exists": false}),
    }
}
