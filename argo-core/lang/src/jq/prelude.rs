//! Builtins that are written in the language itself.

use std::sync::LazyLock;

use super::ast::Def;
use super::parse;

const SOURCE: &str = r#"
def recurse(f): def walk: ., (f | walk); walk;
def recurse(f; when): def walk: ., (f | select(when) | walk); walk;
def while(when; f): def loop: if when then ., (f | loop) else empty end; loop;
def until(done; f): def loop: if done then . else f | loop end; loop;
def repeat(f): def loop: f, loop; loop;
def combinations:
  if length == 0 then [] else .[0][] as $head | .[1:] | combinations | [$head] + . end;
def combinations(n): [limit(n; repeat(.))] | combinations;
def walk(f):
  def go: if type == "array" then [.[] | go] elif type == "object" then .[] |= go else . end | f;
  go;
def skip($n; f):
  if $n > 0 then foreach f as $item ($n; . - 1; if . < 0 then $item else empty end)
  elif $n == 0 then f
  else error("skip doesn't support negative count") end;
def nth($n; f):
  if $n >= 0 then first(skip($n; f)) else error("nth doesn't support negative index") end;
def truncate_stream(f):
  . as $depth | null | f | if (.[0] | length) > $depth then .[0] |= .[$depth:] else empty end;
def fromstream(f):
  foreach f as $event ({done: false};
    (if .done then {done: false} else . end)
    | $event as [$path, $leaf]
    | if ($event | length) == 2
      then setpath(["value"] + $path; $leaf) | .done = (($path | length) == 0)
      else .done = (($path | length) == 1) end;
    if .done then .value else empty end);
def tostream:
  path(def deep: (.[]? | deep), .; deep) as $path
  | getpath($path)
  | reduce path(.[]?) as $last ([$path, .]; [$path + $last]);
def pick(f): . as $whole | reduce path(f) as $path (null; setpath($path; $whole | getpath($path)));
def fromdateiso8601: strptime("%Y-%m-%dT%H:%M:%S%z") | mktime;
def todateiso8601: strftime("%Y-%m-%dT%H:%M:%SZ");
def fromdate: fromdateiso8601;
def todate: todateiso8601;
def debug(f): (f | empty), .;
def sub($re; f; $flags):
  . as $text
  | reduce match($re; $flags) as $found ({at: 0, out: []};
      [$found.captures | _captures | f] as $with
      | .at as $at
      | reduce range($with | length) as $i (.; .out[$i] += $text[$at:$found.offset] + $with[$i])
      | .at = $found.offset + $found.length)
  | .at as $at
  | .out[] + $text[$at:] // $text;
def sub($re; f): sub($re; f; null);
def gsub($re; f; $flags): sub($re; f; $flags + "g");
def gsub($re; f): sub($re; f; "g");
def INDEX(rows; key): reduce rows as $row ({}; .[$row | key | tostring] = $row);
def INDEX(key): INDEX(.[]; key);
def JOIN($index; key): [.[] | [., $index[key]]];
def JOIN($index; rows; key): rows | [., $index[key]];
def JOIN($index; rows; key; f): rows | [., $index[key]] | f;
"#;

static DEFS: LazyLock<Vec<Def>> = LazyLock::new(|| parse::parse_defs(SOURCE).unwrap_or_default());

/// The definition of a builtin, and how many parameters it has.
pub(super) fn find(name: &str, arity: usize) -> Option<(&'static Def, usize)> {
    DEFS.iter().find(|it| it.name == name && it.params.len() == arity).map(|it| (it, arity))
}

/// `name/arity` of each.
pub(super) fn names() -> Vec<String> {
    DEFS.iter().map(|it| format!("{}/{}", it.name, it.params.len())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_definition_is_read() {
        let defs = parse::parse_defs(SOURCE).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(defs.len(), SOURCE.matches("\ndef ").count());
    }
}
