//! The judge: a history against a sequential model.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use k8s_openapi::api::core::v1::ConfigMap;

use super::history::{Answer, Data, History, Kind, Record, Request, Seen, Selection, Watched, name, revision, uid};

type State = BTreeMap<String, Rc<ConfigMap>>;

/// The states at all revisions from the start on, out of the log.
struct Model<'a> {
    history: &'a History,
    states: Vec<State>,
}

/// What a request came to, in revisions.
#[derive(Default)]
struct Effect {
    /// The changes it made.
    changes: Vec<u64>,
    /// The revision it read at, if it says so.
    read: Option<u64>,
    /// The revisions between which it must make sense.
    window: (u64, u64),
}

/// Whether a history can be explained; if not, what cannot.
pub(super) fn check(history: &History) -> Result<(), String> {
    let model = Model::new(history)?;
    let effects = model.effects()?;
    for (record, effect) in history.records.iter().zip(&effects) {
        model.explain(record, effect).map_err(|why| format!("{why}: {record:?} in {:?}", effect.window))?;
    }
    for watched in &history.watched {
        model.follow(watched).map_err(|why| format!("watch of {:?}: {why}", watched.selection))?;
    }
    Ok(())
}

impl<'a> Model<'a> {
    fn new(history: &'a History) -> Result<Self, String> {
        let mut states = vec![State::new()];
        let mut uids = BTreeSet::new();
        for (at, (kind, map)) in history.log.iter().enumerate() {
            let mut state = states[at].clone();
            if revision(map) != history.start + at as u64 + 1 {
                return Err(format!("revision {} at place {at} of the log", revision(map)));
            }
            let before = state.get(name(map)).cloned();
            match (kind, &before) {
                (Kind::Added, None) if uids.insert(uid(map).to_owned()) => {}
                (Kind::Modified, Some(before)) if uid(before) == uid(map) => {}
                (Kind::Deleted, Some(before)) if uid(before) == uid(map) && data(before) == data(map) => {}
                _ => return Err(format!("{kind:?} {map:?} after {before:?}")),
            }
            match kind {
                Kind::Deleted => state.remove(name(map)),
                _ => state.insert(name(map).to_owned(), Rc::new(map.clone())),
            };
            states.push(state);
        }
        Ok(Self { history, states })
    }

    fn last(&self) -> u64 {
        self.history.start + self.history.log.len() as u64
    }

    fn state(&self, revision: u64) -> Result<&State, String> {
        let at =
            revision.checked_sub(self.history.start).ok_or_else(|| format!("revision {revision} before the start"))?;
        self.states.get(at as usize).ok_or_else(|| format!("revision {revision} is still to come"))
    }

    fn change(&self, revision: u64) -> Option<&(Kind, ConfigMap)> {
        self.history.log.get(revision.checked_sub(self.history.start + 1)? as usize)
    }

    /// Matches requests and changes one to one, and finds each request's window.
    fn effects(&self) -> Result<Vec<Effect>, String> {
        let deletions: BTreeMap<&str, u64> = self
            .history
            .log
            .iter()
            .filter(|(kind, _)| *kind == Kind::Deleted)
            .map(|(_, map)| (uid(map), revision(map)))
            .collect();
        let mut claimed = BTreeSet::new();
        let mut effects = Vec::new();
        for record in &self.history.records {
            let mut effect = Effect::default();
            match (&record.request, &record.answer) {
                (Request::Get { .. }, Answer::Object(_)) | (_, Answer::Refused(..)) => {}
                (_, Answer::Object(map)) => effect.changes.push(revision(map)),
                (_, Answer::Deleted(uids)) => {
                    for uid in uids {
                        effect
                            .changes
                            .push(*deletions.get(uid.as_str()).ok_or_else(|| format!("{uid} was never deleted"))?);
                    }
                }
                (_, Answer::List(at, _)) => effect.read = Some(*at),
            }
            for change in &effect.changes {
                if !claimed.insert(*change) {
                    return Err(format!("revision {change} was made twice: {record:?}"));
                }
            }
            effects.push(effect);
        }
        let all: BTreeSet<u64> = (self.history.start + 1..=self.last()).collect();
        if claimed != all {
            return Err(format!(
                "changes that nobody made: {:?}",
                all.symmetric_difference(&claimed).collect::<Vec<_>>()
            ));
        }
        for at in 0..effects.len() {
            effects[at].window = self.window(at, &effects);
        }
        Ok(effects)
    }

