//! Stages in one line.

use serde_json::{Value, json};

use crate::api::Stage;

/// Begins a Stage in the project of a simulation.
#[must_use]
pub fn stage(name: &str) -> StageBuilder {
    StageBuilder(json!({
        "apiVersion": crate::api::API_VERSION, "kind": "Stage",
        "metadata": {"name": name, "namespace": super::PROJECT},
        "spec": {"requestedFreight": [], "promotionTemplate": {"spec": {"steps": []}}},
    }))
}

/// A [`Stage`] being put together.
#[derive(Debug, Clone)]
pub struct StageBuilder(Value);

impl StageBuilder {
    fn request(mut self, warehouse: &str, sources: Value) -> Self {
        if let Some(list) = self.0["spec"]["requestedFreight"].as_array_mut() {
            list.push(json!({"origin": {"kind": "Warehouse", "name": warehouse}, "sources": sources}));
        }
        self
    }

    /// Takes Freight straight from a Warehouse.
    #[must_use]
    pub fn direct(self, warehouse: &str) -> Self {
        self.request(warehouse, json!({"direct": true}))
    }

    /// Takes Freight once it is verified in one of these Stages.
    #[must_use]
    pub fn after(self, warehouse: &str, stages: &[&str]) -> Self {
        self.request(warehouse, json!({"stages": stages}))
    }

    /// Takes Freight once it has been verified in these Stages for this long (a Go duration).
    #[must_use]
    pub fn after_soaking(self, warehouse: &str, stages: &[&str], time: &str) -> Self {
        self.request(warehouse, json!({"stages": stages, "requiredSoakTime": time}))
    }

    /// One more step without settings.
    #[must_use]
    pub fn step(self, kind: &str) -> Self {
        self.step_with(json!({"uses": kind}))
    }

    /// One more step, as it stands in a manifest.
    #[must_use]
    pub fn step_with(mut self, step: Value) -> Self {
        if let Some(list) = self.0["spec"]["promotionTemplate"]["spec"]["steps"].as_array_mut() {
            list.push(step);
        }
        self
    }

    /// Verifies with this AnalysisTemplate.
    #[must_use]
    pub fn verified_by(mut self, template: &str) -> Self {
        self.0["spec"]["verification"] = json!({"analysisTemplates": [{"name": template}]});
        self
    }

    /// The Stage.
    #[must_use]
    pub fn build(self) -> Stage {
        serde_json::from_value(self.0).unwrap_or_default()
    }
}

impl From<StageBuilder> for argo_core::Object {
    fn from(builder: StageBuilder) -> Self {
        Self::from_value(builder.0)
    }
}
