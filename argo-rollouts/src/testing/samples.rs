//! A report as values over time.

use std::{collections::BTreeMap, time::Duration};

use argo_core::Object;

use super::{
    in_place::{hash_of, is_ready},
    journal::{What, Written},
    report::Report,
};
use crate::{api::names, engine::RouteTraffic};

/// How things stand from a time on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// Since the change.
    pub at: Duration,
    /// Available pods of the template that was stable before the change.
    pub old: i64,
    /// Available pods of other templates.
    pub new: i64,
    /// Share of the traffic, in percent, that is not for the old template: as routed, or else as the
    /// available pods are shared.
    pub canary_percent: i64,
    /// The phase.
    pub phase: String,
}

/// What was last seen of every object that counts.
#[derive(Default)]
struct Seen<'r> {
    /// By name of the ReplicaSet: whether it is the old one, available pods.
    sets: BTreeMap<String, (bool, i64)>,
    traffic: Option<&'r RouteTraffic>,
    phase: String,
}

impl<'r> Seen<'r> {
    fn look(&mut self, report: &Report, object: &Object) {
        match object.gvk().kind.as_str() {
            "ReplicaSet" => {
                let old = object.label(names::POD_TEMPLATE_HASH) == Some(report.baseline());
                let available = object.integer("/status/availableReplicas").unwrap_or_default();
                self.sets.insert(object.name().to_owned(), (old, available));
            }
            "Pod" => {
                let old = hash_of(object) == report.baseline();
                self.sets.insert(object.name().to_owned(), (old, i64::from(is_ready(object))));
            }
            "Rollout" => object.text("/status/phase").clone_into(&mut self.phase),
            _ => {}
        }
    }

    fn sample(&self, report: &Report, at: Duration) -> Sample {
        let of = |which: bool| self.sets.values().filter(|it| it.0 == which).map(|it| it.1).sum();
        let (old, new): (i64, i64) = (of(true), of(false));
        let canary_percent = match self.traffic {
            Some(traffic) => share_of_others(traffic, report.baseline()),
            None if old + new == 0 => 0,
            None => new * 100 / (old + new),
        };
        Sample { at, old, new, canary_percent, phase: self.phase.clone() }
    }
}

/// The share, in percent, of everything but this template.
pub(super) fn share_of_others(traffic: &RouteTraffic, hash: &str) -> i64 {
    let share = traffic.weight * 100 / traffic.max_weight.max(1);
    let of = |it: &String, share: i64| if it == hash { 0 } else { share };
    of(&traffic.canary_hash, share) + of(&traffic.stable_hash, 100 - share)
}

impl Report {
    /// Every object as it was right before the change: what the first line of the
    /// [journal](Self::journal) was written to.
    #[must_use]
    pub fn objects_before(&self) -> Vec<&Object> {
        // As it was before the first write to it, or else as it is at the end.
        let mut first: BTreeMap<_, _> = self.objects().iter().map(|it| (it.reference(), Some(it))).collect();
        for written in self.journal().iter().rev() {
            if let What::Object { before, after } = &written.what
                && let Some(object) = after.as_deref().or(before.as_deref())
            {
                first.insert(object.reference(), before.as_deref());
            }
        }
        first.into_values().flatten().collect()
    }

    /// How things stood over time, one for every time at which that changed; the first at the change.
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        let mut seen = Seen::default();
        self.objects_before().iter().for_each(|it| seen.look(self, it));
        let mut samples = vec![seen.sample(self, Duration::ZERO)];
        for Written { at, what, .. } in self.journal() {
            match what {
                What::Traffic(traffic) => seen.traffic = Some(traffic),
                What::Object { after: Some(object), .. } => seen.look(self, object),
                What::Object { before: Some(object), .. } => {
                    seen.sets.remove(object.name());
                }
                What::Object { .. } => {}
            }
            let sample = seen.sample(self, *at);
            match samples.last_mut() {
                Some(last) if last.at == *at => *last = sample,
                Some(last) if (last.old, last.new, last.canary_percent, &last.phase) == sample.values() => {}
                _ => samples.push(sample),
            }
        }
        samples
    }
}

impl Sample {
    fn values(&self) -> (i64, i64, i64, &String) {
        (self.old, self.new, self.canary_percent, &self.phase)
    }
}
