//! How fast an autoscaler may go: windows and policies of `behavior`, or upstream's rules where there is none.

use std::time::Duration;

use argo_core::time::{Timestamp, between};
use serde_json::Value;

use crate::simulator::read::{count, int, list, text};

/// How long the highest recommendation holds before the target is scaled down, unless `behavior` says otherwise.
const DOWN_WINDOW: i64 = 300;
/// The longest window and period that the API takes.
const LONGEST: Duration = Duration::from_secs(3600);

/// A reason and a message.
type Because = (&'static str, &'static str);

const READY: Because = ("ReadyForNewScale", "recommended size matches current size");
const DOWN_HELD: Because = (
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
);
const UP_HELD: Because = (
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
);
const WITHIN: Because = ("DesiredWithinRange", "the desired count is within the acceptable range");
const TOO_MANY: Because = ("TooManyReplicas", "the desired replica count is more than the maximum replica count");
const TOO_FEW: Because = ("TooFewReplicas", "the desired replica count is less than the minimum replica count");
const UP_LIMIT: Because =
    ("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate");
const DOWN_LIMIT: Because =
    ("ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate");

/// Where the target stands, and between what it may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) current: i64,
    pub(super) least: i64,
    pub(super) most: i64,
}

/// What comes of a recommendation.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) replicas: i64,
    pub(super) stabilized: Because,
    pub(super) limited: bool,
    pub(super) limit: Because,
}

/// What was recommended, and by how much the target changed.
#[derive(Debug)]
pub(super) struct Past {
    recommended: Vec<(Timestamp, i64)>,
    changes: Vec<(Timestamp, i64)>,
}

impl Past {
    /// As it is taken up at the first look.
    pub(super) fn new(current: i64, now: Timestamp) -> Self {
        Self { recommended: vec![(now, current)], changes: Vec::new() }
    }

    /// The target was scaled by so much.
    pub(super) fn scaled(&mut self, scaler: &Value, change: i64, now: Timestamp) {
        if has_behavior(scaler) {
            self.changes.retain(|(at, _)| between(*at, now) <= LONGEST);
            self.changes.push((now, change));
        }
    }

    /// A recommendation within all bounds.
    pub(super) fn normalized(&mut self, scaler: &Value, bounds: Bounds, asked: i64, now: Timestamp) -> Verdict {
        let window = |direction: &str, default: i64| {
            let seconds = int(scaler, &format!("/spec/behavior/{direction}/stabilizationWindowSeconds"));
            Duration::from_secs(seconds.unwrap_or(default).unsigned_abs())
        };
        let (up, down) = (window("scaleUp", 0), window("scaleDown", DOWN_WINDOW));
        self.recommended.retain(|(at, _)| between(*at, now) <= up.max(down));
        let within = |window: Duration| {
            self.recommended.iter().filter(move |(at, _)| between(*at, now) < window).map(|(_, replicas)| *replicas)
        };
        let highest = within(down).fold(asked, i64::max);
        let lowest = within(up).fold(asked, i64::min);
        let (stable, held) = if has_behavior(scaler) {
            // Up to the lowest, or down to the highest of the window.
            let stable = bounds.current.max(lowest).min(highest);
            (stable, if asked >= bounds.current { UP_HELD } else { DOWN_HELD })
        } else {
            (highest, DOWN_HELD)
        };
        self.recommended.push((now, asked));
        let stabilized = if stable == asked { READY } else { held };
        let (replicas, limit) =
            if has_behavior(scaler) { self.paced(scaler, bounds, stable, now) } else { plain(bounds, stable) };
        Verdict { replicas, stabilized, limited: replicas != stable, limit }
    }

    /// Within the rates of the policies.
    fn paced(&self, scaler: &Value, bounds: Bounds, stable: i64, now: Timestamp) -> (i64, Because) {
        let Bounds { current, least, most } = bounds;
        match stable.cmp(&current) {
            std::cmp::Ordering::Greater => {
                let rate = self.limit(scaler, true, current, now).max(current);
                let (limit, because) = if most > rate { (rate, UP_LIMIT) } else { (most, TOO_MANY) };
                if stable > limit { (limit, because) } else { (stable, WITHIN) }
            }
            std::cmp::Ordering::Less => {
                let rate = self.limit(scaler, false, current, now).min(current);
                let (limit, because) = if least < rate { (rate, DOWN_LIMIT) } else { (least, TOO_FEW) };
                if stable < limit { (limit, because) } else { (stable, WITHIN) }
            }
            std::cmp::Ordering::Equal => (stable, WITHIN),
        }
    }

    /// How far the policies of a direction let the target go, counted from where it was at the start of each period.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)] // Replica counts are small.
    fn limit(&self, scaler: &Value, up: bool, current: i64, now: Timestamp) -> i64 {
        let rules = &scaler["spec"]["behavior"][if up { "scaleUp" } else { "scaleDown" }];
        let select = text(rules, "/selectPolicy");
        if select == "Disabled" {
            return current;
        }
        let given = list(rules, "/policies").iter().map(|policy| {
            (text(policy, "/type") == "Percent", count(policy, "/value"), count(policy, "/periodSeconds"))
        });
        let mut policies: Vec<(bool, i64, i64)> = given.collect();
        if policies.is_empty() {
            policies = if up { vec![(false, 4, 15), (true, 100, 15)] } else { vec![(true, 100, 15)] };
        }
        let limits = policies.into_iter().map(|(percent, value, period)| {
            let period = Duration::from_secs(period.unsigned_abs());
            let changed: i64 = self.changes.iter().filter(|(at, _)| between(*at, now) < period).map(|it| it.1).sum();
            let start = current - changed;
            match (percent, up) {
                (false, true) => start + value,
                (false, false) => start - value,
                (true, true) => (start as f64 * (1.0 + value as f64 / 100.0)).ceil() as i64,
                (true, false) => (start as f64 * (1.0 - value as f64 / 100.0)) as i64,
            }
        });
        // The policy that allows the most change, unless the least is asked for.
        let highest = up == (select != "Min");
        (if highest { limits.max() } else { limits.min() }).unwrap_or(current)
    }
}

fn has_behavior(scaler: &Value) -> bool {
    scaler.pointer("/spec/behavior").is_some_and(|it| !it.is_null())
}

/// Without `behavior`: at most twice as many at a time.
fn plain(bounds: Bounds, stable: i64) -> (i64, Because) {
    let rate = (2 * bounds.current).max(4);
    let (most, because) = if bounds.most > rate { (rate, UP_LIMIT) } else { (bounds.most, TOO_MANY) };
    if stable < bounds.least {
        (bounds.least, TOO_FEW)
    } else if stable > most {
        (most, because)
    } else {
        (stable, WITHIN)
    }
}
