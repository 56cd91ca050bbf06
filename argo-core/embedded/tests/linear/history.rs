//! What was asked, answered and seen.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

pub(super) type Data = BTreeMap<String, String>;

/// A request of a writer.
#[derive(Clone, Debug)]
pub(super) enum Request {
    Create { name: String, team: String, data: Data },
    Update { name: String, team: String, data: Data, expected: Option<u64> },
    Patch { name: String, key: String, value: String },
    Delete { name: String, expected: Option<u64> },
    DeleteCollection { team: String },
    Get { name: String },
    List { selection: Selection },
}

/// Its answer.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant)] // Some hundreds are kept.
pub(super) enum Answer {
    Object(ConfigMap),
    /// The uids of what is deleted.
    Deleted(Vec<String>),
    List(u64, Vec<ConfigMap>),
    /// HTTP code and reason.
    Refused(u16, String),
}

/// A request with its answer, between two ticks of a clock that all share.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) request: Request,
    pub(super) answer: Answer,
}

/// What a watch or list selects.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Selection {
    All,
    Team(String),
    NotTeam(String),
    Name(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Added,
    Modified,
    Deleted,
}

/// What a watcher went through.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // Some hundreds are kept.
pub(super) enum Seen {
    /// A list, from whose revision it watches on.
    List(u64, Vec<ConfigMap>),
    Event(Kind, ConfigMap),
    Bookmark(u64),
    /// It asked for more from this revision on.
    Resumed(u64),
}

#[derive(Clone, Debug)]
pub(super) struct Watched {
    pub(super) selection: Selection,
    pub(super) seen: Vec<Seen>,
}

#[derive(Clone, Debug)]
pub(super) struct History {
    /// The revision before the first change.
    pub(super) start: u64,
    /// Every change: what a watch saw that was never cut.
    pub(super) log: Vec<(Kind, ConfigMap)>,
    pub(super) records: Vec<Record>,
    pub(super) watched: Vec<Watched>,
}

impl Selection {
    pub(super) fn takes(&self, map: &ConfigMap) -> bool {
        let team = map.metadata.labels.as_ref().and_then(|labels| labels.get("team"));
        match self {
            Self::All => true,
            Self::Team(wanted) => team == Some(wanted),
            Self::NotTeam(other) => team != Some(other),
            Self::Name(name) => map.metadata.name.as_ref() == Some(name),
        }
    }
}

pub(super) fn revision(map: &ConfigMap) -> u64 {
    map.metadata.resource_version.as_deref().and_then(|text| text.parse().ok()).expect("a revision")
}

pub(super) fn name(map: &ConfigMap) -> &str {
    map.metadata.name.as_deref().expect("a name")
}

pub(super) fn uid(map: &ConfigMap) -> &str {
    map.metadata.uid.as_deref().expect("a uid")
}

/// A way to spoil a history; false if there is nothing to spoil.
pub(super) struct Tampering {
    pub(super) name: &'static str,
    pub(super) change: fn(&mut History) -> bool,
}

/// Two events in a row of one watch, without anything between them.
fn pair(history: &mut History) -> Option<(&mut Vec<Seen>, usize)> {
    history.watched.iter_mut().find_map(|watched| {
        let at = watched.seen.windows(2).position(|two| matches!(two, [Seen::Event(..), Seen::Event(..)]))?;
        Some((&mut watched.seen, at))
    })
}

fn record(history: &mut History, wanted: impl Fn(&Record) -> bool) -> Option<&mut Record> {
    history.records.iter_mut().rev().find(|record| wanted(record))
}

pub(super) const TAMPERINGS: [Tampering; 9] = [
    Tampering { name: "an event lost", change: |history| pair(history).map(|(seen, at)| seen.remove(at)).is_some() },
    Tampering {
        name: "an event repeated",
        change: |history| pair(history).map(|(seen, at)| seen.insert(at, seen[at].clone())).is_some(),
    },
    Tampering {
        name: "two events swapped",
        change: |history| pair(history).map(|(seen, at)| seen.swap(at, at + 1)).is_some(),
    },
    Tampering {
        name: "an event of another kind",
        change: |history| {
            history
                .watched
                .iter_mut()
                .flat_map(|watched| &mut watched.seen)
                .find_map(|seen| match seen {
                    Seen::Event(kind @ Kind::Modified, _) => {
                        *kind = Kind::Added;
                        Some(())
                    }
                    _ => None,
                })
                .is_some()
        },
    },
    Tampering {
        name: "a bookmark ahead of its events",
        change: |history| {
            let last = history.start + history.log.len() as u64;
            pair(history).map(|(seen, at)| seen.insert(at, Seen::Bookmark(last))).is_some()
        },
    },
    Tampering {
        name: "a write without a change",
        change: |history| {
            record(history, |it| matches!(it.answer, Answer::Object(_)) && matches!(it.request, Request::Patch { .. }))
                .map(|it| {
                    if let Answer::Object(map) = &mut it.answer {
                        map.data.get_or_insert_default().insert("ghost".into(), "1".into());
                    }
                })
                .is_some()
        },
    },
    Tampering {
        name: "a list of the past",
        change: |history| {
            let start = history.start;
            record(history, |it| matches!(&it.answer, Answer::List(_, items) if !items.is_empty()))
                .map(|it| it.answer = Answer::List(start, Vec::new()))
                .is_some()
        },
    },
    Tampering {
        name: "a change of nobody",
        change: |history| {
            let at = history
                .records
                .iter()
                .position(|it| matches!((&it.request, &it.answer), (Request::Patch { .. }, Answer::Object(_))));
            at.map(|at| history.records.remove(at)).is_some()
        },
    },
    Tampering {
        name: "a refusal out of thin air",
        change: |history| {
            let first = history.records.iter().map(|it| it.start).min().unwrap_or(0);
            // Before anything was created, nothing can exist already.
            history.records.push(Record {
                start: first.saturating_sub(2),
                end: first.saturating_sub(1),
                request: Request::Create { name: "m0".into(), team: "a".into(), data: Data::new() },
                answer: Answer::Refused(409, "AlreadyExists".into()),
            });
            true
        },
    },
];
