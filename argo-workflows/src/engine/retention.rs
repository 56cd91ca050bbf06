//! Which ended workflows are too many.

use std::collections::BTreeMap;

use argo_core::Timestamp;

use crate::{api::WorkflowPhase, config::RetentionPolicy};

/// An ended workflow, as retention sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended<K> {
    /// What it is called.
    pub key: K,
    /// How it ended.
    pub phase: WorkflowPhase,
    /// When it ended.
    pub finished: Timestamp,
}

/// Those to delete: of each way to end the newest stay, as many as the policy says.
pub fn expired<K: Ord + Clone>(policy: &RetentionPolicy, ended: impl IntoIterator<Item = Ended<K>>) -> Vec<K> {
    let mut by_phase: BTreeMap<WorkflowPhase, Vec<(Timestamp, K)>> = BTreeMap::new();
    for it in ended {
        by_phase.entry(it.phase).or_default().push((it.finished, it.key));
    }
    let mut gone = Vec::new();
    for (phase, mut list) in by_phase {
        let keep = match phase {
            WorkflowPhase::Succeeded => policy.completed,
            WorkflowPhase::Failed => policy.failed,
            WorkflowPhase::Error => policy.errored,
            _ => 0,
        };
        if keep == 0 {
            continue;
        }
        list.sort_by(|a, b| b.cmp(a));
        gone.extend(list.into_iter().skip(keep).map(|it| it.1));
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_of_each_kind_stay() {
        let policy = RetentionPolicy { completed: 2, failed: 1, errored: 0 };
        let at = |second| Timestamp::from_second(second).unwrap();
        let ended = |key: &'static str, phase, second| Ended { key, phase, finished: at(second) };
        use WorkflowPhase::{Error, Failed, Running, Succeeded};
        let all = [
            ended("s1", Succeeded, 1),
            ended("s3", Succeeded, 3),
            ended("s2", Succeeded, 2),
            ended("f1", Failed, 1),
            ended("f2", Failed, 2),
            ended("e1", Error, 1),
            ended("e2", Error, 2),
            ended("r", Running, 0),
        ];
        assert_eq!(expired(&policy, all), ["s1", "f1"]);
    }
}
