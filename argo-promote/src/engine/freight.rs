//! Freight: what is available to a Stage, how long it soaked, what a Stage holds.

use std::{collections::BTreeMap, time::Duration};

use argo_core::{Object, Time, Timestamp, time};

use super::names::sha1_hex;
use crate::api::{
    AvailabilityStrategy, CurrentStage, Freight, FreightCollection, FreightOrigin, FreightReference, SelectionPolicy,
    Stage, VerifiedStage,
};

/// Whether a Stage may take Freight at `now`: asked for by hand, by the engine and in lists alike.
///
/// Approved Freight is available; so is that of a direct source; else it must be verified in one (or all) of the
/// upstream Stages and have been there for the time asked for. Approval does not make up for a wrong origin.
#[must_use]
pub fn is_available(stage: &Stage, freight: &Freight, now: Timestamp) -> bool {
    available_from(stage, freight, now).is_some_and(|it| it <= now)
}

/// From when on a Stage may take Freight if nothing else happens; `None` when something else must happen first.
#[must_use]
pub fn available_from(stage: &Stage, freight: &Freight, now: Timestamp) -> Option<Timestamp> {
    if stage.namespace() != freight.namespace() {
        return None;
    }
    let request = stage.request(&freight.origin)?;
    if freight.status.approved_for.contains_key(stage.name()) || request.sources.direct {
        return Some(now);
    }
    let needed = request.sources.required_soak_time.as_deref().map_or(Duration::ZERO, duration);
    let each = request.sources.stages.iter().map(|it| soaked_at(freight, it, needed, now));
    match request.sources.availability_strategy {
        AvailabilityStrategy::All => each.collect::<Option<Vec<_>>>()?.into_iter().max(),
        AvailabilityStrategy::Default | AvailabilityStrategy::OneOf => each.flatten().min(),
    }
}

/// When Freight verified in a Stage will have been there for `needed`.
fn soaked_at(freight: &Freight, stage: &str, needed: Duration, now: Timestamp) -> Option<Timestamp> {
    freight.status.verified_in.get(stage)?;
    let soaked = soak_time(freight, stage, now);
    if soaked >= needed {
        return Some(now);
    }
    let since = freight.status.currently_in.get(stage)?.since?;
    Some(time::after(since.timestamp(), needed))
}

/// How long Freight was in a Stage without interruption: the longest stay, the present one included. Zero if it was
/// never verified there.
#[must_use]
pub fn soak_time(freight: &Freight, stage: &str, now: Timestamp) -> Duration {
    let Some(verified) = freight.status.verified_in.get(stage) else {
        return Duration::ZERO;
    };
    let longest = verified.longest_soak.as_deref().map_or(Duration::ZERO, duration);
    let present = freight.status.currently_in.get(stage).and_then(|it| it.since);
    present.map_or(longest, |since| longest.max(time::between(since.timestamp(), now)))
}

/// A Go duration as the wire has it; what can not be read counts as none.
#[must_use]
pub fn duration(text: &str) -> Duration {
    argo_lang::duration::parse(text).ok().and_then(|it| Duration::try_from(it).ok()).unwrap_or_default()
}

/// When Freight was found, for ordering.
#[must_use]
pub fn discovered_at(freight: &Freight) -> Option<Time> {
    freight.discovered_at.or(freight.metadata.creation_timestamp)
}

/// Freight that a Stage may take now, newest first (equal ones by name, descending).
#[must_use]
pub fn available<'a>(stage: &Stage, freight: &'a [Freight], now: Timestamp) -> Vec<&'a Freight> {
    let mut list: Vec<&Freight> = freight.iter().filter(|it| is_available(stage, it, now)).collect();
    list.sort_by(|a, b| (discovered_at(b), b.name()).cmp(&(discovered_at(a), a.name())));
    list
}

/// What automatic promotion would take from an origin, or nothing.
#[must_use]
pub fn candidate<'a>(
    stage: &Stage,
    origin: &FreightOrigin,
    freight: &'a [Freight],
    now: Timestamp,
) -> Option<&'a Freight> {
    let request = stage.request(origin)?;
    let mut list = available(stage, freight, now);
    list.retain(|it| it.origin.kind == origin.kind && it.origin.name == origin.name);
    let policy = request.sources.auto_promotion_options.as_ref().map(|it| it.selection_policy).unwrap_or_default();
    match (policy, request.sources.stages.first()) {
        (SelectionPolicy::MatchUpstream, Some(upstream)) => {
            list.retain(|it| it.status.currently_in.contains_key(upstream));
            // Two that are there at once: the upstream Stage is between them.
            if list.len() > 1 { None } else { list.first().copied() }
        }
        _ => list.first().copied(),
    }
}

