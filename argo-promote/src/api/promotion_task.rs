//! Tasks: steps that several Stages share.

use argo_core::{Resource, Scope};

use super::{GROUP, PromotionStep, VERSION, Variable, kind, wire};

kind! {
    /// Steps shared by the Stages of a project.
    pub struct PromotionTask {
        /// The steps.
        pub spec: PromotionTaskSpec,
    }
}

kind! {
    /// Steps shared by all projects.
    pub struct ClusterPromotionTask {
        /// The steps.
        pub spec: PromotionTaskSpec,
    }
}

wire! {
    /// What a task is made of.
    pub struct PromotionTaskSpec {
        /// Its variables; an empty value means that the caller must give one.
        pub vars: Vec<Variable>,
        /// Its steps; none of them is a task.
        pub steps: Vec<PromotionStep>,
    }
}

impl Resource for PromotionTask {
    const GROUP: &'static str = GROUP;
    const VERSION: &'static str = VERSION;
    const KIND: &'static str = "PromotionTask";
    const PLURAL: &'static str = "promotiontasks";
    const SHORT_NAMES: &'static [&'static str] = &["promotask", "promotasks"];
    const REQUIRED: &'static [&'static str] = &["spec"];
}

impl Resource for ClusterPromotionTask {
    const GROUP: &'static str = GROUP;
    const VERSION: &'static str = VERSION;
    const KIND: &'static str = "ClusterPromotionTask";
    const PLURAL: &'static str = "clusterpromotiontasks";
    const SHORT_NAMES: &'static [&'static str] = &["clusterpromotask", "clusterpromotasks"];
    const SCOPE: Scope = Scope::Cluster;
    const REQUIRED: &'static [&'static str] = &["spec"];
}
