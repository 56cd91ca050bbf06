//! Types of expressions, and estimates of what they cost at most.
//!
//! What is not understood in full is let through: an expression is refused only with the words that the real server has for it.

mod checker;
mod cost;
mod declared;
mod lexer;
mod syntax;
mod types;

use checker::Checker;
use cost::Coster;
pub(crate) use declared::Declared;
pub(crate) use types::Type;

/// What is known of an expression.
#[derive(Debug)]
pub(crate) enum Checked {
    /// It is not understood.
    Unknown,
    /// It is wrong, for these reasons.
    Wrong(String),
    /// Its type, most of what it costs where that is known, and the variables it uses.
    Right { result: Type, cost: Option<u64>, used: std::collections::BTreeSet<String> },
}

/// Checks a text that parses; variables are found in `self` and what else is given.
pub(crate) fn check(text: &str, variables: &[(&str, Type)], root: &Declared) -> Checked {
    let Some(node) = syntax::parse(text) else { return Checked::Unknown };
    let variables = variables.iter().map(|(name, of)| ((*name).to_owned(), of.clone())).collect();
    let mut checker = Checker::new(variables);
    checker.check(&node);
    if !checker.errors.is_empty() {
        if checker.untold {
            return Checked::Unknown;
        }
        checker.errors.sort_by_key(|(at, _)| *at);
        let shown: Vec<String> = checker.errors.iter().map(|(at, why)| shown(text, *at, why)).collect();
        return Checked::Wrong(shown.join("\n"));
    }
    let result = checker.of(&node);
    let cost = Coster::new(&checker, root).most(&node);
    Checked::Right { result, cost, used: checker.used }
}

/// What is wrong, with the line and a mark below it.
fn shown(text: &str, at: usize, why: &str) -> String {
    let before: String = text.chars().take(at).collect();
    let line = before.matches('\n').count();
    let column = before.chars().rev().take_while(|c| *c != '\n').count();
    let whole = text.split('\n').nth(line).unwrap_or_default().replace('\t', " ");
    format!("ERROR: <input>:{}:{}: {why}\n | {whole}\n | {}^", line + 1, column + 1, ".".repeat(column))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Checked {
        let schema = serde_json::json!({"type": "object", "properties": {
            "n": {"type": "integer"}, "s": {"type": "string", "maxLength": 10},
            "l": {"type": "array", "maxItems": 5, "items": {"type": "string", "maxLength": 4}},
            "m": {"type": "object", "additionalProperties": {"type": "integer"}},
        }});
        let root = Declared::of(&schema, false).expect("a type");
        check(text, &[("self", root.as_type()), ("oldSelf", root.as_type())], &root)
    }

    #[test]
    fn what_fits_is_right() {
        for text in [
            "self.n > 1 && self.s.startsWith('a')",
            "self.l.all(x, x.size() < 3) || has(self.m.a)",
            "self.l.map(x, x + 'b').exists(y, y in self.l)",
            "self.l.filter(x, x != 'a').size() == 0 ? self.m['a'] == 1 : type(self.n) == int",
            "[1, 2].exists_one(x, x == self.n) && -self.n < 0 && !(self.n in [])",
            "self.m.all(k, self.m[k] > 0) && self.s.matches('^a\\\\d+$')",
            "duration('1h') < duration('2h') && quantity('1').isGreaterThan(quantity('2'))",
            "ip.isCanonical('1.1.1.1') && isURL('a') && optional.of(self.n).hasValue()",
            "dyn(self.n) == 'a' && self.l == oldSelf.l || true",
        ] {
            let Checked::Right { result, cost, .. } = checked(text) else { panic!("{text}: {:?}", checked(text)) };
            assert!(result.is("bool"), "{text}: {result:?}");
            assert!(cost.is_some(), "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_place() {
        for (text, why) in [
            ("self.x > 1", "ERROR: <input>:1:5: undefined field 'x'\n | self.x > 1\n | ....^"),
            ("x", "ERROR: <input>:1:1: undeclared reference to 'x' (in container '')\n | x\n | ^"),
            (
                "self.s.startsWith(1)",
                "ERROR: <input>:1:18: found no matching overload for 'startsWith' applied to 'string.(int)'\n | self.s.startsWith(1)\n | .................^",
            ),
            ("self.n && true", "ERROR: <input>:1:5: expected type 'bool' but found 'int'\n | self.n && true\n | ....^"),
        ] {
            let Checked::Wrong(found) = checked(text) else { panic!("{text}: {:?}", checked(text)) };
            assert_eq!(found, why, "{text}");
        }
    }
}
