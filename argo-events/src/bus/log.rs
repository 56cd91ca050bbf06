//! What a bus in this process knows: events that wait, who waits for them, ids seen lately. A pure
//! value; every change is a [`Record`], so that replaying a journal of records brings it back.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use argo_core::{Timestamp, time};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{BusError, Channel, Delivery, Group, Limits, Published, Subject};
use crate::api::Event;

/// One change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Record {
    /// An event was accepted.
    Event { sequence: u64, channel: Channel, at: Timestamp, event: Event },
    /// A group subscribed.
    Subscribe { group: Group, subjects: BTreeSet<Subject> },
    /// A group acknowledged, or changed its state.
    Commit {
        group: Group,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        sequence: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        state: Option<Value>,
    },
    /// A group is no more.
    Forget { group: Group },
    /// A group as it was when the journal was rewritten.
    Group { group: Group, member: Member },
    /// The next sequence, and ids that still count as duplicates, when the journal was rewritten.
    Base { next: u64, seen: Vec<(Channel, String, Timestamp)> },
}

/// A group.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Member {
    /// Subject → first sequence that counts.
    #[serde(with = "pairs")]
    since: BTreeMap<Subject, u64>,
    /// Everything up to here is acknowledged.
    cursor: u64,
    /// What the group remembers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    state: Option<Value>,
    /// The events it has yet to acknowledge; follows from the rest.
    #[serde(skip)]
    pending: BTreeSet<u64>,
}

#[derive(Debug, Clone)]
struct Held {
    channel: Channel,
    at: Timestamp,
    event: Arc<Event>,
    /// How many groups have yet to acknowledge it.
    holders: usize,
}

/// The state of a bus.
#[derive(Debug)]
pub(super) struct Log {
    limits: Limits,
    next: u64,
    events: BTreeMap<u64, Held>,
    /// How many events each channel holds.
    counts: BTreeMap<Channel, usize>,
    groups: BTreeMap<Group, Member>,
    seen: BTreeMap<(Channel, String), Timestamp>,
    seen_order: VecDeque<(Timestamp, Channel, String)>,
}

