//! Patterns, names and formats.

use argo_lang::{fmt, gitignore, glob, names, regexp};
use serde_json::{Value, json};

use super::{Args, Field, Language, Outcome, error, op, optional, required};

const TEXT: &[Field] = &[required("text")];
const MATCH: &[Field] = &[required("pattern"), required("text")];
const IGNORE: &[Field] = &[required("rules"), required("path"), optional("directory", "false")];

pub(super) const LANGUAGES: &[Language] = &[
    Language {
        name: "glob",
        aliases: &[],
        ops: &[
            op("gobwas", MATCH, "whether it matches: `gobwas/glob` without separators", |args| {
                globbed(args, glob::Mode::Gobwas)
            }),
            op("gobwas_path", MATCH, "the same with `/` as separator", |args| globbed(args, glob::Mode::GobwasPath)),
            op("doublestar", MATCH, "whether it matches: `bmatcuk/doublestar`", |args| {
                globbed(args, glob::Mode::Doublestar)
            }),
            op("filepath", MATCH, "whether it matches: `filepath.Match`", |args| globbed(args, glob::Mode::FilePath)),
            op("gitignore", IGNORE, "whether git ignores it", |args| {
                let ignore = gitignore::Gitignore::parse(args.text(0)?).map_err(error)?;
                Ok(json!(ignore.is_ignored(args.text(1)?, args.flag(2)?)))
            }),
        ],
    },
    Language {
        name: "regex",
        aliases: &["regexp", "re2"],
        ops: &[
            op("match", MATCH, "whether it is found", |args| Ok(json!(regex(args)?.is_match(args.text(1)?)))),
            op("find", MATCH, "the first match, or null", |args| {
                Ok(regex(args)?.find(args.text(1)?).map_or(Value::Null, |it| json!(it.as_str())))
            }),
            op("find_all", MATCH, "the list of all matches", |args| {
                Ok(regex(args)?.find_iter(args.text(1)?).map(|it| json!(it.as_str())).collect())
            }),
            op("groups", MATCH, "the groups of the first match, unmatched ones `\"\"`; or null", |args| {
                Ok(regex(args)?
                    .captures(args.text(1)?)
                    .map_or(Value::Null, |it| it.iter().map(|it| json!(it.map_or("", |it| it.as_str()))).collect()))
            }),
            op(
                "replace",
                &[required("pattern"), required("text"), required("with")],
                "all matches replaced, `$1` and `${name}` expanded",
                |args| Ok(json!(regexp::replace_all(&regex(args)?, args.text(1)?, args.text(2)?))),
            ),
            op("quote_meta", TEXT, "the text with its special characters escaped", |args| {
                Ok(json!(regexp::quote_meta(args.text(0)?)))
            }),
        ],
    },
    Language {
        name: "fmt",
        aliases: &["printf", "sprintf"],
        ops: &[op(
            "sprintf",
            &[required("format"), optional("values", "…")],
            "text; `values` is a list, in `args` the rest of them",
            |args| Ok(json!(fmt::sprintf_values(args.text(0)?, &args.0[1..]))),
        )],
    },
    Language {
        name: "names",
        aliases: &["validation"],
        ops: &[
            op("dns1123_label", TEXT, "the list of complaints", |args| Ok(json!(names::dns1123_label(args.text(0)?)))),
            op("dns1123_subdomain", TEXT, "the list of complaints", |args| {
                Ok(json!(names::dns1123_subdomain(args.text(0)?)))
            }),
            op("dns1035_label", TEXT, "the list of complaints", |args| Ok(json!(names::dns1035_label(args.text(0)?)))),
            op("label_value", TEXT, "the list of complaints", |args| Ok(json!(names::label_value(args.text(0)?)))),
            op("qualified_name", TEXT, "the list of complaints", |args| {
                Ok(json!(names::qualified_name(args.text(0)?)))
            }),
            op("safe_encode", TEXT, "`rand.SafeEncodeString`", |args| Ok(json!(names::safe_encode(args.text(0)?)))),
        ],
    },
];

fn globbed(args: &Args, mode: glob::Mode) -> Outcome {
    Ok(json!(glob::Glob::new(args.text(0)?, mode).map_err(error)?.is_match(args.text(1)?)))
}

fn regex(args: &Args) -> Result<regex::Regex, super::Trouble> {
    regexp::compile(args.text(0)?).map_err(error)
}
