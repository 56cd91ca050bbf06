//! Faults on purpose: what can go wrong between a controller and the API server, by rule.
//!
//! ```
//! use argo_embedded::{Cluster, faults::{Fault, Rule}};
//! use argo_embedded::Verb;
//!
//! let cluster = Cluster::new();
//! // The next two updates of deployments lose a race.
//! cluster.faults().add(Rule::new(Fault::Conflict).verb(Verb::Update).resource("deployments").times(2));
//! ```
//! The first rule of each kind that fits a request is the one that acts on it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::watch;

use crate::server::{ApiError, Path, Verb};

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 409 with the words of a lost race.
    Conflict,
    /// 429 with `Retry-After` in seconds.
    TooManyRequests {
        /// Seconds until the client may try again.
        retry_after: u64,
    },
    /// An answer of 500, 503, 504 or any other code.
    Error {
        /// HTTP code.
        code: u16,
    },
    /// The answer comes late by this much time on the cluster's clock.
    Latency(Duration),
    /// Gets and lists show the resource as it was before its last change.
    Stale,
    /// No answer at all: a transport error.
    Partition,
}

/// A fault and the requests it befalls. A rule without conditions befalls all.
#[derive(Clone, Debug)]
pub struct Rule {
    fault: Fault,
    verbs: Vec<Verb>,
    group: Option<String>,
    resource: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
    client: Option<String>,
    skip: u64,
    times: Option<u64>,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    chance: Option<(u64, f64)>,
}

/// Names a rule, to take it away again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleId(u64);

/// The rules in force.
#[derive(Debug)]
pub struct Faults {
    rules: Mutex<Vec<(RuleId, Rule, u64)>>,
    next: AtomicU64,
    cuts: watch::Sender<u64>,
}

/// What befalls one request.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) error: Option<ApiError>,
    pub(crate) latency: Option<Duration>,
    pub(crate) stale: bool,
    pub(crate) partitioned: bool,
}

// === impl Rule ===

impl Rule {
    /// A rule for every request, for ever.
    pub fn new(fault: Fault) -> Self {
        Self {
            fault,
            verbs: Vec::new(),
            group: None,
            resource: None,
            namespace: None,
            name: None,
            client: None,
            skip: 0,
            times: None,
            from: None,
            until: None,
            chance: None,
        }
    }

    /// Only this verb, or those given by several calls.
    #[must_use]
    pub fn verb(mut self, verb: Verb) -> Self {
        self.verbs.push(verb);
        self
    }

    /// Only verbs that write.
    #[must_use]
    pub fn writes(self) -> Self {
        [Verb::Create, Verb::Update, Verb::Patch, Verb::Delete, Verb::DeleteCollection]
            .into_iter()
            .fold(self, Self::verb)
    }

    /// Only this resource: `pods`, `deployments.apps`, or with a subresource `deployments.apps/status`.
    #[must_use]
    pub fn resource(mut self, resource: &str) -> Self {
        let (name, subresource) = resource.split_once('/').map_or((resource, None), |(name, sub)| (name, Some(sub)));
        let (plural, group) =
            name.split_once('.').map_or((name, None), |(plural, group)| (plural, Some(group.to_owned())));
        self.group = group;
        self.resource = Some(subresource.map_or_else(|| plural.to_owned(), |sub| format!("{plural}/{sub}")));
        self
    }

    /// Only this namespace.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Only objects of this name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Only requests of this client: the name of its handle, or the program part of its User-Agent.
    #[must_use]
    pub fn client(mut self, client: impl Into<String>) -> Self {
        self.client = Some(client.into());
        self
    }

    /// Lets the first `count` requests that fit pass.
    #[must_use]
    pub fn after(mut self, count: u64) -> Self {
        self.skip = count;
        self
    }

    /// Acts this often, then no more.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// Acts from this time of the cluster's clock on.
    #[must_use]
    pub fn from(mut self, from: Timestamp) -> Self {
        self.from = Some(from);
        self
    }

    /// Acts until this time of the cluster's clock.
    #[must_use]
    pub fn until(mut self, until: Timestamp) -> Self {
        self.until = Some(until);
        self
    }

    /// Acts with this probability, decided by a seed and the number of the request: the same run has the same faults.
    #[must_use]
    pub fn chance(mut self, seed: u64, probability: f64) -> Self {
        self.chance = Some((seed, probability));
        self
    }

