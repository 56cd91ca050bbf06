//! Expressions as they are run: parsed once, with what the `cel` crate cannot run put into other words.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use kube_cel::cel::IdedExpr;
use kube_cel::cel::common::ast::{
    CallExpr, EntryExpr, Expr, IdedEntryExpr, ListExpr, LiteralValue, MapEntryExpr, MapExpr, StructExpr,
};
use kube_cel::cel::parser::Parser;
use parking_lot::Mutex;

/// Texts of expressions that are kept parsed. Policies are few; who makes more of them parses more often.
const KEPT: usize = 1024;
/// Structs in expressions: what server-side apply merges, and an operation of a JSON patch.
const OBJECT: &str = "Object";
const PATCH: &str = "JSONPatch";
const PATCH_FIELDS: [&str; 4] = ["op", "path", "from", "value"];

/// An expression, or why it does not compile.
type Parsed = Result<Arc<IdedExpr>, String>;

static PARSED: LazyLock<Mutex<HashMap<String, Parsed>>> = LazyLock::new(Mutex::default);

/// The expression of a text.
///
/// The error says why it does not compile.
pub(super) fn parse(text: &str) -> Parsed {
    if let Some(parsed) = PARSED.lock().get(text) {
        return parsed.clone();
    }
    let parsed = Parser::default()
        .enable_optional_syntax(true)
        .parse(text)
        .map_err(|error| error.to_string())
        .and_then(|mut expression| adapt(&mut expression).map(|()| Arc::new(expression)));
    let mut kept = PARSED.lock();
    if kept.len() >= KEPT {
        kept.clear();
    }
    kept.insert(text.to_owned(), parsed.clone());
    parsed
}

/// Why a text is no expression, if it is none.
pub(crate) fn problem(text: &str) -> Option<String> {
    parse(text).err()
}

/// The type of a text that is a plain literal, in CEL's words.
pub(crate) fn literal_type(text: &str) -> Option<&'static str> {
    match &parse(text).ok()?.expr {
        Expr::Literal(literal) => Some(match literal {
            LiteralValue::Boolean(_) => "bool",
            LiteralValue::Bytes(_) => "bytes",
            LiteralValue::Double(_) => "double",
            LiteralValue::Int(_) => "int",
            LiteralValue::String(_) => "string",
            LiteralValue::UInt(_) => "uint",
            LiteralValue::Null => return None,
        }),
        _ => None,
    }
}

/// Puts an expression into the words that can be run.
fn adapt(expression: &mut IdedExpr) -> Result<(), String> {
    if let Expr::Struct(literal) = &mut expression.expr {
        check_struct(literal)?;
        let literal = std::mem::take(literal);
        expression.expr = Expr::Map(MapExpr { entries: literal.entries.into_iter().map(entry).collect() });
    }
    match &mut expression.expr {
        Expr::Call(CallExpr { target, args, .. }) => {
            target.iter_mut().try_for_each(|target| adapt(target))?;
            args.iter_mut().try_for_each(adapt)
        }
        Expr::Comprehension(it) => {
            for part in [&mut it.iter_range, &mut it.accu_init, &mut it.loop_cond, &mut it.loop_step, &mut it.result] {
                adapt(part)?;
            }
            Ok(())
        }
        Expr::List(ListExpr { elements, .. }) => elements.iter_mut().try_for_each(adapt),
        Expr::Map(MapExpr { entries }) => entries.iter_mut().try_for_each(|entry| match &mut entry.expr {
            EntryExpr::MapEntry(it) => adapt(&mut it.key).and_then(|()| adapt(&mut it.value)),
            EntryExpr::StructField(it) => adapt(&mut it.value),
        }),
        Expr::Select(select) => {
            // A variable whose name has a point in it.
            if select.field == "requestResource"
                && !select.test
                && matches!(&select.operand.expr, Expr::Ident(name) if name == "authorizer")
            {
                expression.expr = Expr::Ident("authorizer.requestResource".to_owned());
                return Ok(());
            }
            adapt(&mut select.operand)
        }
        Expr::Unspecified => Err("an expression is missing".to_owned()),
        Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) => Ok(()),
    }
}

/// A field of a struct, as an entry of a map.
fn entry(entry: IdedEntryExpr) -> IdedEntryExpr {
    let EntryExpr::StructField(field) = entry.expr else { return entry };
    let key = IdedExpr { id: entry.id, expr: Expr::Literal(LiteralValue::String(field.field.as_str().into())) };
    let map = MapEntryExpr { key, value: field.value, optional: field.optional };
    IdedEntryExpr { id: entry.id, expr: EntryExpr::MapEntry(map) }
}

/// Whether a literal is of a type there is, and its fields are of the types that their names say.
fn check_struct(literal: &StructExpr) -> Result<(), String> {
    let name = literal.type_name.as_str();
    let is_object = name == OBJECT || name.strip_prefix(OBJECT).is_some_and(|rest| rest.starts_with('.'));
    if !is_object && name != PATCH {
        return Err(format!("undeclared reference to '{name}' (in container '')"));
    }
    for entry in &literal.entries {
        let EntryExpr::StructField(field) = &entry.expr else { continue };
        if name == PATCH && !PATCH_FIELDS.contains(&field.field.as_str()) {
            return Err(format!("undefined field '{}'", field.field));
        }
        if is_object {
            check_path(&field.value, &format!("{name}.{}", field.field))?;
        }
    }
    Ok(())
}

fn check_path(value: &IdedExpr, expected: &str) -> Result<(), String> {
    match &value.expr {
        Expr::Struct(inner) if inner.type_name.starts_with(OBJECT) && inner.type_name != expected => Err(format!(
            "type mismatch: unexpected type name {:?}, expected {expected:?}, which matches field name path from root Object type",
            inner.type_name
        )),
        Expr::List(list) => list.elements.iter().try_for_each(|item| check_path(item, expected)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structs_are_of_types_there_are() {
        assert_eq!(problem("Object{spec: Object.spec{replicas: 1}}"), None);
        assert_eq!(problem("[JSONPatch{op: 'add', path: '/a', value: Object.spec{a: 1}}]"), None);
        let why = problem("Foo{}").expect("no such type");
        assert!(why.contains("undeclared reference to 'Foo'"), "{why}");
        let why = problem("Object{spec: Object.wrong{}}").expect("another path");
        assert!(why.contains("unexpected type name \"Object.wrong\", expected \"Object.spec\""), "{why}");
        assert_eq!(problem("JSONPatch{off: 'add'}").as_deref(), Some("undefined field 'off'"));
    }

    #[test]
    fn what_is_no_expression_is_an_error() {
        assert!(problem("1 +").is_some());
        assert!(problem("").is_some());
    }
}
