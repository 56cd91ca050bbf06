//! What an installation decides: the parts of upstream's ConfigMaps that engines read.

use std::time::Duration;

/// Settings of an installation. Every default is upstream's unless its line says otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Namespace of the controller, its projects and its Secrets; `argocd`.
    pub namespace: String,
    /// Other namespaces that Applications may live in: globs; none.
    pub application_namespaces: Vec<String>,
    /// How old a resolved revision may get (`timeout.reconciliation`); 120 s, zero for no limit.
    pub reconciliation: Duration,
    /// Spread that is added to it, by Application (`timeout.reconciliation.jitter`); 60 s.
    pub jitter: Duration,
    /// How old rendered manifests may get (`timeout.hard.reconciliation`); zero, which is no limit.
    pub hard_reconciliation: Duration,
    /// Waits between self-heals (`self.heal.backoff.*`).
    pub self_heal: SelfHeal,
    /// How long an operation may take (`controller.sync.timeout.seconds`); zero, which is no limit.
    pub sync_timeout: Duration,
    /// How long one jq expression of an ignore rule may take on one object (`ignore.normalizer.jq.timeout`), counted in
    /// steps; 1 s.
    pub jq_timeout: Duration,
    /// Pause after each wave but the last (`ARGOCD_SYNC_WAVE_DELAY`); 2 s.
    pub wave_delay: Duration,
    /// Whether `status.resources[].health` is filled. On: upstream's is off since v3, where a cache server holds
    /// the tree; here the status is all there is to read.
    pub persist_health: bool,
    /// Whether Applications have a health of their own, so that a parent waits for its children. Off: upstream asks
    /// for a Lua script in its settings.
    pub application_health: bool,
}

/// Waits between self-heals: none before the first, then growing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SelfHeal {
    /// Wait before the first (`self.heal.timeout`); zero.
    pub first: Duration,
    /// Wait before the second; 2 s.
    pub base: Duration,
    /// Growth; 3.
    pub factor: f64,
    /// Longest; 300 s.
    pub cap: Duration,
}

impl Default for SelfHeal {
    fn default() -> Self {
        Self { first: Duration::ZERO, base: Duration::from_secs(2), factor: 3.0, cap: Duration::from_secs(300) }
    }
}

impl SelfHeal {
    /// The wait before the heal that follows `attempts` heals in a row.
    #[must_use]
    pub fn wait(&self, attempts: i64) -> Duration {
        if attempts <= 0 {
            return self.first;
        }
        let power = i32::try_from(attempts - 1).unwrap_or(i32::MAX);
        let seconds = self.base.as_secs_f64() * self.factor.powi(power);
        if seconds.is_finite() && seconds < self.cap.as_secs_f64() {
            Duration::from_secs_f64(seconds)
        } else {
            self.cap
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            namespace: "argocd".to_owned(),
            application_namespaces: Vec::new(),
            reconciliation: Duration::from_secs(120),
            jitter: Duration::from_secs(60),
            hard_reconciliation: Duration::ZERO,
            self_heal: SelfHeal::default(),
            sync_timeout: Duration::ZERO,
            jq_timeout: super::ignored::JQ_TIMEOUT,
            wave_delay: Duration::from_secs(2),
            persist_health: true,
            application_health: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heals_wait_longer_each_time_up_to_the_cap() {
        let heal = SelfHeal::default();
        let waits: Vec<u64> = (0..8).map(|it| heal.wait(it).as_secs()).collect();
        assert_eq!(waits, [0, 2, 6, 18, 54, 162, 300, 300]);
        assert_eq!(heal.wait(i64::MAX).as_secs(), 300);
    }
}
