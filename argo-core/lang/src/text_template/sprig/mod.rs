//! Sprig 3.3, the generic map.

mod casts;
mod convert;
mod crypto;
mod dates;
mod dicts;
mod lists;
mod numbers;
mod strings;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::exec::Context;
use super::value::Val;

/// Names and parameters, in the letters of [`Signature`](crate::text_template::signature::Signature).
pub(crate) const TABLE: [(&str, &str); 209] = [
    ("abbrev", "is"),
    ("abbrevboth", "iis"),
    ("add", "*a"),
    ("add1", "a"),
    ("add1f", "a"),
    ("addf", "*a"),
    ("adler32sum", "s"),
    ("ago", "a"),
    ("all", "*a"),
    ("any", "*a"),
    ("append", "aa"),
    ("atoi", "s"),
    ("b32dec", "s"),
    ("b32enc", "s"),
    ("b64dec", "s"),
    ("b64enc", "s"),
    ("base", "s"),
    ("bcrypt", "s"),
    ("biggest", "a*a"),
    ("buildCustomCert", "ss"),
    ("camelcase", "s"),
    ("cat", "*a"),
    ("ceil", "a"),
    ("chunk", "ia"),
    ("clean", "s"),
    ("coalesce", "*a"),
    ("compact", "a"),
    ("concat", "*a"),
    ("contains", "ss"),
    ("date", "sa"),
    ("dateInZone", "sas"),
    ("dateModify", "st"),
    ("date_in_zone", "sas"),
    ("date_modify", "st"),
    ("decryptAES", "ss"),
    ("deepCopy", "a"),
    ("deepEqual", "aa"),
    ("default", "a*a"),
    ("derivePassword", "ussss"),
    ("dict", "*a"),
    ("dig", "*a"),
    ("dir", "s"),
    ("div", "aa"),
    ("divf", "a*a"),
    ("duration", "a"),
    ("durationRound", "a"),
    ("empty", "a"),
    ("encryptAES", "ss"),
    ("ext", "s"),
    ("fail", "s"),
    ("first", "a"),
    ("float64", "a"),
    ("floor", "a"),
    ("fromJson", "s"),
    ("genCA", "si"),
    ("genCAWithKey", "sis"),
    ("genPrivateKey", "s"),
    ("genSelfSignedCert", "slli"),
    ("genSelfSignedCertWithKey", "sllis"),
    ("genSignedCert", "sllic"),
    ("genSignedCertWithKey", "sllics"),
    ("get", "ms"),
    ("getHostByName", "s"),
    ("has", "aa"),
    ("hasKey", "ms"),
    ("hasPrefix", "ss"),
    ("hasSuffix", "ss"),
    ("hello", ""),
    ("htmlDate", "a"),
    ("htmlDateInZone", "as"),
    ("htpasswd", "ss"),
    ("indent", "is"),
    ("initial", "a"),
    ("initials", "s"),
    ("int", "a"),
    ("int64", "a"),
    ("isAbs", "s"),
    ("join", "sa"),
    ("kebabcase", "s"),
    ("keys", "*m"),
    ("kindIs", "sa"),
    ("kindOf", "a"),
    ("last", "a"),
    ("list", "*a"),
    ("lower", "s"),
    ("max", "a*a"),
    ("maxf", "a*a"),
    ("merge", "m*m"),
    ("mergeOverwrite", "m*m"),
    ("min", "a*a"),
    ("minf", "a*a"),
    ("mod", "aa"),
    ("mul", "a*a"),
    ("mulf", "a*a"),
    ("mustAppend", "aa"),
    ("mustChunk", "ia"),
    ("mustCompact", "a"),
    ("mustDateModify", "st"),
    ("mustDeepCopy", "a"),
    ("mustFirst", "a"),
    ("mustFromJson", "s"),
    ("mustHas", "aa"),
    ("mustInitial", "a"),
    ("mustLast", "a"),
    ("mustMerge", "m*m"),
    ("mustMergeOverwrite", "m*m"),
    ("mustPrepend", "aa"),
    ("mustPush", "aa"),
    ("mustRegexFind", "ss"),
    ("mustRegexFindAll", "ssi"),
    ("mustRegexMatch", "ss"),
    ("mustRegexReplaceAll", "sss"),
    ("mustRegexReplaceAllLiteral", "sss"),
    ("mustRegexSplit", "ssi"),
    ("mustRest", "a"),
    ("mustReverse", "a"),
    ("mustSlice", "a*a"),
    ("mustToDate", "ss"),
    ("mustToJson", "a"),
    ("mustToPrettyJson", "a"),
    ("mustToRawJson", "a"),
    ("mustUniq", "a"),
    ("mustWithout", "a*a"),
    ("must_date_modify", "st"),
    ("nindent", "is"),
    ("nospace", "s"),
    ("now", ""),
    ("omit", "m*s"),
    ("osBase", "s"),
    ("osClean", "s"),
    ("osDir", "s"),
    ("osExt", "s"),
    ("osIsAbs", "s"),
    ("pick", "m*s"),
    ("pluck", "s*m"),
    ("plural", "ssi"),
    ("prepend", "aa"),
    ("push", "aa"),
    ("quote", "*a"),
    ("randAlpha", "i"),
    ("randAlphaNum", "i"),
    ("randAscii", "i"),
    ("randBytes", "i"),
    ("randInt", "ii"),
    ("randNumeric", "i"),
    ("regexFind", "ss"),
    ("regexFindAll", "ssi"),
    ("regexMatch", "ss"),
    ("regexQuoteMeta", "s"),
    ("regexReplaceAll", "sss"),
    ("regexReplaceAllLiteral", "sss"),
    ("regexSplit", "ssi"),
    ("repeat", "is"),
    ("replace", "sss"),
    ("rest", "a"),
    ("reverse", "a"),
    ("round", "ai*f"),
    ("semver", "s"),
    ("semverCompare", "ss"),
    ("seq", "*i"),
    ("set", "msa"),
    ("sha1sum", "s"),
    ("sha256sum", "s"),
    ("sha512sum", "s"),
    ("shuffle", "s"),
    ("slice", "a*a"),
    ("snakecase", "s"),
    ("sortAlpha", "a"),
    ("split", "ss"),
    ("splitList", "ss"),
    ("splitn", "sis"),
    ("squote", "*a"),
    ("sub", "aa"),
    ("subf", "a*a"),
    ("substr", "iis"),
    ("swapcase", "s"),
    ("ternary", "aab"),
    ("title", "s"),
    ("toDate", "ss"),
    ("toDecimal", "a"),
    ("toJson", "a"),
    ("toPrettyJson", "a"),
    ("toRawJson", "a"),
    ("toString", "a"),
    ("toStrings", "a"),
    ("trim", "s"),
    ("trimAll", "ss"),
    ("trimPrefix", "ss"),
    ("trimSuffix", "ss"),
    ("trimall", "ss"),
    ("trunc", "is"),
    ("tuple", "*a"),
    ("typeIs", "sa"),
    ("typeIsLike", "sa"),
    ("typeOf", "a"),
    ("uniq", "a"),
    ("unixEpoch", "t"),
    ("unset", "ms"),
    ("until", "i"),
    ("untilStep", "iii"),
    ("untitle", "s"),
    ("upper", "s"),
    ("urlJoin", "m"),
    ("urlParse", "s"),
    ("uuidv4", ""),
    ("values", "m"),
    ("without", "a*a"),
    ("wrap", "is"),
    ("wrapWith", "iss"),
];

