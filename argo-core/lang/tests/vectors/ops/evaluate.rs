//! Languages that are evaluated over values.

use std::collections::BTreeMap;

use argo_lang::text_template::{Functions, MissingKey, Run, Template, Val};
use argo_lang::{expr, govaluate, tags};
use serde_json::{Value, json};

use super::{Args, Field, Language, Outcome, Trouble, error, op, optional, required};

const TEMPLATE: &[Field] = &[
    required("template"),
    optional("data", "{}"),
    optional("missingkey", "\"default\""),
    optional("templates", "{}"),
    optional("now", "null"),
    optional("seed", "null"),
];

const EXPR: &[Field] = &[
    required("source"),
    optional("env", "{}"),
    optional("functions", "\"none\""),
    optional("undefined", "\"error\""),
    optional("now", "null"),
];

const TAGS: &[Field] =
    &[required("template"), optional("scope", "{}"), optional("unknown", "\"keep\""), optional("now", "null")];

#[cfg(feature = "lua")]
const LUA: &[Field] =
    &[required("script"), optional("obj", "{}"), optional("now", "null"), optional("zone", "\"UTC\"")];

pub(super) const LANGUAGES: &[Language] = &[
    Language {
        name: "template",
        aliases: &["text_template", "gotemplate", "go_template"],
        ops: &[
            op("text", TEMPLATE, "the output of Go's `text/template`", |args| template(args, &Functions::builtin()))
                .exact(),
            op("sprig", TEMPLATE, "the same with Sprig's functions", |args| template(args, &Functions::sprig()))
                .exact(),
            op("helm", TEMPLATE, "the same with Sprig's and Helm's functions", |args| {
                template(args, &Functions::helm())
            })
            .exact(),
            op("application_set", TEMPLATE, "the same with the functions of an ApplicationSet", |args| {
                template(args, &Functions::application_set())
            })
            .exact(),
            op("notifications", TEMPLATE, "the same with the functions of a notification", |args| {
                template(args, &Functions::notifications())
            })
            .exact(),
        ],
    },
    Language {
        name: "expr",
        aliases: &["expr_lang", "expr-lang"],
        ops: &[op("eval", EXPR, "the result as JSON; times are RFC 3339, durations nanoseconds", |args| {
            let options = expr_options(args)?;
            let program = expr::Program::compile(args.text(0)?, &options).map_err(error)?;
            match args.time(4)? {
                Some(now) => program.eval_at(args.value(1), now),
                None => program.eval(args.value(1)),
            }
            .map_err(error)
        })],
    },
    Language {
        name: "expr_template",
        aliases: &["kargo"],
        ops: &[op("eval", EXPR, "the typed value of a string with `${{ }}` in it", |args| {
            let options = expr_options(args)?;
            let template = expr::template::Template::compile(args.text(0)?, &options).map_err(error)?;
            template.evaluate(args.value(1), args.time(4)?).map_err(error)
        })],
    },
    Language {
        name: "govaluate",
        aliases: &[],
        ops: &[
            op("eval", &[required("source"), optional("parameters", "{}")], "the result as JSON", |args| {
                govaluate::Expression::parse(args.text(0)?).and_then(|it| it.eval(args.value(1))).map_err(error)
            }),
            op("when", &[required("source")], "what a workflow's `when` gives: bare words are strings", |args| {
                govaluate::when(args.text(0)?).map(Value::Bool).map_err(error)
            })
            .exact(),
        ],
    },
    Language {
        name: "tags",
        aliases: &["argo_tags", "fasttemplate"],
        ops: &[
            op("render", TAGS, "the text with its `{{tags}}` and `{{=expressions}}` replaced", |args| {
                tags::substitute(args.text(0)?, &scope(args)?, &how(args)?).map(Value::String).map_err(error)
            }),
            op("document", TAGS, "a JSON document (`template`) with the tags in its strings replaced", |args| {
                tags::substitute_json(args.value(0), &scope(args)?, &how(args)?).map_err(error)
            }),
            op("json_text", TAGS, "JSON text with tags replaced by JSON-escaped values", |args| {
                tags::substitute_json_text(args.text(0)?, &scope(args)?, &how(args)?).map(Value::String).map_err(error)
            }),
        ],
    },
    #[cfg(feature = "lua")]
    Language {
        name: "lua",
        aliases: &[],
        ops: &[
            op("run", LUA, "the last value that the script returns; the object is the global `obj`", |args| {
                sandbox(args)?.run(args.text(0)?, args.value(1)).map_err(error)
            }),
            op("values", LUA, "the list of all values that it returns", |args| {
                sandbox(args)?.values(args.text(0)?, args.value(1)).map(Value::Array).map_err(error)
            }),
        ],
    },
];

#[cfg(feature = "lua")]
fn sandbox(args: &Args) -> Result<argo_lang::lua::Sandbox, Trouble> {
    let sandbox = argo_lang::lua::Sandbox::new().in_zone(args.zone(3)?);
    Ok(match args.time(2)? {
        Some(now) => sandbox.at(now),
        None => sandbox,
    })
}

fn template(args: &Args, functions: &Functions) -> Outcome {
    let missing = match args.text(2)? {
        "default" | "invalid" | "" => MissingKey::Invalid,
        "zero" => MissingKey::Zero,
        "error" => MissingKey::Error,
        other => return Err(Trouble::Input(format!("missingkey is default, zero or error, not {other:?}"))),
    };
    let mut template = Template::new("template", functions).missing_key(missing);
    for (name, text) in args.value(3).as_object().into_iter().flatten() {
        template = template.add(name, text.as_str().unwrap_or_default()).map_err(error)?;
    }
    let template = template.add("template", args.text(0)?).map_err(error)?;
    let run = Run { now: args.time(4)?, seed: args.value(5).as_u64(), ..Run::default() };
    template.execute_with("template", &Val::from_json(args.value(1)), &run).map(Value::String).map_err(error)
}

fn expr_options(args: &Args) -> Result<expr::Options, Trouble> {
    let options = match args.text(2)? {
        "none" => expr::Options::default(),
        "argo" => expr::argo::options(),
        "kargo" => expr::Options::with_functions(
            expr::Functions::new()
                .with("quote", |args| Ok(json!(expr::template::quote(args.first().unwrap_or(&Value::Null))))),
        ),
        other => return Err(Trouble::Input(format!("functions are none, argo or kargo, not {other:?}"))),
    };
    match args.text(3)? {
        "error" => Ok(options),
        "nil" => Ok(options.allow_undefined()),
        other => Err(Trouble::Input(format!("undefined is error or nil, not {other:?}"))),
    }
}

fn scope(args: &Args) -> Result<BTreeMap<String, Option<String>>, Trouble> {
    let Some(map) = args.value(1).as_object() else {
        return Err(Trouble::Input(
            "scope must be an object of strings; null is a known name without value".to_owned(),
        ));
    };
    Ok(map.iter().map(|(name, value)| (name.clone(), value.as_str().map(str::to_owned))).collect())
}

fn how(args: &Args) -> Result<tags::Render, Trouble> {
    let unknown = match args.text(2)? {
        "keep" => tags::Unknown::Keep,
        "fail" => tags::Unknown::Fail,
        "references" => tags::Unknown::references(),
        other => return Err(Trouble::Input(format!("unknown is keep, fail or references, not {other:?}"))),
    };
    Ok(tags::Render { now: args.time(3)?, ..tags::Render::with_unknown(unknown) })
}