    fn fits(&self, verb: Verb, path: &Path, client: &str, now: Timestamp) -> bool {
        let resource = match &path.subresource {
            Some(subresource) => format!("{}/{subresource}", path.resource),
            None => path.resource.clone(),
        };
        let is = |wanted: &Option<String>, actual: &str| wanted.as_ref().is_none_or(|wanted| wanted == actual);
        (self.verbs.is_empty() || self.verbs.contains(&verb))
            && is(&self.group, &path.group)
            && is(&self.resource, &resource)
            && is(&self.namespace, path.namespace.as_deref().unwrap_or_default())
            && is(&self.name, path.name.as_deref().unwrap_or_default())
            && is(&self.client, client)
            && self.from.is_none_or(|from| now >= from)
            && self.until.is_none_or(|until| now < until)
    }
}

// === impl Faults ===

impl Default for Faults {
    fn default() -> Self {
        Self { rules: Mutex::new(Vec::new()), next: AtomicU64::new(1), cuts: watch::Sender::new(0) }
    }
}

impl Faults {
    /// Puts a rule in force.
    pub fn add(&self, rule: Rule) -> RuleId {
        let id = RuleId(self.next.fetch_add(1, Ordering::SeqCst));
        self.rules.lock().push((id, rule, 0));
        id
    }

    /// Takes a rule away.
    pub fn remove(&self, id: RuleId) {
        self.rules.lock().retain(|(present, _, _)| *present != id);
    }

    /// Takes all rules away.
    pub fn clear(&self) {
        self.rules.lock().clear();
    }

    /// Ends all running watches, as a restart of the API server does. Clients watch on from where they were.
    pub fn cut_watches(&self) {
        self.cuts.send_modify(|count| *count += 1);
    }

    /// How often a rule has acted; `None` if it is not in force.
    pub fn acted(&self, id: RuleId) -> Option<u64> {
        self.rules.lock().iter().find(|(present, _, _)| *present == id).map(|(_, rule, seen)| acted(rule, *seen))
    }

    pub(crate) fn cuts(&self) -> watch::Receiver<u64> {
        let mut receiver = self.cuts.subscribe();
        receiver.borrow_and_update();
        receiver
    }

    pub(crate) fn judge(&self, verb: Verb, path: &Path, client: &str, now: Timestamp) -> Verdict {
        let mut verdict = Verdict::default();
        for (_, rule, seen) in self.rules.lock().iter_mut() {
            if !rule.fits(verb, path, client, now) {
                continue;
            }
            *seen += 1;
            let number = *seen;
            if number <= rule.skip || rule.times.is_some_and(|times| number > rule.skip.saturating_add(times)) {
                continue;
            }
            if let Some((seed, probability)) = rule.chance
                && draw(seed, number) >= probability
            {
                continue;
            }
            verdict.add(&rule.fault, path);
        }
        verdict
    }
}

fn acted(rule: &Rule, seen: u64) -> u64 {
    let after = seen.saturating_sub(rule.skip);
    let bounded = rule.times.map_or(after, |times| after.min(times));
    match rule.chance {
        None => bounded,
        Some((seed, probability)) => {
            (1..=bounded).filter(|number| draw(seed, number + rule.skip) < probability).count() as u64
        }
    }
}

/// A number in [0, 1) from a seed and a counter.
fn draw(seed: u64, number: u64) -> f64 {
    use rand::{Rng, SeedableRng};
    rand::rngs::StdRng::seed_from_u64(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).random()
}

// === impl Verdict ===

impl Verdict {
    fn add(&mut self, fault: &Fault, path: &Path) {
        let gr = crate::store::GroupResource::new(&path.group, &path.resource);
        let error = match fault {
            Fault::Conflict => ApiError::stale(&gr, path.name.as_deref().unwrap_or_default()),
            Fault::TooManyRequests { retry_after } => ApiError::too_many_requests(
                "the server has received too many requests and has asked us to try again later",
                *retry_after,
            ),
            Fault::Error { code } => error_of(*code),
            Fault::Latency(latency) => {
                self.latency.get_or_insert(*latency);
                return;
            }
            Fault::Stale => {
                self.stale = true;
                return;
            }
            Fault::Partition => {
                self.partitioned = true;
                return;
            }
        };
        self.error.get_or_insert(error);
    }
}

fn error_of(code: u16) -> ApiError {
    match code {
        500 => ApiError::internal("injected fault"),
        503 => {
            let mut error =
                ApiError::new(503, "ServiceUnavailable", "the server is currently unable to handle the request");
            error.details = Some(Box::new(json!({ "retryAfterSeconds": 1 })));
            error
        }
        504 => ApiError::new(
            504,
            "Timeout",
            "the server was unable to return a response in the time allotted, but may still be processing the request",
        ),
        code => ApiError::new(code, "", format!("injected fault {code}")),
    }
}
