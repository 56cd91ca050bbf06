//! A queue of keys: each at most once, never worked on twice at once, with delays and backoff.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    clock::Clock,
    object::ObjectKey,
    time::{self, Timestamp},
};

/// Growing delays for keys that fail: `base·2^n`, at most `cap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// First delay; 5 ms by default, as client-go's.
    pub base: Duration,
    /// Largest delay; 1000 s by default.
    pub cap: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base: Duration::from_millis(5), cap: Duration::from_secs(1000) }
    }
}

impl Backoff {
    /// The delay after `failures` failures before this one.
    #[must_use]
    pub fn delay(&self, failures: u32) -> Duration {
        let factor = 1_u32.checked_shl(failures.min(31)).unwrap_or(u32::MAX);
        self.base.checked_mul(factor).map_or(self.cap, |it| it.min(self.cap))
    }
}

/// The queue. All times are the clock's.
#[derive(Debug)]
pub struct Queue {
    clock: Clock,
    backoff: Backoff,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    ready: VecDeque<ObjectKey>,
    waiting: BTreeSet<ObjectKey>,
    working: BTreeSet<ObjectKey>,
    delayed: BTreeMap<ObjectKey, Timestamp>,
    due: BTreeSet<(Timestamp, ObjectKey)>,
    failures: BTreeMap<ObjectKey, u32>,
    closed: bool,
}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub fn new(clock: Clock, backoff: Backoff) -> Self {
        Self { clock, backoff, state: Mutex::default(), changed: Notify::new() }
    }

    /// Adds a key now; while it is worked on, it runs once more afterwards.
    pub fn add(&self, key: ObjectKey) {
        let mut state = self.state.lock();
        if state.waiting.insert(key.clone()) && !state.working.contains(&key) {
            state.ready.push_back(key);
            drop(state);
            self.changed.notify_one();
        }
    }

    /// Runs the key at `at`, in place of an earlier request to run it later.
    pub fn add_at(&self, key: ObjectKey, at: Timestamp) {
        let mut state = self.state.lock();
        state.set_delay(&key, Some(at));
        drop(state);
        self.changed.notify_one();
    }

    /// Runs the key again after its next backoff delay, or after `least` if that is longer.
    pub fn add_failed(&self, key: ObjectKey, least: Option<Duration>) -> Duration {
        let delay = {
            let mut state = self.state.lock();
            let count = state.failures.entry(key.clone()).or_default();
            let delay = self.backoff.delay(*count).max(least.unwrap_or_default());
            *count = count.saturating_add(1);
            delay
        };
        self.add_at(key, time::after(self.clock.now(), delay));
        delay
    }

    /// Forgets the failures of a key.
    pub fn succeeded(&self, key: &ObjectKey) {
        self.state.lock().failures.remove(key);
    }

    /// Forgets that the key was to run later.
    pub fn clear_delay(&self, key: &ObjectKey) {
        self.state.lock().set_delay(key, None);
    }

    /// The next key, when there is one; `None` once the queue is closed. Give it back with [`Queue::done`].
    pub async fn next(&self) -> Option<ObjectKey> {
        loop {
            let changed = self.changed.notified();
            let wait = {
                let mut state = self.state.lock();
                state.promote(self.clock.now());
                if state.closed {
                    return None;
                }
                if let Some(key) = state.ready.pop_front() {
                    state.waiting.remove(&key);
                    state.working.insert(key.clone());
                    if !state.ready.is_empty() {
                        self.changed.notify_one();
                    }
                    return Some(key);
                }
                state.due.first().map(|(at, _)| *at)
            };
            match wait {
                Some(at) => {
                    tokio::select! {
                        () = changed => {}
                        () = self.clock.sleep_until(at) => {}
                    }
                }
                None => changed.await,
            }
        }
    }

    /// Ends the work on a key; runs it again if it was added meanwhile.
    pub fn done(&self, key: &ObjectKey) {
        let mut state = self.state.lock();
        state.working.remove(key);
        if state.waiting.contains(key) {
            state.ready.push_back(key.clone());
            drop(state);
            self.changed.notify_one();
        }
    }

    /// Ends the queue; every [`Queue::next`] returns `None`.
    pub fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_waiters();
        self.changed.notify_one();
    }

    /// How many keys are ready.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.state.lock().ready.len()
    }

    /// Whether nothing is ready, worked on, or due by `at`.
    #[must_use]
    pub fn is_idle_until(&self, at: Timestamp) -> bool {
        let state = self.state.lock();
        state.ready.is_empty() && state.working.is_empty() && state.due.first().is_none_or(|(due, _)| *due > at)
    }
}