/// The id of a collection: hex SHA-1 of the sorted names.
#[must_use]
pub fn collection_id(freight: &BTreeMap<String, FreightReference>) -> String {
    let mut names: Vec<&str> = freight.values().map(|it| it.name.as_str()).collect();
    names.sort_unstable();
    sha1_hex(&names.join(","))
}

/// What a Stage will hold after a promotion: the entries of its last one for origins still requested, and the new one.
#[must_use]
pub fn target_collection(stage: &Stage, freight: &Freight) -> FreightCollection {
    let mut items = BTreeMap::new();
    if stage.spec.requested_freight.len() > 1 {
        let last = stage.status.last_promotion.as_ref().and_then(|it| it.status.as_ref());
        let before = last.and_then(|it| it.freight_collection.as_ref());
        for (key, reference) in before.into_iter().flat_map(|it| &it.freight) {
            if stage.request(&reference.origin).is_some() {
                items.insert(key.clone(), reference.clone());
            }
        }
    }
    items.insert(freight.origin.to_string(), FreightReference::from(freight));
    FreightCollection { id: collection_id(&items), freight: items, ..FreightCollection::default() }
}

/// Whether Freight is in a Stage, the Stage's history being the truth.
#[must_use]
pub fn is_current(stage: &Stage, freight: &Freight) -> bool {
    let current = stage.current_freight();
    current.is_some_and(|it| it.freight.values().any(|it| it.name == freight.name()))
}

/// Brings `currentlyIn` of one Freight in line with a Stage; true when something changed. A stay that ends raises
/// the longest soak if the Freight was verified there.
pub fn sync_currently_in(freight: &mut Freight, stage: &Stage, now: Timestamp) -> bool {
    let name = stage.name();
    let is_here = is_current(stage, freight);
    match (is_here, freight.status.currently_in.get(name)) {
        (true, None) => {
            let since = Some(Time::new(now));
            freight.status.currently_in.insert(name.to_owned(), CurrentStage { since, ..CurrentStage::default() });
            true
        }
        (false, Some(_)) => {
            let soaked = soak_time(freight, name, now);
            if let Some(verified) = freight.status.verified_in.get_mut(name) {
                raise_soak(verified, soaked);
            }
            freight.status.currently_in.remove(name);
            true
        }
        _ => false,
    }
}

fn raise_soak(verified: &mut VerifiedStage, soaked: Duration) {
    let before = verified.longest_soak.as_deref().map_or(Duration::ZERO, duration);
    if soaked > before {
        let whole = jiff::SignedDuration::from_secs(i64::try_from(soaked.as_secs()).unwrap_or(i64::MAX));
        verified.longest_soak = Some(argo_lang::duration::format(whole));
    }
}