/// The arguments of a call; what runs a template has seen to their types.
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

    fn wrong<T>(&self, place: usize, wanted: &str) -> Result<T, String> {
        match self.at(place) {
            Val::Nil | Val::Missing => Err(format!("invalid value; expected {wanted}")),
            other => Err(format!("wrong type for value; expected {wanted}; got {}", other.type_name())),
        }
    }

    /// A parameter of type string.
    pub(super) fn text(&self, place: usize) -> Result<&'a str, String> {
        match self.at(place) {
            Val::Str(it) => Ok(it),
            _ => self.wrong(place, "string"),
        }
    }

    /// A parameter of type int.
    pub(super) fn int(&self, place: usize) -> Result<i64, String> {
        match self.at(place) {
            Val::Int(it) | Val::Sized(it, _) => Ok(*it),
            _ => self.wrong(place, "int"),
        }
    }

    /// A parameter of type `map[string]interface{}`; nil is an empty one.
    pub(super) fn map(&self, place: usize) -> Result<Shared, String> {
        match self.at(place) {
            Val::Map(it) => Ok(Rc::clone(it)),
            Val::Nil => Ok(Shared::default()),
            _ => self.wrong(place, "map[string]interface {}"),
        }
    }

    /// The elements of any list, or a complaint that names the operation.
    pub(super) fn list(&self, place: usize, what: &str) -> Result<&'a [Val], String> {
        match self.at(place) {
            Val::Nil | Val::Missing => Err(NIL_POINTER.to_owned()),
            other => match other.items() {
                Some(items) => Ok(items),
                None => Err(format!("Cannot {what} {}", other.kind())),
            },
        }
    }
}

/// A map that its holders share.
pub(super) type Shared = Rc<RefCell<BTreeMap<String, Val>>>;

/// What Go says where a function looks into nil.
pub(super) const NIL_POINTER: &str = "runtime error: invalid memory address or nil pointer dereference";

pub(super) fn call(name: &str, context: &mut Context<'_>, values: &[Val]) -> Result<Val, String> {
    let args = Args { values };
    strings::call(name, context, &args)
        .or_else(|| lists::call(name, &args))
        .or_else(|| dicts::call(name, &args))
        .or_else(|| numbers::call(name, context, &args))
        .or_else(|| dates::call(name, context, &args))
        .or_else(|| convert::call(name, context, &args))
        .or_else(|| crypto::call(name, context, &args))
        .unwrap_or_else(|| Err(format!("{name} is not a function of Sprig")))
}

/// The longest string a function may make.
pub(super) const MAX_TEXT: usize = 16 << 20;

/// The longest list a function may make.
pub(super) const MAX_LIST: usize = 1_000_000;
