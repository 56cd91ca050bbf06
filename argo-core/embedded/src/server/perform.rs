//! Carrying requests out: resolved, done under the lock, asked again when a webhook has answered, and on disk before anybody is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::admission::{self, Attempt};
use super::call::Call;
use super::options;
use super::request::{Path, RawRequest, Verb};
use super::state::State;
use super::status::ApiError;
use super::watch::Watcher;
use super::{BODY_LIMIT, Outcome, Server, Target};
use crate::faults::Verdict;
use crate::journal::Entry;
use crate::session::Session;

/// What became of a request.
pub(super) struct Performed {
    pub(super) result: Result<(Target, Outcome), ApiError>,
    /// The revision the answer may show.
    pub(super) seen: u64,
    /// The revision of the change it made, if any.
    pub(super) changed: Option<u64>,
    pub(super) warnings: Vec<String>,
    /// Audit annotations.
    pub(super) audit: BTreeMap<String, String>,
}

impl Performed {
    /// Webhooks were asked again and again, about a changing object.
    fn restless() -> Self {
        Self::refused(ApiError::internal("the object changes faster than its webhooks answer"))
    }

    /// Nothing came of it.
    pub(super) fn refused(error: ApiError) -> Self {
        Self { result: Err(error), seen: 0, changed: None, warnings: Vec::new(), audit: BTreeMap::new() }
    }
}

// === impl Server ===

impl Server {
    /// Carries out a request, with the webhooks it needs.
    pub(super) async fn perform_asking(
        &self,
        request: &RawRequest,
        path: &Path,
        verb: Verb,
        verdict: &Verdict,
    ) -> Performed {
        let attempt = Attempt::default();
        for _ in 0..admission::ROUNDS {
            let performed = self.perform(request, path, verb, verdict, &attempt);
            let Some(errand) = attempt.take_wanted() else { return performed };
            let answer = errand.run().await;
            attempt.answer(errand.key, answer);
        }
        Performed::restless()
    }

    /// As [`Server::perform_asking`], without waiting but for webhooks.
    fn perform_here(&self, request: &RawRequest, path: &Path, verb: Verb, verdict: &Verdict) -> Performed {
        let attempt = Attempt::default();
        for _ in 0..admission::ROUNDS {
            let performed = self.perform(request, path, verb, verdict, &attempt);
            let Some(errand) = attempt.take_wanted() else { return performed };
            let key = errand.key.clone();
            attempt.answer(key, errand.run_here());
        }
        Performed::restless()
    }

    /// Carries out a request, or puts it off until the webhook that the attempt names has answered.
    fn perform(
        &self,
        request: &RawRequest,
        path: &Path,
        verb: Verb,
        verdict: &Verdict,
        attempt: &Attempt,
    ) -> Performed {
        let mut state = self.state.lock();
        state.warnings.clear();
        state.audit.clear();
        if path.subresource.is_none() {
            state.warnings.extend(deprecation(path));
        }
        let drawn = state.ids.drawn();
        let before = state.store.revision();
        let result = self.resolve(&state, request, path, verb, attempt).and_then(|call| {
            if let Some(custom) = &call.version_def().custom
                && let Some(warning) = &custom.deprecation
            {
                state.warnings.push(warning.clone());
            }
            let target = (call.def.clone(), call.version);
            let outcome = if verdict.stale { state.dispatch_stale(&call) } else { state.dispatch(&call) }?;
            Ok((target, outcome))
        });
        if attempt.is_waiting() {
            // The same names and uids at the next attempt.
            state.ids.rewind(drawn);
        }
        let after = state.store.revision();
        let warnings = std::mem::take(&mut state.warnings);
        let audit = std::mem::take(&mut state.audit);
        Performed { result, seen: after, changed: (after > before).then_some(after), warnings, audit }
    }