/// The status patch between two states of one Freight, computed against what was read.
pub(crate) fn status_change(read: &Object, freight: &Freight) -> Option<argo_core::Change> {
    let mut to = read.clone();
    let status = serde_json::to_value(&freight.status).unwrap_or_default();
    if status.as_object().is_none_or(serde_json::Map::is_empty) && read.get("status").is_none() {
        return None;
    }
    to.set(&["status"], status);
    argo_core::Change::subresource_between(read, &to, "status")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn stage(sources: Value) -> Stage {
        serde_json::from_value(json!({"metadata": {"name": "prod", "namespace": "p"},
            "spec": {"requestedFreight": [{"origin": {"kind": "Warehouse", "name": "w"}, "sources": sources}]}}))
        .unwrap()
    }

    fn freight(status: Value) -> Freight {
        serde_json::from_value(json!({"metadata": {"name": "f", "namespace": "p"},
            "origin": {"kind": "Warehouse", "name": "w"}, "status": status}))
        .unwrap()
    }

    #[test]
    fn availability_follows_the_sources() {
        let verified = |stages: &[&str]| -> Value {
            json!({"verifiedIn": stages.iter().map(|it| ((*it).to_owned(), json!({"verifiedAt": "2026-01-01T00:00:00Z"})))
                .collect::<serde_json::Map<_, _>>()})
        };
        let cases = [
            ("direct needs nothing", json!({"direct": true}), json!({}), true),
            ("direct wins over stages", json!({"direct": true, "stages": ["a"]}), json!({}), true),
            ("not verified", json!({"stages": ["a"]}), json!({}), false),
            ("verified in one", json!({"stages": ["a", "b"]}), verified(&["b"]), true),
            ("all means all", json!({"stages": ["a", "b"], "availabilityStrategy": "All"}), verified(&["b"]), false),
            (
                "all of them",
                json!({"stages": ["a", "b"], "availabilityStrategy": "All"}),
                verified(&["a", "b", "c"]),
                true,
            ),
            (
                "approved",
                json!({"stages": ["a"], "requiredSoakTime": "1h"}),
                json!({"approvedFor": {"prod": {}}}),
                true,
            ),
            ("not soaked", json!({"stages": ["a"], "requiredSoakTime": "1h"}), verified(&["a"]), false),
        ];
        for (name, sources, status, expected) in cases {
            assert_eq!(is_available(&stage(sources), &freight(status), at(1_800_000_000)), expected, "{name}");
        }
        let mut other = freight(json!({"approvedFor": {"prod": {}}}));
        other.origin.name = "x".into();
        assert!(!is_available(&stage(json!({"direct": true})), &other, at(0)), "approval does not replace the origin");
        let mut elsewhere = freight(json!({"approvedFor": {"prod": {}}}));
        elsewhere.metadata.namespace = Some("q".into());
        assert!(!is_available(&stage(json!({"direct": true})), &elsewhere, at(0)));
    }

    #[test]
    fn soak_time_counts_the_present_stay_and_names_when_it_is_enough() {
        let stage = stage(json!({"stages": ["a"], "requiredSoakTime": "1h"}));
        let freight = freight(json!({
            "verifiedIn": {"a": {"longestSoak": "10m0s"}}, "currentlyIn": {"a": {"since": "2026-01-01T00:00:00Z"}}}));
        let since: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let minutes = |it: u64| time::after(since, Duration::from_secs(60 * it));
        assert_eq!(soak_time(&freight, "a", minutes(5)), Duration::from_secs(600));
        assert_eq!(soak_time(&freight, "a", minutes(30)), Duration::from_secs(1800));
        assert_eq!(available_from(&stage, &freight, minutes(30)), Some(minutes(60)));
        assert!(!is_available(&stage, &freight, minutes(59)));
        assert!(is_available(&stage, &freight, minutes(60)));
    }

    #[test]
    fn leaving_a_stage_keeps_the_longest_soak() {
        let mut stage = stage(json!({"direct": true}));
        let mut freight = freight(json!({"verifiedIn": {"prod": {}}}));
        let reference = FreightReference::from(&freight);
        let items = BTreeMap::from([("Warehouse/w".to_owned(), reference)]);
        stage.status.freight_history.push(FreightCollection { freight: items, ..FreightCollection::default() });
        assert!(sync_currently_in(&mut freight, &stage, at(100)));
        assert!(!sync_currently_in(&mut freight, &stage, at(150)), "a second pass changes nothing");
        stage.status.freight_history.clear();
        assert!(sync_currently_in(&mut freight, &stage, at(160)));
        assert_eq!(freight.status.verified_in["prod"].longest_soak.as_deref(), Some("1m0s"));
        assert!(freight.status.currently_in.is_empty());
    }

    #[test]
    fn the_collection_id_does_not_depend_on_order() {
        let reference = |name: &str| FreightReference { name: name.to_owned(), ..FreightReference::default() };
        let one = BTreeMap::from([("a".to_owned(), reference("2")), ("b".to_owned(), reference("1"))]);
        assert_eq!(collection_id(&one), sha1_hex("1,2"));
    }

    #[test]
    fn match_upstream_takes_only_what_the_upstream_stage_holds() {
        let sources = json!({"stages": ["a"], "autoPromotionOptions": {"selectionPolicy": "MatchUpstream"}});
        let stage = stage(sources);
        let origin = FreightOrigin::warehouse("w");
        let named = |name: &str, status: Value| {
            let mut it = freight(status);
            it.metadata.name = Some(name.to_owned());
            it
        };
        let old = named("1", json!({"verifiedIn": {"a": {}}, "currentlyIn": {"a": {}}}));
        let new = named("2", json!({"verifiedIn": {"a": {}}}));
        assert_eq!(candidate(&stage, &origin, &[old.clone(), new], at(0)).map(Freight::name), Some("1"));
        let both = named("2", json!({"verifiedIn": {"a": {}}, "currentlyIn": {"a": {}}}));
        assert_eq!(candidate(&stage, &origin, &[old, both], at(0)).map(Freight::name), None);
    }
}
