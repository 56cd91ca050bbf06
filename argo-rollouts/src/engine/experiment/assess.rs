//! What templates and analyses of an Experiment come to.

use super::Pass;
use crate::api::{AnalysisPhase, Experiment, ExperimentStatus, TemplatePhase};

/// Whether an Experiment is to end: asked for, over, or decided by a template or an analysis.
#[must_use]
pub fn is_terminating(ex: &Experiment) -> bool {
    let status = &ex.status;
    ex.spec.terminate
        || status.phase.is_complete()
        || status.template_statuses.iter().any(|it| matches!(it.phase, TemplatePhase::Failed | TemplatePhase::Error))
        || status
            .analysis_runs
            .iter()
            .any(|it| matches!(it.phase, AnalysisPhase::Failed | AnalysisPhase::Error | AnalysisPhase::Inconclusive))
        || required_are_successful(ex, status)
}

/// Some analyses are marked as required, and all of those ended well.
fn required_are_successful(ex: &Experiment, status: &ExperimentStatus) -> bool {
    let mut required = ex.spec.analyses.iter().filter(|it| it.required_for_completion).peekable();
    required.peek().is_some()
        && required.all(|it| status.analysis(&it.name).is_some_and(|it| it.phase == AnalysisPhase::Successful))
}

impl Pass<'_> {
    /// The phase of the experiment and its message, from the statuses just composed.
    pub(super) fn assess(&mut self) {
        match self.next.phase {
            AnalysisPhase::New => {
                self.next.phase = AnalysisPhase::Pending;
                return;
            }
            AnalysisPhase::Pending | AnalysisPhase::Running => {}
            _ => return,
        }
        let (of_templates, template_message) = self.assess_templates();
        let (of_analyses, analysis_message) = self.assess_analyses();
        if of_templates == AnalysisPhase::Running && self.next.available_at.is_none() {
            self.next.available_at = Some(self.now.into());
        }
        let required = self.ex.spec.analyses.iter().any(|it| it.required_for_completion);
        let by_analyses = if of_templates.is_complete() {
            of_templates == AnalysisPhase::Successful && (of_analyses.is_complete() || required)
        } else {
            of_analyses.is_complete() && of_analyses != AnalysisPhase::Successful
                || required_are_successful(&self.ex, &self.next)
        };
        (self.next.phase, self.next.message) =
            if by_analyses { (of_analyses, analysis_message) } else { (of_templates, template_message) };
    }

    fn assess_templates(&self) -> (AnalysisPhase, String) {
        let (mut worst, mut message) = (TemplatePhase::Successful, String::new());
        for template in &self.ex.spec.templates {
            let Some(status) = self.next.template(&template.name) else { continue };
            if badness(status.phase) > badness(worst) {
                worst = status.phase;
                message.clone_from(&status.message);
            }
        }
        let phase = match worst {
            TemplatePhase::New | TemplatePhase::Progressing => AnalysisPhase::Pending,
            TemplatePhase::Running => AnalysisPhase::Running,
            TemplatePhase::Successful => AnalysisPhase::Successful,
            TemplatePhase::Failed => AnalysisPhase::Failed,
            TemplatePhase::Error => AnalysisPhase::Error,
        };
        (phase, message)
    }

    fn assess_analyses(&self) -> (AnalysisPhase, String) {
        let (mut worst, mut message) = (AnalysisPhase::Successful, String::new());
        for analysis in &self.ex.spec.analyses {
            let Some(status) = self.next.analysis(&analysis.name) else { continue };
            // One that was never begun says nothing.
            if !status.phase.is_new() && status.phase.severity() > worst.severity() {
                worst = status.phase;
                message.clone_from(&status.message);
            }
        }
        if worst == AnalysisPhase::Successful && required_are_successful(&self.ex, &self.next) {
            return (AnalysisPhase::Successful, "Required AnalysisRuns completed".to_owned());
        }
        if worst == AnalysisPhase::Pending {
            worst = AnalysisPhase::Running;
        }
        (worst, message)
    }
}

fn badness(phase: TemplatePhase) -> u8 {
    match phase {
        TemplatePhase::Successful => 0,
        TemplatePhase::Running => 1,
        TemplatePhase::New | TemplatePhase::Progressing => 2,
        TemplatePhase::Error => 3,
        TemplatePhase::Failed => 4,
    }
}
