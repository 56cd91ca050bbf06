//! How many pods each ReplicaSet is to have: the arithmetic, on plain numbers.

use crate::api::ReplicaProgressThreshold;

/// A ReplicaSet in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Pods asked for.
    pub spec: i64,
    /// Pods available.
    pub available: i64,
}

/// What the arithmetic of an unrouted canary needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Basic {
    /// `spec.replicas`.
    pub replicas: i64,
    /// Weight wanted for the canary.
    pub weight: i64,
    /// Weight that means everything; 100.
    pub max_weight: i64,
    /// Pods above `replicas` at most.
    pub surge: i64,
    /// Pods missing at most.
    pub unavailable: i64,
    /// The ReplicaSet of the wanted template, if it exists.
    pub new: Option<Count>,
    /// The stable ReplicaSet, if it exists and is another than `new`.
    pub stable: Option<Count>,
    /// Pods that all other ReplicaSets ask for together.
    pub others: i64,
}

/// Pods for the new and the stable ReplicaSet so that their ratio comes closest to the weight; ties
/// go to the canary. With a surge the two may come to `replicas + 1`. A weight strictly between
/// nothing and everything keeps at least one pod on either side where there are pods for it.
#[must_use]
pub fn approximate(replicas: i64, weight: i64, max_weight: i64, surge: i64) -> (i64, i64) {
    if replicas <= 0 || max_weight <= 0 {
        return (0, 0);
    }
    let floor = (replicas * weight).div_euclid(max_weight);
    let ceil = floor + i64::from((replicas * weight).rem_euclid(max_weight) != 0);
    let tied = |total: i64| (total * weight * 2).rem_euclid(max_weight * 2) == max_weight;
    let zero_ok = weight == 0 || weight == max_weight || (replicas == 1 && surge == 0);
    let mut options = Vec::with_capacity(4);
    if ceil < replicas || zero_ok {
        options.push((ceil, replicas));
    }
    if !tied(replicas) && (floor != 0 || zero_ok) {
        options.push((floor, replicas));
    }
    if surge > 0 {
        options.push((ceil, replicas + 1));
        if !tied(replicas + 1) && (floor != 0 || zero_ok) {
            options.push((floor, replicas + 1));
        }
    }
    // How far canary/total is from weight/max, as a fraction of total: compared across, without rounding.
    let distance = |(canary, total): (i64, i64)| ((canary * max_weight - weight * total).abs(), total);
    let best = options.into_iter().reduce(|best, option| {
        let (a, b) = (distance(option), distance(best));
        if a.0 * b.1 < b.0 * a.1 { option } else { best }
    });
    best.map_or((0, replicas), |(canary, total)| (canary, total - canary))
}

/// Pods for the new and the stable ReplicaSet now: one step from where they are towards
/// [`approximate`], within surge and unavailable limits. Old ReplicaSets go first, stable is raised
/// before new, and only pods whose loss the limits allow are taken away.
#[must_use]
pub fn basic(it: &Basic) -> (i64, i64) {
    let (mut want_new, mut want_stable) = approximate(it.replicas, it.weight, it.max_weight, it.surge);
    if it.stable.is_none() {
        (want_new, want_stable) = (it.replicas, 0);
    }
    let spec_new = it.new.map_or(0, |it| it.spec);
    let spec_stable = it.stable.map_or(0, |it| it.spec);
    let (mut new, mut stable) = (spec_new, spec_stable);
    let allowed = it.replicas + it.surge;
    let mut up = allowed - (it.others + spec_new + spec_stable);
    if it.stable.is_some() && stable < want_stable && up > 0 {
        let added = up.min(want_stable - stable);
        stable += added;
        up -= added;
    }
    if it.new.is_some() && new < want_new && up > 0 {
        new += up.min(want_new - new);
    }
    if it.others > 0 {
        return (new, stable);
    }
    let least = it.replicas - it.unavailable;
    let increasing = it.new.is_none_or(|it| want_new >= it.spec);
    let counted = removable(it.new, !increasing) + removable(it.stable, increasing);
    if counted <= least {
        return (new, stable);
    }
    let down = counted - least;
    if !increasing {
        if spec_new > want_new {
            new = want_new.max(spec_new - down);
        }
        (new, stable) = within(it.new, it.stable, new, stable, allowed, least);
    } else if it.stable.is_some() {
        if spec_stable > want_stable {
            stable = want_stable.max(spec_stable - down);
        }
        (stable, new) = within(it.stable, it.new, stable, new, allowed, least);
    }
    (new, stable)
}

/// Pods that count as there when something is to be taken away. The side that is being drained
/// counts in full, so that its broken pods do not block.
fn removable(set: Option<Count>, ignore_availability: bool) -> i64 {
    set.map_or(0, |it| if it.spec < it.available || ignore_availability { it.spec } else { it.available })
}

/// Brings the pair back within the limits: the kept side gives way to the surge limit first, as
/// long as that leaves enough available; the drained side gives way to the rest.
fn within(
    drained: Option<Count>,
    kept: Option<Count>,
    mut drain: i64,
    mut keep: i64,
    allowed: i64,
    least: i64,
) -> (i64, i64) {
    let mut over = (drain + keep - allowed).max(0);
    let Some(kept) = kept else { return (drain, keep) };
    keep -= over;
    let total = drained.map_or(0, |it| it.available.min(drain)) + kept.available.min(keep);
    let lost = (kept.available - keep).max(0);
    keep += lost.min((least - total).max(0));
    over = (drain + keep - allowed).max(0);
    drain -= over;
    (drain, keep)
}

/// Whether enough of the `desired` pods are there for the next step: all of them, and no more asked for,
/// or as many as the threshold says.
#[must_use]
pub fn meets_threshold(threshold: Option<&ReplicaProgressThreshold>, spec: i64, available: i64, desired: i64) -> bool {
    match threshold.filter(|it| it.value >= 0) {
        None => spec == desired && available == desired,
        Some(it) if it.kind == "Percent" => desired == 0 || available * 100 >= it.value * desired,
        Some(it) => available >= it.value,
    }
}

/// `ceil(weight · replicas / max)`.
#[must_use]
pub fn of_weight(replicas: i64, weight: i64, max_weight: i64) -> i64 {
    if max_weight <= 0 {
        return 0;
    }
    let product = replicas * weight;
    product.div_euclid(max_weight) + i64::from(product.rem_euclid(max_weight) != 0)
}
