//! `authorizer`: what an expression may ask about what somebody may do.
//!
//! Who answers holds the cluster's lock, and functions of an expression can hold nothing that is borrowed. So an answer that is not known
//! yet is noted and breaks the run off; it is found, and the expression is run again.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube_cel::cel::extractors::{Arguments, This};
use kube_cel::cel::objects::Opaque;
use kube_cel::cel::{Context, ExecutionError, ResolveResult, Value as Cel};
use parking_lot::Mutex;

/// How many answers one expression may wait for.
pub(super) const ROUNDS: usize = 64;

/// Who is asked about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Principal {
    /// Who sent the request.
    Caller,
    /// A service account: namespace and name.
    ServiceAccount(String, String),
}

/// A question: may somebody do this?
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Check {
    pub(crate) who: Principal,
    pub(crate) verb: String,
    /// A path that is no resource; everything below is empty then.
    pub(crate) path: String,
    pub(crate) group: String,
    pub(crate) resource: String,
    pub(crate) subresource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// The answers so far, and the one that is waited for.
#[derive(Debug, Default)]
pub(super) struct Answers {
    pub(super) known: BTreeMap<Check, (bool, String)>,
    pub(super) wanted: Option<Check>,
}

#[derive(Debug, PartialEq, Eq)]
struct Authorizer(Principal);

#[derive(Debug, PartialEq, Eq)]
struct GroupCheck(Principal, String);

/// A check that lacks its verb.
#[derive(Debug, PartialEq, Eq)]
struct PartialCheck(Check);

#[derive(Debug, PartialEq, Eq)]
struct Decision(bool, String);

macro_rules! opaque {
    ($($type:ty => $name:literal),*) => {
        $(impl Opaque for $type {
            fn runtime_type_name(&self) -> &str {
                $name
            }
        })*
    };
}

opaque! {
    Authorizer => "kubernetes.authorization.Authorizer",
    GroupCheck => "kubernetes.authorization.GroupCheck",
    PartialCheck => "kubernetes.authorization.ResourceCheck",
    Decision => "kubernetes.authorization.Decision"
}

// === impl Check ===

impl Check {
    pub(crate) fn of(group: &str, resource: &str) -> Self {
        Self {
            who: Principal::Caller,
            verb: String::new(),
            path: String::new(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            subresource: String::new(),
            namespace: String::new(),
            name: String::new(),
        }
    }
}

/// The variables `authorizer` and `authorizer.requestResource`.
pub(super) fn declare(context: &mut Context<'_>, request: Check, answers: &Arc<Mutex<Answers>>) {
    let authorizer = Cel::Opaque(Arc::new(Authorizer(Principal::Caller)));
    context.add_variable_from_value("authorizer".to_owned(), authorizer);
    context
        .add_variable_from_value("authorizer.requestResource".to_owned(), Cel::Opaque(Arc::new(PartialCheck(request))));
    context.add_function("path", |This(this): This<Cel>, path: Arc<String>| {
        let Authorizer(who) = of::<Authorizer>(&this, "path")?;
        if path.trim().is_empty() {
            return Err(ExecutionError::function_error("path", "path must not be empty"));
        }
        let path = if path.starts_with('/') { path.to_string() } else { format!("/{path}") };
        partial(Check { who: who.clone(), path, ..Check::of("", "") })
    });
    context.add_function("group", |This(this): This<Cel>, group: Arc<String>| -> ResolveResult {
        let Authorizer(who) = of::<Authorizer>(&this, "group")?;
        Ok(Cel::Opaque(Arc::new(GroupCheck(who.clone(), group.to_string()))))
    });
    context.add_function("serviceAccount", |This(this): This<Cel>, namespace: Arc<String>, name: Arc<String>| {
        of::<Authorizer>(&this, "serviceAccount")?;
        let label = |text: &str| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        };
        if !label(&namespace) {
            return Err(ExecutionError::function_error("serviceAccount", "Invalid service account namespace"));
        }
        if !name.split('.').all(label) {
            return Err(ExecutionError::function_error("serviceAccount", "Invalid service account name"));
        }
        Ok(Cel::Opaque(Arc::new(Authorizer(Principal::ServiceAccount(namespace.to_string(), name.to_string())))))
    });
    context.add_function("resource", |This(this): This<Cel>, resource: Arc<String>| {
        let GroupCheck(who, group) = of::<GroupCheck>(&this, "resource")?;
        if resource.trim().is_empty() {
            return Err(ExecutionError::function_error("resource", "resource must not be empty"));
        }
        partial(Check { who: who.clone(), ..Check::of(group, &resource) })
    });
    narrow(context, "subresource", |check, text| check.subresource = text);
    narrow(context, "namespace", |check, text| check.namespace = text);
    narrow(context, "name", |check, text| check.name = text);
    // What is asked about does not depend on selectors here: no authorizer of this cluster looks at them.
    narrow(context, "fieldSelector", |_, _| {});
    narrow(context, "labelSelector", |_, _| {});
    let answers = answers.clone();
    context.add_function("check", move |This(this): This<Cel>, verb: Arc<String>| -> ResolveResult {
        let PartialCheck(check) = of::<PartialCheck>(&this, "check")?;
        let check = Check { verb: verb.to_string(), ..check.clone() };
        let mut answers = answers.lock();
        match answers.known.get(&check) {
            Some((allowed, why)) => Ok(Cel::Opaque(Arc::new(Decision(*allowed, why.clone())))),
            None => {
                answers.wanted = Some(check);
                Err(ExecutionError::function_error("check", "the answer is not known yet"))
            }
        }
    });
    context.add_function("allowed", |This(this): This<Cel>| of::<Decision>(&this, "allowed").map(|it| it.0));
    context.add_function("errored", |This(this): This<Cel>| of::<Decision>(&this, "errored").map(|_| false));
    context.add_function("error", |This(this): This<Cel>| -> ResolveResult {
        of::<Decision>(&this, "error").map(|_| Cel::String(Arc::default()))
    });
    context.add_function("reason", |This(this): This<Cel>| -> ResolveResult {
        of::<Decision>(&this, "reason").map(|it| Cel::String(Arc::new(it.1.clone())))
    });
}

fn narrow(context: &mut Context<'_>, name: &'static str, set: fn(&mut Check, String)) {
    context.add_function(name, move |This(this): This<Cel>, Arguments(given): Arguments| -> ResolveResult {
        let PartialCheck(check) = of::<PartialCheck>(&this, name)?;
        let Some(Cel::String(text)) = given.first() else { return Err(ExecutionError::NoSuchOverload) };
        let mut check = check.clone();
        set(&mut check, text.to_string());
        partial(check)
    });
}

fn partial(check: Check) -> ResolveResult {
    Ok(Cel::Opaque(Arc::new(PartialCheck(check))))
}

fn of<'a, T: Opaque>(this: &'a Cel, method: &str) -> Result<&'a T, ExecutionError> {
    match this {
        Cel::Opaque(opaque) => opaque.downcast_ref::<T>(),
        _ => None,
    }
    .ok_or_else(|| ExecutionError::not_supported_as_method(method, this.clone()))
}
