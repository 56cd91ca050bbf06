//! Replica counts against the cases of upstream's own tables (numbers only).

use argo_rollouts::{
    api::{CanaryStrategy, IntOrString, RolloutSpec, RolloutStrategy},
    engine::replicas::{Basic, Count, approximate, basic},
};
use proptest::prelude::*;
use serde::Deserialize;

type Pods = (i64, i64);
type Case = (i64, i64, IntOrString, IntOrString, Pods, Pods, i64, (i64, i64));

#[derive(Deserialize)]
struct Data {
    /// replicas, weight, maxSurge, maxUnavailable, canary (spec, available), stable (spec, available),
    /// others, expected (canary, stable)
    basic: Vec<Case>,
    /// replicas, weight, max weight, surge, expected canary, expected stable
    approximate: Vec<(i64, i64, i64, i64, i64, i64)>,
}

fn data() -> Data {
    serde_json::from_str(include_str!("data/replicas.json")).expect("data")
}

#[test]
fn counts_are_those_of_upstream() {
    let cases = data().basic;
    assert!(cases.len() > 30);
    for case in cases {
        let (replicas, weight, surge, unavailable, new, stable, others, expected) = case.clone();
        let canary =
            CanaryStrategy { max_surge: Some(surge), max_unavailable: Some(unavailable), ..Default::default() };
        let strategy = RolloutStrategy { canary: Some(canary), ..Default::default() };
        let spec = RolloutSpec { replicas: Some(replicas), strategy, ..Default::default() };
        let count = |(spec, available): Pods| Some(Count { spec, available });
        let counts = basic(&Basic {
            replicas,
            weight,
            max_weight: 100,
            surge: spec.max_surge(),
            unavailable: spec.max_unavailable(),
            new: count(new),
            stable: count(stable),
            others,
        });
        assert_eq!(counts, expected, "{case:?}");
    }
}

#[test]
fn ratios_are_those_of_upstream() {
    let cases = data().approximate;
    assert!(cases.len() > 50);
    for case in cases {
        let (replicas, weight, max, surge, canary, stable) = case;
        assert_eq!(approximate(replicas, weight, max, surge), (canary, stable), "{case:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// From any size of both sides, sizes never ask for more pods than the surge allows on top of
    /// what is there, and never take available pods below the minimum.
    #[test]
    fn limits_hold_from_anywhere(
        replicas in 1_i64..20, weight in 0_i64..=100, surge in 0_i64..5, unavailable in 0_i64..5,
        new in (0_i64..20, 0_i64..20), stable in (0_i64..20, 0_i64..20), others in 0_i64..3,
    ) {
        let unavailable = if surge == 0 { unavailable.max(1) } else { unavailable }.min(replicas);
        let count = |(spec, available): (i64, i64)| Count { spec, available: available.min(spec) };
        let (new, stable) = (count(new), count(stable));
        let input = Basic { replicas, weight, max_weight: 100, surge, unavailable, new: Some(new), stable: Some(stable), others };
        let (to_new, to_stable) = basic(&input);
        let now = new.spec + stable.spec + others;
        prop_assert!(to_new >= 0 && to_stable >= 0);
        prop_assert!(to_new + to_stable + others <= now.max(replicas + surge), "more pods than allowed: {input:?} -> {to_new}/{to_stable}");
        let kept = new.available.min(to_new) + stable.available.min(to_stable);
        let least = (replicas - unavailable).min(new.available + stable.available);
        prop_assert!(kept >= least, "too few left: {input:?} -> {to_new}/{to_stable}");
    }

    /// Repeated, with all pods becoming available, sizes come to rest at the ratio wanted.
    #[test]
    fn sizes_come_to_rest_at_the_ratio(replicas in 1_i64..30, weight in 0_i64..=100, surge in 0_i64..5, unavailable in 0_i64..5) {
        let unavailable = if surge == 0 { unavailable.max(1) } else { unavailable }.min(replicas);
        let full = |spec: i64| Count { spec, available: spec };
        let (mut new, mut stable) = (full(0), full(replicas));
        for _ in 0..200 {
            let next = basic(&Basic { replicas, weight, max_weight: 100, surge, unavailable, new: Some(new), stable: Some(stable), others: 0 });
            (new, stable) = (full(next.0), full(next.1));
        }
        prop_assert_eq!((new.spec, stable.spec), approximate(replicas, weight, 100, surge));
    }
}
