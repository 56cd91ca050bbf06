//! Labels, annotations, finalizers and event reasons, exactly as upstream's clients read them.

/// Finalizer on Stages and project namespaces.
pub const FINALIZER: &str = "kargo.akuity.io/finalizer";

/// Label of a project's Namespace; the value is `true`.
pub const LABEL_PROJECT: &str = "kargo.akuity.io/project";
/// Label with a Freight's alias.
pub const LABEL_ALIAS: &str = "kargo.akuity.io/alias";
/// Label with a Stage's (shortened) name on Promotions and AnalysisRuns.
pub const LABEL_STAGE: &str = "kargo.akuity.io/stage";
/// Label with the id of the collection an AnalysisRun verifies.
pub const LABEL_FREIGHT_COLLECTION: &str = "kargo.akuity.io/freight-collection";
/// Label with the shard an object belongs to.
pub const LABEL_SHARD: &str = "kargo.akuity.io/shard";
/// Label of a Secret that holds credentials: git, helm, image or generic.
pub const LABEL_CRED_TYPE: &str = "kargo.akuity.io/cred-type";

/// Who made an object.
pub const ANNOTATION_CREATE_ACTOR: &str = "kargo.akuity.io/create-actor";
/// Asks for a refresh; the value is any token.
pub const ANNOTATION_REFRESH: &str = "kargo.akuity.io/refresh";
/// Asks for a verification to be run again.
pub const ANNOTATION_REVERIFY: &str = "kargo.akuity.io/reverify";
/// Asks for a verification or a promotion to end.
pub const ANNOTATION_ABORT: &str = "kargo.akuity.io/abort";
/// The Stages that may change an Argo CD Application: a comma-separated list of `project:stage`.
pub const ANNOTATION_AUTHORIZED_STAGE: &str = "kargo.akuity.io/authorized-stage";
/// Full name of a Stage.
pub const ANNOTATION_STAGE: &str = "kargo.akuity.io/stage";
/// Name of a Promotion.
pub const ANNOTATION_PROMOTION: &str = "kargo.akuity.io/promotion";
/// The Applications a Stage looks at: JSON `[{name, namespace}]`.
pub const ANNOTATION_ARGOCD_CONTEXT: &str = "kargo.akuity.io/argocd-context";
/// `true` on a Promotion that goes back to older Freight.
pub const ANNOTATION_ROLLBACK: &str = "kargo.akuity.io/rollback";
/// `true` on a Project whose namespace outlives it.
pub const ANNOTATION_KEEP_NAMESPACE: &str = "kargo.akuity.io/keep-namespace";
/// A user's promotion of something else than automatic promotion would choose: pauses it for this origin.
pub const ANNOTATION_AUTO_PROMOTION_HOLD: &str = "kargo.akuity.io/auto-promotion-hold";
/// A user's promotion of what automatic promotion would choose: resumes it for this origin.
pub const ANNOTATION_AUTO_PROMOTION_RESUME: &str = "kargo.akuity.io/auto-promotion-resume";

/// The value of [`ANNOTATION_ABORT`] that ends a promotion.
pub const ABORT_TERMINATE: &str = "terminate";

/// Value of labels and annotations that are switches.
pub const TRUE: &str = "true";

/// The one name of a ClusterConfig.
pub const CLUSTER_CONFIG: &str = "cluster";

/// Most characters of a label's value.
pub const LABEL_MAX: usize = 63;
/// Most characters of an object's name.
pub const NAME_MAX: usize = 253;

/// Prefix of annotations on Kubernetes Events.
pub const EVENT_PREFIX: &str = "event.kargo.akuity.io/";

/// Reasons of Kubernetes Events.
pub mod events {
    /// A Promotion was made.
    pub const PROMOTION_CREATED: &str = "PromotionCreated";
    /// A Promotion ended well.
    pub const PROMOTION_SUCCEEDED: &str = "PromotionSucceeded";
    /// A Promotion failed.
    pub const PROMOTION_FAILED: &str = "PromotionFailed";
    /// A Promotion could not be carried out.
    pub const PROMOTION_ERRORED: &str = "PromotionErrored";
    /// A Promotion was ended by somebody.
    pub const PROMOTION_ABORTED: &str = "PromotionAborted";
    /// Freight was made.
    pub const FREIGHT_CREATED: &str = "FreightCreated";
    /// Freight was approved for a Stage.
    pub const FREIGHT_APPROVED: &str = "FreightApproved";
    /// Verification went well.
    pub const FREIGHT_VERIFICATION_SUCCEEDED: &str = "FreightVerificationSucceeded";
    /// Verification failed.
    pub const FREIGHT_VERIFICATION_FAILED: &str = "FreightVerificationFailed";
    /// Verification could not be carried out.
    pub const FREIGHT_VERIFICATION_ERRORED: &str = "FreightVerificationErrored";
    /// Verification was ended by somebody.
    pub const FREIGHT_VERIFICATION_ABORTED: &str = "FreightVerificationAborted";
    /// Verification said neither yes nor no.
    pub const FREIGHT_VERIFICATION_INCONCLUSIVE: &str = "FreightVerificationInconclusive";
    /// Verification ended in a way that is not known here.
    pub const FREIGHT_VERIFICATION_UNKNOWN: &str = "FreightVerificationUnknown";
    /// An operation of an Argo CD Application was started.
    pub const OPERATION_STARTED: &str = "OperationStarted";
}
