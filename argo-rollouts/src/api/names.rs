//! Every name that upstream's clients read, each in one constant.

/// Name of the controller in the managed-by annotation, events and field managers.
pub const CONTROLLER: &str = "rollouts-controller";

/// Label with the hash of a pod template: on ReplicaSets, pods, Service selectors, AnalysisRuns.
pub const POD_TEMPLATE_HASH: &str = "rollouts-pod-template-hash";
/// Label with the role of an AnalysisRun.
pub const ROLLOUT_TYPE: &str = "rollout-type";
/// Label with the step an AnalysisRun belongs to.
pub const STEP_INDEX: &str = "step-index";
/// Value of [`ROLLOUT_TYPE`] for the run of an `analysis` step.
pub const TYPE_STEP: &str = "Step";
/// Value of [`ROLLOUT_TYPE`] for the background run.
pub const TYPE_BACKGROUND: &str = "Background";
/// Value of [`ROLLOUT_TYPE`] for the run before a blue-green switch.
pub const TYPE_PRE_PROMOTION: &str = "PrePromotion";
/// Value of [`ROLLOUT_TYPE`] for the run after a blue-green switch.
pub const TYPE_POST_PROMOTION: &str = "PostPromotion";
/// Label with the instance of the controller that handles an object.
pub const INSTANCE_ID: &str = "argo-rollouts.argoproj.io/controller-instance-id";

/// Annotation with the revision, on Rollouts and ReplicaSets.
pub const REVISION: &str = "rollout.argoproj.io/revision";
/// Annotation with earlier revisions of a reused ReplicaSet, separated by commas.
pub const REVISION_HISTORY: &str = "rollout.argoproj.io/revision-history";
/// Annotation with `spec.replicas` when a ReplicaSet was last scaled.
pub const DESIRED_REPLICAS: &str = "rollout.argoproj.io/desired-replicas";
/// Annotation with what was put into a ReplicaSet's template for its role.
pub const EPHEMERAL_METADATA: &str = "rollout.argoproj.io/ephemeral-metadata";
/// Annotation of a Rollout with the generation of the workload that holds its template.
pub const WORKLOAD_GENERATION: &str = "rollout.argoproj.io/workload-generation";
/// Annotation of a DaemonSet whose template was put back: the revision that is wanted, `>`, the one that stands there.
pub const HELD_REVISION: &str = "rollout.argoproj.io/held-revision";
/// Annotation with the time at which a ReplicaSet is to go; has no prefix upstream either.
pub const SCALE_DOWN_DEADLINE: &str = "scale-down-deadline";
/// Annotation with the Rollout that steers a Service.
pub const MANAGED_BY: &str = "argo-rollouts.argoproj.io/managed-by-rollouts";
/// Value of `status.canary.stablePingPong` when the ping Service is stable.
pub const PING: &str = "ping";
/// Value of `status.canary.stablePingPong` when the pong Service is stable.
pub const PONG: &str = "pong";
/// Annotation of `kubectl apply`, never inherited.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Annotation of notifications, never inherited.
pub const NOTIFIED: &str = "notified.notifications.argoproj.io";

/// Annotation of an experiment's ReplicaSets and Services: the experiment.
pub const EXPERIMENT_NAME: &str = "experiment.argoproj.io/name";
/// Annotation of an experiment's ReplicaSets and Services: the template.
pub const EXPERIMENT_TEMPLATE: &str = "experiment.argoproj.io/template-name";

/// Values of `phase` of a step plugin.
pub mod plugin {
    /// It has more to do.
    pub const RUNNING: &str = "Running";
    /// It is done.
    pub const SUCCESSFUL: &str = "Successful";
    /// It went wrong; the update is aborted.
    pub const FAILED: &str = "Failed";
    /// It could not be called; it is called again.
    pub const ERROR: &str = "Error";
}

/// Values of `status.phase` of a Rollout.
pub mod phase {
    /// Everything as specified.
    pub const HEALTHY: &str = "Healthy";
    /// Invalid, aborted or out of time.
    pub const DEGRADED: &str = "Degraded";
    /// On the way.
    pub const PROGRESSING: &str = "Progressing";
    /// Waiting for somebody or for a time.
    pub const PAUSED: &str = "Paused";
}

/// Reasons in `status.pauseConditions`.
pub mod pause {
    /// An analysis could not decide.
    pub const INCONCLUSIVE: &str = "InconclusiveAnalysisRun";
    /// An experiment could not decide.
    pub const INCONCLUSIVE_EXPERIMENT: &str = "InconclusiveExperiment";
    /// A pause step.
    pub const CANARY_STEP: &str = "CanaryPauseStep";
    /// Blue-green waits before the switch.
    pub const BLUE_GREEN: &str = "BlueGreenPause";
}

