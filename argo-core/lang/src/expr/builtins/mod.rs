//! Functions on values.

mod dates;
mod lists;
mod numbers;
mod texts;

use jiff::Timestamp;

pub(in crate::expr) use dates::{between, method};

use super::ErrorKind;
use super::eval::{Budget, Failure, function};
use super::value::Val;

type Outcome<'a> = Result<Val<'a>, Failure>;

/// The builtins without a predicate.
const NAMES: [&str; 54] = [
    "abs",
    "bitand",
    "bitnand",
    "bitnot",
    "bitor",
    "bitshl",
    "bitshr",
    "bitushr",
    "bitxor",
    "ceil",
    "concat",
    "date",
    "duration",
    "first",
    "flatten",
    "float",
    "floor",
    "fromBase64",
    "fromJSON",
    "fromPairs",
    "get",
    "hasPrefix",
    "hasSuffix",
    "indexOf",
    "int",
    "join",
    "keys",
    "last",
    "lastIndexOf",
    "len",
    "lower",
    "max",
    "mean",
    "median",
    "min",
    "now",
    "repeat",
    "replace",
    "reverse",
    "round",
    "sort",
    "split",
    "splitAfter",
    "string",
    "take",
    "timezone",
    "toBase64",
    "toJSON",
    "toPairs",
    "trim",
    "trimPrefix",
    "trimSuffix",
    "type",
    "uniq",
];
/// More of them, and those with a predicate.
const MORE: [&str; 2] = ["upper", "values"];
const PREDICATES: [&str; 15] = [
    "all",
    "any",
    "count",
    "filter",
    "find",
    "findIndex",
    "findLast",
    "findLastIndex",
    "groupBy",
    "map",
    "none",
    "one",
    "reduce",
    "sortBy",
    "sum",
];

/// Whether a name is a builtin that takes plain arguments.
pub(super) fn is_builtin(name: &str) -> bool {
    NAMES.binary_search(&name).is_ok() || MORE.contains(&name)
}

/// Whether a name is any builtin.
pub(super) fn is_any_builtin(name: &str) -> bool {
    is_builtin(name) || PREDICATES.contains(&name)
}

/// The arguments of a call, taken as Go's type assertions take them.
struct Args<'c, 'a> {
    name: &'c str,
    values: &'c [Val<'a>],
}

impl<'c, 'a> Args<'c, 'a> {
    fn at(&self, place: usize) -> &'c Val<'a> {
        self.values.get(place).unwrap_or(&Val::Nil)
    }

    fn text(&self, place: usize) -> Result<&'c str, Failure> {
        let value = self.at(place);
        value.as_str().ok_or_else(|| super::eval::conversion(value, "string"))
    }

    /// A refusal that names the Go type of a value.
    fn invalid(&self, value: &Val<'_>) -> Failure {
        (ErrorKind::Function, format!("invalid argument for {} (type {})", self.name, value.go_type()))
    }

    /// The number of arguments is wrong where the types could not be checked.
    fn count(&self, wanted: usize) -> Result<(), Failure> {
        if self.values.len() == wanted {
            return Ok(());
        }
        function(format!("invalid number of arguments (expected {wanted}, got {})", self.values.len()))
    }
}

/// Calls a builtin.
pub(super) fn call<'a>(name: &str, values: &[Val<'a>], now: Option<Timestamp>, budget: &mut Budget) -> Outcome<'a> {
    let args = Args { name, values };
    texts::call(&args, budget)
        .or_else(|| numbers::call(&args))
        .or_else(|| lists::call(&args, budget))
        .or_else(|| dates::call(&args, now))
        .unwrap_or_else(|| function(format!("unknown builtin {name}")))
}