    /// From what was known before a request began to what those knew who began after it ended.
    fn window(&self, at: usize, effects: &[Effect]) -> (u64, u64) {
        let own = &self.history.records[at];
        let (mut low, mut high) = (self.history.start, self.last());
        for (other, effect) in self.history.records.iter().zip(effects) {
            if other.end < own.start {
                low = effect.changes.iter().copied().chain(effect.read).fold(low, u64::max);
            }
            if other.start > own.end {
                high = effect.changes.iter().map(|change| change - 1).chain(effect.read).fold(high, u64::min);
            }
        }
        (low, high)
    }

    /// Whether the answer is right for some state of the window.
    fn explain(&self, record: &Record, effect: &Effect) -> Result<(), String> {
        let (low, high) = effect.window;
        if low > high {
            return Err("no revision is left for it".to_owned());
        }
        let sometime = |holds: &dyn Fn(&State) -> bool| {
            let found = (low..=high).any(|at| self.state(at).is_ok_and(holds));
            if found { Ok(()) } else { Err("at no time true".to_owned()) }
        };
        if let Some(change) = effect.changes.iter().find(|change| **change <= low || **change > high) {
            return Err(format!("its change {change} is out of time"));
        }
        let before = |map: &ConfigMap| self.state(revision(map) - 1).map(|state| state.get(name(map)).cloned());
        let expected_was_there = |map: &ConfigMap, expected: Option<u64>| -> Result<(), String> {
            let found = before(map)?.map(|map| revision(&map));
            if expected.is_none() || expected == found {
                Ok(())
            } else {
                Err(format!("{found:?} was there, not {expected:?}"))
            }
        };
        match (&record.request, &record.answer) {
            (Request::Create { name, team, data: given, .. }, Answer::Object(map)) => {
                self.is_change(map, Kind::Added)?;
                is_as_given(map, name, team, given)
            }
            (Request::Update { name, team, data: given, expected }, Answer::Object(map)) => {
                self.is_change(map, Kind::Modified)?;
                expected_was_there(map, *expected)?;
                is_as_given(map, name, team, given)
            }
            (Request::Patch { key, value, .. }, Answer::Object(map)) => {
                self.is_change(map, Kind::Modified)?;
                let mut wanted = before(map)?.map(|map| data(&map)).unwrap_or_default();
                wanted.insert(key.clone(), value.clone());
                if data(map) == wanted { Ok(()) } else { Err(format!("not patched onto {wanted:?}")) }
            }
            (Request::Delete { expected, .. }, Answer::Deleted(_)) => {
                effect.changes.iter().try_for_each(|change| match self.change(*change) {
                    Some((Kind::Deleted, map)) => expected_was_there(map, *expected),
                    other => Err(format!("no deletion: {other:?}")),
                })
            }
            (Request::DeleteCollection { team }, Answer::Deleted(_)) => {
                let selection = Selection::Team(team.clone());
                // What was there all the time must be gone.
                let lasting = self.state(low)?.values().find(|map| {
                    selection.takes(map)
                        && (low..=high).all(|at| {
                            self.state(at).is_ok_and(|state| {
                                state.get(name(map)).is_some_and(|it| uid(it) == uid(map) && selection.takes(it))
                            })
                        })
                });
                lasting.map_or(Ok(()), |map| Err(format!("left behind {map:?}")))
            }
            (Request::Get { .. }, Answer::Object(map)) => {
                sometime(&|state| state.get(name(map)).is_some_and(|it| **it == *map))
            }
            (Request::List { selection }, Answer::List(at, items)) => {
                if !(low..=high).contains(at) {
                    return Err(format!("revision {at} is out of time"));
                }
                self.is_list(*at, selection, items)
            }
            (Request::Create { name, .. }, Answer::Refused(409, reason)) if reason == "AlreadyExists" => {
                sometime(&|state| state.contains_key(name))
            }
            (
                Request::Update { name, expected: Some(expected), .. }
                | Request::Delete { name, expected: Some(expected) },
                Answer::Refused(409, reason),
            ) if reason == "Conflict" => {
                sometime(&|state| state.get(name).is_some_and(|map| revision(map) != *expected))
            }
            (
                Request::Update { name, .. }
                | Request::Patch { name, .. }
                | Request::Delete { name, .. }
                | Request::Get { name },
                Answer::Refused(404, _),
            ) => sometime(&|state| !state.contains_key(name)),
            _ => Err("no such answer".to_owned()),
        }
    }

