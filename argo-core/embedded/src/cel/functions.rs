//! Functions that the crates lack: those of optional values that evaluate their argument late, and `jsonpatch.escapeKey`.

use std::sync::Arc;

use kube_cel::cel::common::ast::Expr;
use kube_cel::cel::objects::OptionalValue;
use kube_cel::cel::{Context, ExecutionError, FunctionContext, ResolveResult, Value as Cel};

pub(super) fn declare(context: &mut Context<'_>) {
    context.add_function("optMap", |call: &FunctionContext<'_, '_>| map(call, true));
    context.add_function("optFlatMap", |call: &FunctionContext<'_, '_>| map(call, false));
    context.add_function("jsonpatch.escapeKey", |key: Arc<String>| -> ResolveResult {
        Ok(Cel::String(Arc::new(key.replace('~', "~0").replace('/', "~1"))))
    });
}

/// The expression for the value of an optional; nothing for none.
fn map(call: &FunctionContext<'_, '_>, wrap: bool) -> ResolveResult {
    let none = || Ok(Cel::Opaque(Arc::new(OptionalValue::none())));
    let [name, expression] = call.args else {
        return Err(ExecutionError::invalid_argument_count(2, call.args.len()));
    };
    let Expr::Ident(name) = &name.expr else { return Err(call.error("argument must be a simple name")) };
    let value = match call.this.clone() {
        Some(Cel::Opaque(opaque)) if opaque.downcast_ref::<OptionalValue>().is_some() => {
            match opaque.downcast_ref::<OptionalValue>().and_then(OptionalValue::value) {
                Some(value) => value.clone(),
                None => return none(),
            }
        }
        // The interpreter takes an optional out of its wrapping where it copies one that has a value.
        Some(value) => value,
        None => return Err(ExecutionError::missing_argument_or_target()),
    };
    let mut scope = call.ptx.new_inner_scope();
    scope.add_variable_from_value(name.as_str(), value);
    let result = scope.resolve(expression)?;
    Ok(if wrap { Cel::Opaque(Arc::new(OptionalValue::of(result))) } else { result })
}
