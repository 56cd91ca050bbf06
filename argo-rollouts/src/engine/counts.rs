//! What a status says of pods alone.

use crate::api::RolloutStatus;

/// Whether two statuses tell the same but for how many pods there are, what follows from that (the message, when there was
/// progress last), and nothing of how far the update is. Such a change may be written a little later, with what comes next.
#[must_use]
pub fn differ_in_counts_only(old: &RolloutStatus, next: &RolloutStatus) -> bool {
    let bare = |status: &RolloutStatus| {
        let mut bare = status.clone();
        for count in [
            &mut bare.replicas,
            &mut bare.updated_replicas,
            &mut bare.ready_replicas,
            &mut bare.available_replicas,
            &mut bare.hpa_replicas,
        ] {
            *count = 0;
        }
        bare.message.clear();
        bare.conditions.iter_mut().for_each(|it| it.last_update_time = None);
        bare.conditions.sort_by(|a, b| a.kind.cmp(&b.kind));
        bare
    };
    bare(old) == bare(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::pass::new_condition;

    #[test]
    fn counts_may_wait_and_nothing_else() {
        let at = |second: i64| argo_core::Timestamp::from_second(second).unwrap();
        let condition = |reason: &str, second| new_condition("Progressing", "True", reason, "m", at(second));
        let old = RolloutStatus {
            replicas: 1,
            phase: "Progressing".into(),
            message: "more replicas need to be updated".into(),
            conditions: vec![condition("A", 1)],
            ..Default::default()
        };
        let mut next = old.clone();
        (next.replicas, next.hpa_replicas, next.available_replicas) = (2, 2, 1);
        next.message = "old replicas are pending termination".into();
        // The time of the transition stays while reason and status do.
        next.conditions[0].last_update_time = Some(at(2).into());
        assert!(differ_in_counts_only(&old, &next));
        assert!(!differ_in_counts_only(&old, &RolloutStatus { phase: "Healthy".into(), ..next.clone() }));
        assert!(!differ_in_counts_only(&old, &RolloutStatus { current_step_index: Some(1), ..next.clone() }));
        assert!(!differ_in_counts_only(&old, &RolloutStatus { conditions: vec![condition("B", 1)], ..next }));
    }
}
