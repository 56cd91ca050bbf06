//! Asking a remote once for many who ask at the same time.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex as Locked, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use argo_core::git::{GitError, GitSource, RemoteRefs, Repository};
use tokio::sync::Mutex;

/// Repositories that are remembered; beyond, all are forgotten.
const MAX: usize = 4096;

type Answer = Result<Arc<RemoteRefs>, Arc<GitError>>;

/// References of remotes. Whoever asks is told what the remote said after he asked, never before: a push that a webhook
/// told of is always seen. All who ask while a question is under way share the next one.
#[derive(Default)]
pub(super) struct Flights(Locked<BTreeMap<Repository, Arc<Flight>>>);

#[derive(Default)]
struct Flight {
    begun: AtomicU64,
    last: Mutex<(u64, Option<Answer>)>,
}

impl Flights {
    pub(super) async fn refs(&self, git: &dyn GitSource, repository: &Repository) -> Answer {
        let flight = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if all.len() >= MAX && !all.contains_key(repository) {
                all.clear();
            }
            all.entry(repository.clone()).or_default().clone()
        };
        // A question that begins from now on is late enough.
        let enough = flight.begun.load(Ordering::SeqCst) + 1;
        let mut last = flight.last.lock().await;
        if let (number, Some(answer)) = &*last
            && *number >= enough
        {
            return answer.clone();
        }
        let number = flight.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let answer = git.refs(repository).await.map(Arc::new).map_err(Arc::new);
        *last = (number, Some(answer.clone()));
        answer
    }
}