    fn is_change(&self, map: &ConfigMap, kind: Kind) -> Result<(), String> {
        match self.change(revision(map)) {
            Some((logged, object)) if *logged == kind && object == map => Ok(()),
            other => Err(format!("the log has {other:?}")),
        }
    }

    fn is_list(&self, at: u64, selection: &Selection, items: &[ConfigMap]) -> Result<(), String> {
        let wanted: Vec<&ConfigMap> =
            self.state(at)?.values().map(|map| &**map).filter(|map| selection.takes(map)).collect();
        if items.iter().eq(wanted.iter().copied()) {
            Ok(())
        } else {
            Err(format!("a list at {at} of {items:?}, not {wanted:?}"))
        }
    }

    /// How a selection sees a change.
    fn shown(&self, at: u64, selection: &Selection) -> Option<(Kind, ConfigMap)> {
        let (kind, map) = self.change(at)?;
        let before = self.state(at - 1).ok()?.get(name(map)).filter(|before| selection.takes(before));
        let after = (*kind != Kind::Deleted && selection.takes(map)).then_some(map);
        match (before, after) {
            (None, None) => None,
            (None, Some(after)) => Some((Kind::Added, after.clone())),
            (Some(_), Some(after)) => Some((Kind::Modified, after.clone())),
            (Some(before), None) => {
                // The last form that was selected, at the revision of the change.
                let mut last = if *kind == Kind::Deleted { map.clone() } else { (**before).clone() };
                last.metadata.resource_version = Some(at.to_string());
                Some((Kind::Deleted, last))
            }
        }
    }

    fn follow(&self, watched: &Watched) -> Result<(), String> {
        let mut cursor = None;
        let mut events = 0;
        for seen in &watched.seen {
            match (seen, cursor) {
                (Seen::List(at, items), _) => {
                    self.is_list(*at, &watched.selection, items)?;
                    if cursor.is_some_and(|cursor| cursor > *at) {
                        return Err(format!("a list at {at} after {cursor:?}"));
                    }
                    cursor = Some(*at);
                }
                (_, None) => return Err("it began without a list".to_owned()),
                (Seen::Resumed(from), Some(cursor)) if *from != cursor => {
                    return Err(format!("resumed from {from}, not {cursor}"));
                }
                (Seen::Resumed(_), _) => {}
                (Seen::Bookmark(at), Some(from)) => {
                    if let Some(missed) = (from + 1..=*at).find_map(|at| self.shown(at, &watched.selection)) {
                        return Err(format!("a bookmark at {at} before {missed:?}"));
                    }
                    cursor = Some(*at);
                }
                (Seen::Event(kind, map), Some(from)) => {
                    let next = (from + 1..=self.last()).find_map(|at| self.shown(at, &watched.selection));
                    if next.as_ref().is_none_or(|(wanted, object)| wanted != kind || object != map) {
                        return Err(format!("{kind:?} {map:?} after {from}, not {next:?}"));
                    }
                    cursor = Some(revision(map));
                    events += 1;
                }
            }
        }
        let missed = (cursor.unwrap_or(0) + 1..=self.last()).find_map(|at| self.shown(at, &watched.selection));
        match missed {
            Some(missed) => Err(format!("it ended before {missed:?}")),
            None if events == 0 => Err("it saw nothing".to_owned()),
            None => Ok(()),
        }
    }
}

fn data(map: &ConfigMap) -> Data {
    map.data.clone().unwrap_or_default()
}

fn is_as_given(map: &ConfigMap, wanted: &str, team: &str, given: &Data) -> Result<(), String> {
    let labelled = map.metadata.labels.as_ref().and_then(|labels| labels.get("team")).is_some_and(|it| it == team);
    if name(map) == wanted && labelled && data(map) == *given { Ok(()) } else { Err("not as it was given".to_owned()) }
}