    fn resolve<'a>(
        &self,
        state: &State,
        request: &'a RawRequest,
        path: &'a Path,
        verb: Verb,
        attempt: &'a Attempt,
    ) -> Result<Call<'a>, ApiError> {
        if !state.registry.serves_group(&path.group) {
            return Err(ApiError::not_a_path());
        }
        let (def, version) = state.registry.find(&path.group, &path.version, &path.resource).ok_or_else(|| {
            // Behind the server of definitions there is nobody to answer for what it does not know.
            match state.registry.serves_builtin_group(&path.group) {
                true => ApiError::no_such_path(),
                false => ApiError::not_a_path(),
            }
        })?;
        if path.namespace.is_some() && !def.namespaced {
            return Err(ApiError::no_such_path());
        }
        if path.namespace.is_none() && def.namespaced && (path.name.is_some() || (verb == Verb::Create && !def.review))
        {
            return Err(if path.name.is_some() { ApiError::no_such_path() } else { ApiError::method_not_allowed() });
        }
        if path.subresource.is_none() && !def.verbs.contains(&verb.name()) {
            return Err(ApiError::method_not_allowed());
        }
        if request.body.len() > BODY_LIMIT {
            return Err(ApiError::new(
                413,
                "RequestEntityTooLarge",
                format!("Request entity too large: limit is {BODY_LIMIT}"),
            ));
        }
        Ok(Call {
            verb,
            def,
            version,
            namespace: path.namespace.as_deref(),
            name: path.name.as_deref(),
            subresource: path.subresource.as_deref(),
            request,
            dry_run: options::check(request, verb)?,
            now: self.clock.now(),
            attempt: Some(attempt),
        })
    }

    /// Waits until what was seen at a revision is there to stay: an answer that shows a change which a kill could still undo
    /// would be a lie.
    ///
    /// # Errors
    /// The disk failed: nobody can know any more.
    pub(crate) async fn settle(&self, revision: u64) -> Result<(), ApiError> {
        let Some(durable) = &self.durable else { return Ok(()) };
        // Virtual time would jump ahead while the runtime waits for the disk.
        let settled = if self.clock.is_virtual() { durable.wait(revision) } else { durable.reached(revision).await };
        settled.map_err(|error| ApiError::internal(&error.to_string()))
    }

    /// As [`Server::settle`], blocking the thread.
    pub(crate) fn settle_here(&self, revision: u64) -> Result<(), ApiError> {
        let Some(durable) = &self.durable else { return Ok(()) };
        durable.wait(revision).map_err(|error| ApiError::internal(&error.to_string()))
    }

    /// Starts a watch in process, past all faces.
    pub(crate) fn watch(self: &Arc<Self>, request: &RawRequest, session: Session) -> Result<Watcher, ApiError> {
        let path = Path::parse(&request.path).ok_or_else(ApiError::no_such_path)?;
        match self.perform_here(request, &path, Verb::Watch, &Verdict::default()).result? {
            (_, Outcome::Watch(spec)) => Ok(Watcher::start(self.clone(), *spec, session)),
            _ => Err(ApiError::internal("not a watch")),
        }
    }

    /// Carries out a request in process, past faults and journal of the faces.
    pub(crate) fn call(&self, request: &RawRequest) -> Result<Outcome, ApiError> {
        let path = Path::parse(&request.path).ok_or_else(ApiError::no_such_path)?;
        let verb = Verb::of(&request.method, &path, false).ok_or_else(ApiError::method_not_allowed)?;
        let Performed { mut result, seen, changed, audit, .. } =
            self.perform_here(request, &path, verb, &Verdict::default());
        if let Err(error) = self.settle_here(seen) {
            result = Err(error);
        }
        let code = code_of(&result);
        self.journal.record(Entry::new(self.clock.now(), &request.caller, verb, &path, code, changed).audited(audit));
        result.map(|(_, outcome)| outcome)
    }
}

/// What clients are told of resources that are on their way out.
fn deprecation(path: &Path) -> Option<String> {
    let text = match (path.group.as_str(), path.version.as_str(), path.resource.as_str()) {
        ("", "v1", "componentstatuses") => "v1 ComponentStatus is deprecated in v1.19+",
        ("", "v1", "endpoints") => "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
        ("admissionregistration.k8s.io", version, resource) => return deprecated_policies(version, resource),
        _ => return None,
    };
    Some(text.to_owned())
}

/// Mutating policies in the versions before they were stable.
fn deprecated_policies(version: &str, resource: &str) -> Option<String> {
    let (kind, since, until) = match (version, resource) {
        ("v1beta1", "mutatingadmissionpolicies") => ("MutatingAdmissionPolicy", "v1.37+", "v1.40+"),
        ("v1beta1", "mutatingadmissionpolicybindings") => ("MutatingAdmissionPolicyBinding", "v1.37+", "v1.40+"),
        _ => return None,
    };
    Some(format!("admissionregistration.k8s.io/{version} {kind} is deprecated in {since}, unavailable in {until}"))
}

pub(super) fn code_of(result: &Result<(Target, Outcome), ApiError>) -> u16 {
    match result {
        Ok((_, Outcome::Object(code, _) | Outcome::Json(code, _))) => *code,
        Ok(_) => 200,
        Err(error) => error.code,
    }
}
