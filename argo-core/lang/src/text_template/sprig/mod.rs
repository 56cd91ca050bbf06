//! Sprig 3.3, the generic map, without what makes keys and certificates.

mod casts;
mod convert;
mod dates;
mod dicts;
mod lists;
mod numbers;
mod strings;

use super::exec::Context;
use super::value::Val;

const MANY: usize = usize::MAX;

/// Name, fewest and most arguments.
pub(crate) const TABLE: [(&str, usize, usize); 196] = [
    ("abbrev", 2, 2),
    ("abbrevboth", 3, 3),
    ("add", 0, MANY),
    ("add1", 1, 1),
    ("add1f", 1, 1),
    ("addf", 0, MANY),
    ("adler32sum", 1, 1),
    ("ago", 1, 1),
    ("all", 0, MANY),
    ("any", 0, MANY),
    ("append", 2, 2),
    ("atoi", 1, 1),
    ("b32dec", 1, 1),
    ("b32enc", 1, 1),
    ("b64dec", 1, 1),
    ("b64enc", 1, 1),
    ("base", 1, 1),
    ("biggest", 1, MANY),
    ("camelcase", 1, 1),
    ("cat", 0, MANY),
    ("ceil", 1, 1),
    ("chunk", 2, 2),
    ("clean", 1, 1),
    ("coalesce", 0, MANY),
    ("compact", 1, 1),
    ("concat", 0, MANY),
    ("contains", 2, 2),
    ("date", 2, 2),
    ("dateInZone", 3, 3),
    ("dateModify", 2, 2),
    ("date_in_zone", 3, 3),
    ("date_modify", 2, 2),
    ("deepCopy", 1, 1),
    ("deepEqual", 2, 2),
    ("default", 1, MANY),
    ("dict", 0, MANY),
    ("dig", 0, MANY),
    ("dir", 1, 1),
    ("div", 2, 2),
    ("divf", 1, MANY),
    ("duration", 1, 1),
    ("durationRound", 1, 1),
    ("empty", 1, 1),
    ("ext", 1, 1),
    ("fail", 1, 1),
    ("first", 1, 1),
    ("float64", 1, 1),
    ("floor", 1, 1),
    ("fromJson", 1, 1),
    ("get", 2, 2),
    ("getHostByName", 1, 1),
    ("has", 2, 2),
    ("hasKey", 2, 2),
    ("hasPrefix", 2, 2),
    ("hasSuffix", 2, 2),
    ("hello", 0, 0),
    ("htmlDate", 1, 1),
    ("htmlDateInZone", 2, 2),
    ("indent", 2, 2),
    ("initial", 1, 1),
    ("initials", 1, 1),
    ("int", 1, 1),
    ("int64", 1, 1),
    ("isAbs", 1, 1),
    ("join", 2, 2),
    ("kebabcase", 1, 1),
    ("keys", 0, MANY),
    ("kindIs", 2, 2),
    ("kindOf", 1, 1),
    ("last", 1, 1),
    ("list", 0, MANY),
    ("lower", 1, 1),
    ("max", 1, MANY),
    ("maxf", 1, MANY),
    ("merge", 1, MANY),
    ("mergeOverwrite", 1, MANY),
    ("min", 1, MANY),
    ("minf", 1, MANY),
    ("mod", 2, 2),
    ("mul", 1, MANY),
    ("mulf", 1, MANY),
    ("mustAppend", 2, 2),
    ("mustChunk", 2, 2),
    ("mustCompact", 1, 1),
    ("mustDateModify", 2, 2),
    ("mustDeepCopy", 1, 1),
    ("mustFirst", 1, 1),
    ("mustFromJson", 1, 1),
    ("mustHas", 2, 2),
    ("mustInitial", 1, 1),
    ("mustLast", 1, 1),
    ("mustMerge", 1, MANY),
    ("mustMergeOverwrite", 1, MANY),
    ("mustPrepend", 2, 2),
    ("mustPush", 2, 2),
    ("mustRegexFind", 2, 2),
    ("mustRegexFindAll", 3, 3),
    ("mustRegexMatch", 2, 2),
    ("mustRegexReplaceAll", 3, 3),
    ("mustRegexReplaceAllLiteral", 3, 3),
    ("mustRegexSplit", 3, 3),
    ("mustRest", 1, 1),
    ("mustReverse", 1, 1),
    ("mustSlice", 1, MANY),
    ("mustToDate", 2, 2),
    ("mustToJson", 1, 1),
    ("mustToPrettyJson", 1, 1),
    ("mustToRawJson", 1, 1),
    ("mustUniq", 1, 1),
    ("mustWithout", 1, MANY),
    ("must_date_modify", 2, 2),
    ("nindent", 2, 2),
    ("nospace", 1, 1),
    ("now", 0, 0),
    ("omit", 1, MANY),
    ("osBase", 1, 1),
    ("osClean", 1, 1),
    ("osDir", 1, 1),
    ("osExt", 1, 1),
    ("osIsAbs", 1, 1),
    ("pick", 1, MANY),
    ("pluck", 1, MANY),
    ("plural", 3, 3),
    ("prepend", 2, 2),
    ("push", 2, 2),
    ("quote", 0, MANY),
    ("randAlpha", 1, 1),
    ("randAlphaNum", 1, 1),
    ("randAscii", 1, 1),
    ("randBytes", 1, 1),
    ("randInt", 2, 2),
    ("randNumeric", 1, 1),
    ("regexFind", 2, 2),
    ("regexFindAll", 3, 3),
    ("regexMatch", 2, 2),
    ("regexQuoteMeta", 1, 1),
    ("regexReplaceAll", 3, 3),
    ("regexReplaceAllLiteral", 3, 3),
    ("regexSplit", 3, 3),
    ("repeat", 2, 2),
    ("replace", 3, 3),
    ("rest", 1, 1),
    ("reverse", 1, 1),
    ("round", 2, 3),
    ("semver", 1, 1),
    ("semverCompare", 2, 2),
    ("seq", 0, MANY),
    ("set", 3, 3),
    ("sha1sum", 1, 1),
    ("sha256sum", 1, 1),
    ("sha512sum", 1, 1),
    ("shuffle", 1, 1),
    ("slice", 1, MANY),
    ("snakecase", 1, 1),
    ("sortAlpha", 1, 1),
    ("split", 2, 2),
    ("splitList", 2, 2),
    ("splitn", 3, 3),
    ("squote", 0, MANY),
    ("sub", 2, 2),
    ("subf", 1, MANY),
    ("substr", 3, 3),
    ("swapcase", 1, 1),
    ("ternary", 3, 3),
    ("title", 1, 1),
    ("toDate", 2, 2),
    ("toDecimal", 1, 1),
    ("toJson", 1, 1),
    ("toPrettyJson", 1, 1),
    ("toRawJson", 1, 1),
    ("toString", 1, 1),
    ("toStrings", 1, 1),
    ("trim", 1, 1),
    ("trimAll", 2, 2),
    ("trimPrefix", 2, 2),
    ("trimSuffix", 2, 2),
    ("trimall", 2, 2),
    ("trunc", 2, 2),
    ("tuple", 0, MANY),
    ("typeIs", 2, 2),
    ("typeIsLike", 2, 2),
    ("typeOf", 1, 1),
    ("uniq", 1, 1),
    ("unixEpoch", 1, 1),
    ("unset", 2, 2),
    ("until", 1, 1),
    ("untilStep", 3, 3),
    ("untitle", 1, 1),
    ("upper", 1, 1),
    ("urlJoin", 1, 1),
    ("urlParse", 1, 1),
    ("uuidv4", 0, 0),
    ("values", 1, 1),
    ("without", 1, MANY),
    ("wrap", 2, 2),
    ("wrapWith", 3, 3),
];

