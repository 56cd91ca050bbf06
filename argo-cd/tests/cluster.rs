//! The controller on an embedded cluster, in virtual time.

use serde_json::json;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_commit_is_deployed_drift_is_healed_and_what_left_is_pruned() {
    let lab = Lab::new();
    let first = lab.commit(&[("app/a.yaml", &config_map("a", "1")), ("app/b.yaml", &config_map("b", "1"))]);
    lab.apply(&app("shop", "app", automated()));
    let running = lab.run();
    lab.until("deployed", 60, |lab| lab.is_synced("shop")).await;
    let object = lab.app("shop");
    assert_eq!(object.text("/status/sync/revision"), first);
    assert_eq!(object.text("/status/operationState/phase"), "Succeeded");
    assert_eq!(object.text("/status/operationState/message"), "successfully synced (all tasks run)");
    assert_eq!(object.text("/status/history/0/revision"), first);
    let a = lab.map("a").unwrap();
    assert_eq!(a.annotation("argocd.argoproj.io/tracking-id"), Some("shop:/ConfigMap:shop/a"));

    lab.patch(&map_ref("a"), &json!({"data": {"value": "hand"}}));
    lab.until("healed", 30, |lab| lab.map("a").unwrap().text("/data/value") == "1" && lab.is_synced("shop")).await;
    assert_eq!(lab.app("shop").integer("/status/operationState/operation/sync/autoHealAttemptsCount"), Some(1));

    lab.commit(&[("app/a.yaml", &config_map("a", "2"))]);
    lab.patch(&app_ref("shop"), &json!({"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}}));
    lab.until("pruned", 60, |lab| lab.map("b").is_none() && lab.is_synced("shop")).await;
    assert_eq!(lab.map("a").unwrap().text("/data/value"), "2");
    assert!(lab.app("shop").annotation("argocd.argoproj.io/refresh").is_none());
    running.stop().await;
}