impl Log {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            next: 1,
            events: BTreeMap::new(),
            counts: BTreeMap::new(),
            groups: BTreeMap::new(),
            seen: BTreeMap::new(),
            seen_order: VecDeque::new(),
        }
    }

    /// Decides about an event: the record to write, or none for a duplicate.
    pub(super) fn offer(
        &mut self,
        channel: &Channel,
        event: &Event,
        now: Timestamp,
    ) -> Result<Option<Record>, BusError> {
        self.offer_after(channel, event, now, 0)
    }

    /// As [`Log::offer`], while `pending` earlier records are decided but not yet applied.
    pub(super) fn offer_after(
        &mut self,
        channel: &Channel,
        event: &Event,
        now: Timestamp,
        pending: usize,
    ) -> Result<Option<Record>, BusError> {
        self.expire(now);
        if self.seen.contains_key(&(channel.clone(), event.id.clone())) {
            return Ok(None);
        }
        let bytes = event.data.len();
        if bytes > self.limits.event_bytes {
            return Err(BusError::TooLarge { id: event.id.clone(), bytes, limit: self.limits.event_bytes });
        }
        let held = self.counts.get(channel).copied().unwrap_or_default();
        if held + pending >= self.limits.events {
            return Err(BusError::Full { limit: self.limits.events });
        }
        let sequence = self.next + pending as u64;
        Ok(Some(Record::Event { sequence, channel: channel.clone(), at: now, event: event.clone() }))
    }

    /// Makes a change.
    pub(super) fn apply(&mut self, record: Record) {
        match record {
            Record::Event { sequence, channel, at, event } => {
                self.next = self.next.max(sequence + 1);
                self.remember(channel.clone(), event.id.clone(), at);
                let first = Group { channel: channel.clone(), sensor: String::new(), trigger: String::new() };
                let mut held = Held { channel, at, event: Arc::new(event), holders: 0 };
                let groups = self.groups.range_mut(first..).take_while(|(group, _)| group.channel == held.channel);
                for (_, member) in groups {
                    if member.wants(sequence, &held.event) {
                        member.pending.insert(sequence);
                        held.holders += 1;
                    }
                }
                if held.holders > 0 {
                    *self.counts.entry(held.channel.clone()).or_default() += 1;
                    self.events.insert(sequence, held);
                }
            }
            Record::Subscribe { group, subjects } => {
                let next = self.next;
                let member = self.groups.entry(group).or_default();
                member.since.retain(|it, _| subjects.contains(it));
                for subject in subjects {
                    member.since.entry(subject).or_insert(next);
                }
                let pending = std::mem::take(&mut member.pending);
                let (kept, gone): (BTreeSet<u64>, BTreeSet<u64>) = pending
                    .into_iter()
                    .partition(|it| self.events.get(it).is_some_and(|held| member.wants(*it, &held.event)));
                member.pending = kept;
                self.release(gone);
            }
            Record::Commit { group, sequence, state } => {
                let Some(member) = self.groups.get_mut(&group) else { return };
                if let Some(state) = state {
                    member.state = Some(state);
                }
                if let Some(sequence) = sequence.filter(|it| *it > member.cursor) {
                    member.cursor = sequence;
                    let rest = member.pending.split_off(&(sequence + 1));
                    let done = std::mem::replace(&mut member.pending, rest);
                    self.release(done);
                }
            }
            Record::Forget { group } => {
                if let Some(member) = self.groups.remove(&group) {
                    self.release(member.pending);
                }
            }
            Record::Group { group, member } => {
                self.groups.insert(group, member);
            }
            Record::Base { next, seen } => {
                self.next = self.next.max(next);
                for (channel, id, at) in seen {
                    self.remember(channel, id, at);
                }
            }
        }
    }

    /// The first event that a group has yet to acknowledge.
    pub(super) fn first(&self, group: &Group) -> Option<Delivery> {
        let sequence = *self.groups.get(group)?.pending.first()?;
        let held = self.events.get(&sequence)?;
        Some(Delivery { sequence, event: held.event.clone() })
    }

    pub(super) fn knows(&self, group: &Group) -> bool {
        self.groups.contains_key(group)
    }

    pub(super) fn state(&self, group: &Group) -> Option<Value> {
        self.groups.get(group)?.state.clone()
    }

    pub(super) fn groups(&self, channel: &Channel, sensor: &str) -> Vec<Group> {
        self.groups.keys().filter(|it| it.channel == *channel && it.sensor == sensor).cloned().collect()
    }

    /// How many events wait.
    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// The records that bring an empty log to this state: what a rewritten journal holds. Groups
    /// come before the events, which are kept only while somebody wants them.
    pub(super) fn snapshot(&mut self, now: Timestamp) -> Vec<Record> {
        self.expire(now);
        let seen = self.seen.iter().map(|((channel, id), at)| (channel.clone(), id.clone(), *at)).collect();
        let base = Record::Base { next: self.next, seen };
        let groups =
            self.groups.iter().map(|(group, member)| Record::Group { group: group.clone(), member: member.clone() });
        let events = self.events.iter().map(|(sequence, held)| Record::Event {
            sequence: *sequence,
            channel: held.channel.clone(),
            at: held.at,
            event: (*held.event).clone(),
        });
        std::iter::once(base).chain(groups).chain(events).collect()
    }

    fn remember(&mut self, channel: Channel, id: String, at: Timestamp) {
        if self.seen.insert((channel.clone(), id.clone()), at).is_none() {
            self.seen_order.push_back((at, channel, id));
        }
    }

    fn expire(&mut self, now: Timestamp) {
        while let Some((at, channel, id)) = self.seen_order.front() {
            if time::after(*at, self.limits.duplicates) > now {
                return;
            }
            self.seen.remove(&(channel.clone(), id.clone()));
            self.seen_order.pop_front();
        }
    }

    /// One group less waits for each of these.
    fn release(&mut self, sequences: BTreeSet<u64>) {
        for sequence in sequences {
            let Some(held) = self.events.get_mut(&sequence) else { continue };
            held.holders = held.holders.saturating_sub(1);
            if held.holders == 0
                && let Some(held) = self.events.remove(&sequence)
                && let Some(count) = self.counts.get_mut(&held.channel)
            {
                *count = count.saturating_sub(1);
            }
        }
    }
}

impl Member {
    fn wants(&self, sequence: u64, event: &Event) -> bool {
        sequence > self.cursor
            && self.since.iter().any(|(subject, since)| {
                *since <= sequence && subject.source == event.source && subject.event == event.subject
            })
    }
}

/// What [`Log::offer`] decided, for the caller.
pub(super) fn published(record: &Option<Record>) -> Published {
    if record.is_some() { Published::Accepted } else { Published::Duplicate }
}