impl State {
    fn set_delay(&mut self, key: &ObjectKey, at: Option<Timestamp>) {
        if let Some(old) = self.delayed.remove(key) {
            self.due.remove(&(old, key.clone()));
        }
        if let Some(at) = at {
            self.delayed.insert(key.clone(), at);
            self.due.insert((at, key.clone()));
        }
    }

    fn promote(&mut self, now: Timestamp) {
        while self.due.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, key)) = self.due.pop_first() else {
                return;
            };
            self.delayed.remove(&key);
            if self.waiting.insert(key.clone()) && !self.working.contains(&key) {
                self.ready.push_back(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new(Some("n"), name)
    }

    fn queue() -> Queue {
        Queue::new(Clock::virtual_at("2026-01-01T00:00:00Z".parse().unwrap()), Backoff::default())
    }

    #[test]
    fn delays_double_up_to_the_cap() {
        let backoff = Backoff::default();
        assert_eq!(backoff.delay(0), Duration::from_millis(5));
        assert_eq!(backoff.delay(3), Duration::from_millis(40));
        assert_eq!(backoff.delay(60), Duration::from_secs(1000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_added_twice_runs_once_and_again_when_added_during_work() {
        let queue = queue();
        queue.add(key("a"));
        queue.add(key("a"));
        assert_eq!(queue.next().await, Some(key("a")));
        assert_eq!(queue.depth(), 0);
        queue.add(key("a"));
        assert_eq!(queue.depth(), 0, "not while it is worked on");
        queue.done(&key("a"));
        assert_eq!(queue.next().await, Some(key("a")));
    }

    #[tokio::test(start_paused = true)]
    async fn delayed_keys_come_in_order_of_their_time_and_the_last_time_counts() {
        let queue = queue();
        let now = queue.clock.now();
        queue.add_at(key("late"), time::after(now, Duration::from_secs(3600)));
        queue.add_at(key("soon"), time::after(now, Duration::from_secs(60)));
        queue.add_at(key("late"), time::after(now, Duration::from_secs(7200)));
        assert_eq!(queue.next().await, Some(key("soon")));
        assert_eq!(queue.next().await, Some(key("late")));
        assert_eq!(time::between(now, queue.clock.now()).as_secs(), 7200);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_back_off_until_success() {
        let queue = queue();
        assert_eq!(queue.add_failed(key("a"), None), Duration::from_millis(5));
        assert_eq!(queue.add_failed(key("a"), None), Duration::from_millis(10));
        assert_eq!(queue.add_failed(key("a"), Some(Duration::from_secs(9))), Duration::from_secs(9));
        queue.succeeded(&key("a"));
        assert_eq!(queue.add_failed(key("a"), None), Duration::from_millis(5));
    }

    #[tokio::test(start_paused = true)]
    async fn closing_ends_every_worker() {
        let queue = std::sync::Arc::new(queue());
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                tokio::spawn({
                    let queue = queue.clone();
                    async move { queue.next().await }
                })
            })
            .collect();
        tokio::task::yield_now().await;
        queue.close();
        for worker in waiting {
            assert_eq!(worker.await.unwrap(), None);
        }
    }
}