/// Condition types of a Rollout.
pub mod condition {
    /// The spec can not be carried out.
    pub const INVALID_SPEC: &str = "InvalidSpec";
    /// Enough pods serve.
    pub const AVAILABLE: &str = "Available";
    /// The update moves, is done, or is stuck.
    pub const PROGRESSING: &str = "Progressing";
    /// A ReplicaSet can not make pods.
    pub const REPLICA_FAILURE: &str = "ReplicaFailure";
    /// The rollout is paused.
    pub const PAUSED: &str = "Paused";
    /// The last update went all the way.
    pub const COMPLETED: &str = "Completed";
    /// Everything is as specified and serving.
    pub const HEALTHY: &str = "Healthy";
}

/// Reasons of conditions and Events.
pub mod reason {
    /// Condition Available.
    pub const AVAILABLE: &str = "AvailableReason";
    /// Condition InvalidSpec.
    pub const INVALID_SPEC: &str = "InvalidSpec";
    /// Paused by a step, an analysis or by hand.
    pub const PAUSED: &str = "RolloutPaused";
    /// Resumed after a pause.
    pub const RESUMED: &str = "RolloutResumed";
    /// Tried again after an abort.
    pub const RETRY: &str = "RolloutRetry";
    /// Aborted.
    pub const ABORTED: &str = "RolloutAborted";
    /// The update went all the way.
    pub const COMPLETED: &str = "RolloutCompleted";
    /// The update no longer is complete.
    pub const NOT_COMPLETED: &str = "RolloutNotCompleted";
    /// Condition Healthy.
    pub const HEALTHY: &str = "RolloutHealthy";
    /// The Rollout is seen for the first time.
    pub const ADDED: &str = "RolloutAddedToInformer";
    /// A new revision began.
    pub const UPDATED: &str = "RolloutUpdated";
    /// A step is done.
    pub const STEP_COMPLETED: &str = "RolloutStepCompleted";
    /// Steps are left out.
    pub const SKIP_STEPS: &str = "SkipSteps";
    /// A Service points elsewhere now.
    pub const SWITCH_SERVICE: &str = "SwitchService";
    /// The routers carry other weights now.
    pub const TRAFFIC_UPDATED: &str = "TrafficWeightUpdated";
    /// The routers could not be brought to the weights.
    pub const TRAFFIC_ERROR: &str = "TrafficRoutingError";
    /// It could not be found out whether weights are in effect.
    pub const WEIGHT_VERIFY_ERROR: &str = "WeightVerifyError";
    /// AWS has no load balancer of that name.
    pub const LOAD_BALANCER_NOT_FOUND: &str = "LoadBalancerNotFound";
    /// AWS has what was asked of it.
    pub const TARGET_GROUP_VERIFIED: &str = "TargetGroupVerified";
    /// AWS does not have what was asked of it yet.
    pub const TARGET_GROUP_UNVERIFIED: &str = "TargetGroupUnverified";
    /// AWS could not be asked.
    pub const TARGET_GROUP_ERROR: &str = "TargetGroupVerifyError";
    /// A step plugin moved to another phase.
    pub const STEP_PLUGIN: &str = "StepPluginTransition";
    /// A ReplicaSet was scaled.
    pub const SCALING: &str = "ScalingReplicaSet";
    /// The ReplicaSet of the new template was made.
    pub const NEW_RS: &str = "NewReplicaSetCreated";
    /// The ReplicaSet of the new template can not be made.
    pub const NOT_CREATED: &str = "ReplicaSetCreateError";
    /// The ReplicaSet of the new template existed.
    pub const FOUND_RS: &str = "FoundNewReplicaSet";
    /// The ReplicaSet of the new template moves.
    pub const RS_UPDATED: &str = "ReplicaSetUpdated";
    /// The ReplicaSet of the new template is complete.
    pub const RS_AVAILABLE: &str = "NewReplicaSetAvailable";
    /// A promoted ReplicaSet lost availability.
    pub const RS_NOT_AVAILABLE: &str = "ReplicaSetNotAvailable";
    /// No progress for `progressDeadlineSeconds`.
    pub const TIMED_OUT: &str = "ProgressDeadlineExceeded";
    /// An Experiment was made.
    pub const EXPERIMENT_CREATED: &str = "ExperimentCreated";
    /// An experiment ran to its end.
    pub const EXPERIMENT_COMPLETED: &str = "ExperimentCompleted";
    /// An AnalysisRun can not be made.
    pub const ANALYSIS_ERROR: &str = "AnalysisRunError";
}