/// Arguments with Go's complaints about their types.
pub(super) struct Args<'a> {
    values: &'a [Val],
}

impl<'a> Args<'a> {
    pub(super) fn at(&self, place: usize) -> &'a Val {
        self.values.get(place).unwrap_or(&Val::Nil)
    }

    pub(super) fn all(&self) -> &'a [Val] {
        self.values
    }

    /// A parameter of type string.
    pub(super) fn text(&self, place: usize) -> Result<&'a str, String> {
        match self.at(place) {
            Val::Str(it) => Ok(it),
            _ => Err(format!("\0{place}\0string")),
        }
    }

    /// A parameter of type int.
    pub(super) fn int(&self, place: usize) -> Result<i64, String> {
        match self.at(place) {
            Val::Int(it) => Ok(*it),
            _ => Err(format!("\0{place}\0int")),
        }
    }

    /// A parameter of type `map[string]interface{}`.
    pub(super) fn map(
        &self,
        place: usize,
    ) -> Result<&'a std::rc::Rc<std::cell::RefCell<std::collections::BTreeMap<String, Val>>>, String> {
        match self.at(place) {
            Val::Map(it) => Ok(it),
            _ => Err(format!("\0{place}\0map[string]interface {{}}")),
        }
    }

    /// A list, or a complaint that names the operation.
    pub(super) fn list(&self, place: usize, what: &str) -> Result<&'a [Val], String> {
        match self.at(place) {
            Val::List(it) => Ok(it),
            other => Err(format!("Cannot {what} on type {}", other.kind())),
        }
    }
}

pub(super) fn call(name: &str, context: &mut Context<'_>, values: &[Val]) -> Result<Val, String> {
    let args = Args { values };
    strings::call(name, context, &args)
        .or_else(|| lists::call(name, &args))
        .or_else(|| dicts::call(name, &args))
        .or_else(|| numbers::call(name, context, &args))
        .or_else(|| dates::call(name, context, &args))
        .or_else(|| convert::call(name, context, &args))
        .unwrap_or_else(|| Err(format!("{name} is not a function of Sprig")))
}

/// The longest string a function may make.
pub(super) const MAX_TEXT: usize = 16 << 20;

/// The longest list a function may make.
pub(super) const MAX_LIST: usize = 1_000_000;
