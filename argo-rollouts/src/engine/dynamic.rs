//! `dynamicStableScale`: how traffic and pods go back to stable when stable was made smaller. The
//! arithmetic, on plain numbers.

use super::replicas::of_weight;

/// What the way back depends on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Back {
    /// `spec.replicas`.
    pub(crate) replicas: i64,
    /// Weight that means everything.
    pub(crate) max_weight: i64,
    /// Available pods of stable.
    pub(crate) stable: i64,
    /// Available pods of the canary.
    pub(crate) canary: i64,
    /// The canary stays whole for a while.
    pub(crate) holds_canary: bool,
    /// The update was given up (and not replaced by another).
    pub(crate) is_aborted: bool,
    /// The weight of the steps where they stand.
    pub(crate) current_weight: i64,
    /// All `setWeight`s, in order.
    pub(crate) weights: Vec<i64>,
    /// The weight that the routers carry.
    pub(crate) carried: Option<i64>,
}

/// The weight to size by after an abort: the steps backwards, each as soon as stable has grown for it,
/// so that not all pods of stable are asked for at once.
pub(crate) fn desired_weight(it: &Back) -> i64 {
    if !it.is_aborted {
        return it.current_weight;
    }
    let missing = it.replicas - it.stable;
    let canary = if it.holds_canary { missing } else { missing.max(it.canary) };
    let fits = |weight: &&i64| of_weight(it.replicas, **weight, it.max_weight) < canary;
    it.weights.iter().rev().find(fits).copied().unwrap_or(0)
}

/// The weight that the routers are to carry on the way back: never less to the canary than stable has
/// pods for, and never more than it carries now.
pub(crate) fn weight_back(it: &Back) -> i64 {
    if it.replicas <= 0 || it.max_weight <= 0 {
        return 0;
    }
    let desired = desired_weight(it);
    let stable_share = it.max_weight * it.stable / it.replicas;
    let missing = (it.max_weight - stable_share).max(0);
    match it.carried {
        None => missing.max(desired),
        Some(carried) if desired <= 0 => missing.min(carried),
        Some(carried) if stable_share < it.max_weight - desired => carried,
        Some(carried) => desired.min(carried),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Stable is never given more than its available pods can serve, unless it carries that
        /// already; and the canary never gets more than it had.
        #[test]
        fn the_way_back_never_asks_too_much_of_stable(
            replicas in 1_i64..40, stable in 0_i64..40, canary in 0_i64..40, holds in any::<bool>(),
            weights in prop::collection::vec(0_i64..=100, 0..5), carried in 0_i64..=100, aborted in any::<bool>(),
        ) {
            let stable = stable.min(replicas);
            let back = Back { replicas, max_weight: 100, stable, canary, holds_canary: holds, is_aborted: aborted,
                current_weight: 100, weights, carried: Some(carried) };
            let weight = weight_back(&back);
            prop_assert!((0..=carried).contains(&weight));
            let share = 100 * stable / replicas;
            prop_assert!(100 - weight <= share.max(100 - carried), "{back:?}: {weight}");
        }
    }
}