/// JSON has no maps with structured keys.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Subject;

    pub(super) fn serialize<S: Serializer>(map: &BTreeMap<Subject, u64>, serializer: S) -> Result<S::Ok, S::Error> {
        map.iter().collect::<Vec<_>>().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<Subject, u64>, D::Error> {
        Ok(Vec::<(Subject, u64)>::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn now() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    fn channel() -> Channel {
        Channel::new("n", "default")
    }

    fn group(trigger: &str) -> Group {
        Group { channel: channel(), sensor: "s".into(), trigger: trigger.into() }
    }

    fn event(id: &str, name: &str) -> Event {
        Event::new(id, "src", name, "webhook", now(), &json!({}))
    }

    fn subscribe(log: &mut Log, trigger: &str, events: &[&str]) {
        let subjects = events.iter().map(|it| Subject::new("src", *it)).collect();
        log.apply(Record::Subscribe { group: group(trigger), subjects });
    }

    fn publish(log: &mut Log, id: &str, name: &str) -> bool {
        let record = log.offer(&channel(), &event(id, name), now()).unwrap();
        record.map(|it| log.apply(it)).is_some()
    }

    fn first(log: &Log, trigger: &str) -> Option<String> {
        log.first(&group(trigger)).map(|it| it.event.id.clone())
    }

    fn ack(log: &mut Log, trigger: &str) {
        let sequence = log.first(&group(trigger)).map(|it| it.sequence);
        log.apply(Record::Commit { group: group(trigger), sequence, state: None });
    }

    #[test]
    fn events_wait_for_every_group_and_go_when_all_are_done() {
        let mut log = Log::new(Limits::default());
        publish(&mut log, "before", "a");
        subscribe(&mut log, "t1", &["a"]);
        subscribe(&mut log, "t2", &["a", "b"]);
        publish(&mut log, "1", "a");
        publish(&mut log, "2", "b");
        publish(&mut log, "3", "c");
        assert_eq!(log.len(), 2);
        assert_eq!(first(&log, "t1"), Some("1".into()));
        ack(&mut log, "t1");
        assert_eq!((first(&log, "t1"), first(&log, "t2")), (None, Some("1".into())));
        ack(&mut log, "t2");
        assert_eq!((first(&log, "t2"), log.len()), (Some("2".into()), 1));
        log.apply(Record::Forget { group: group("t2") });
        assert_eq!(log.len(), 0);
    }

    #[test]
    fn a_new_subject_of_a_group_starts_now_and_old_ones_go_on() {
        let mut log = Log::new(Limits::default());
        subscribe(&mut log, "t1", &["a"]);
        subscribe(&mut log, "t2", &["b"]);
        publish(&mut log, "1", "a");
        publish(&mut log, "2", "b");
        subscribe(&mut log, "t1", &["a", "b"]);
        assert_eq!(first(&log, "t1"), Some("1".into()));
        ack(&mut log, "t1");
        assert_eq!(first(&log, "t1"), None);
    }

    #[test]
    fn an_id_counts_once_within_the_window() {
        let mut log = Log::new(Limits { duplicates: Duration::from_secs(60), ..Limits::default() });
        subscribe(&mut log, "t", &["a"]);
        assert!(publish(&mut log, "1", "a"));
        assert!(!publish(&mut log, "1", "a"));
        let later = time::after(now(), Duration::from_secs(60));
        assert!(log.offer(&channel(), &event("1", "a"), later).unwrap().is_some());
        assert!(log.offer(&Channel::new("other", "default"), &event("1", "a"), now()).unwrap().is_some());
    }

    #[test]
    fn a_full_bus_refuses_and_loses_nothing() {
        let mut log = Log::new(Limits { events: 2, event_bytes: 10, ..Limits::default() });
        subscribe(&mut log, "t", &["a"]);
        publish(&mut log, "1", "a");
        publish(&mut log, "2", "a");
        assert!(matches!(log.offer(&channel(), &event("3", "a"), now()), Err(BusError::Full { limit: 2 })));
        assert_eq!(first(&log, "t"), Some("1".into()));
        ack(&mut log, "t");
        assert!(publish(&mut log, "3", "a"));
        let large = Event::new("4", "src", "a", "t", now(), &json!("0123456789"));
        assert!(matches!(log.offer(&channel(), &large, now()), Err(BusError::TooLarge { .. })));
    }

    #[test]
    fn a_full_channel_does_not_fill_another() {
        let mut log = Log::new(Limits { events: 1, ..Limits::default() });
        subscribe(&mut log, "t", &["a"]);
        publish(&mut log, "1", "a");
        assert!(log.offer(&channel(), &event("2", "a"), now()).is_err());
        assert!(log.offer(&Channel::new("other", "default"), &event("2", "a"), now()).unwrap().is_some());
    }

    #[test]
    fn a_subject_given_up_takes_its_events_along() {
        let mut log = Log::new(Limits::default());
        subscribe(&mut log, "t", &["a", "b"]);
        publish(&mut log, "1", "a");
        publish(&mut log, "2", "b");
        subscribe(&mut log, "t", &["b"]);
        assert_eq!((first(&log, "t"), log.len()), (Some("2".into()), 1));
        // Taken up again it starts anew.
        subscribe(&mut log, "t", &["a", "b"]);
        publish(&mut log, "3", "a");
        ack(&mut log, "t");
        assert_eq!(first(&log, "t"), Some("3".into()));
    }

    #[test]
    fn a_snapshot_replayed_is_the_same_log() {
        let mut log = Log::new(Limits::default());
        subscribe(&mut log, "t1", &["a"]);
        subscribe(&mut log, "t2", &["a"]);
        for id in ["1", "2", "3"] {
            publish(&mut log, id, "a");
        }
        ack(&mut log, "t1");
        log.apply(Record::Commit { group: group("t2"), sequence: None, state: Some(json!({"x": 1})) });
        let mut copy = Log::new(Limits::default());
        for record in log.snapshot(now()) {
            let line = serde_json::to_string(&record).unwrap();
            copy.apply(serde_json::from_str(&line).unwrap());
        }
        assert_eq!(first(&copy, "t1"), Some("2".into()));
        assert_eq!(first(&copy, "t2"), Some("1".into()));
        assert_eq!(copy.state(&group("t2")), Some(json!({"x": 1})));
        assert!(!publish(&mut copy, "2", "a"), "ids are remembered");
        assert_eq!(copy.snapshot(now()), log.snapshot(now()));
    }
}
