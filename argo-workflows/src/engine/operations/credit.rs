//! Labels that say who made a workflow, and who did what to it last.

use argo_core::ObjectMeta;

const CREATOR: [&str; 3] = [
    "workflows.argoproj.io/creator",
    "workflows.argoproj.io/creator-email",
    "workflows.argoproj.io/creator-preferred-username",
];
const ACTOR: [&str; 3] = [
    "workflows.argoproj.io/actor",
    "workflows.argoproj.io/actor-email",
    "workflows.argoproj.io/actor-preferred-username",
];
const ACTION: &str = "workflows.argoproj.io/action";

/// Who somebody is, as his token says; what is not known is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// The subject.
    pub subject: String,
    /// The mail address.
    pub email: String,
    /// What he is called.
    pub preferred_username: String,
}

/// What can be done to a workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionKind {
    /// It was suspended.
    Suspend,
    /// It was stopped.
    Stop,
    /// It was terminated.
    Terminate,
    /// It went on.
    Resume,
    /// It was tried again.
    Retry,
}

/// Labels who made a workflow; without an identity, labels that claim one go.
pub fn label_creator(metadata: &mut ObjectMeta, who: Option<&Identity>) {
    label(metadata, CREATOR, who);
    metadata.labels.remove(ACTION);
}

/// Labels who did what to a workflow; without an identity, labels that claim one go.
pub fn label_actor(metadata: &mut ObjectMeta, who: Option<&Identity>, action: ActionKind) {
    label(metadata, ACTOR, who);
    match who {
        Some(_) => drop(metadata.labels.insert(ACTION.to_owned(), format!("{action:?}"))),
        None => drop(metadata.labels.remove(ACTION)),
    }
}

fn label(metadata: &mut ObjectMeta, names: [&str; 3], who: Option<&Identity>) {
    let nobody = Identity::default();
    let who = who.unwrap_or(&nobody);
    let values = [who.subject.clone(), who.email.replacen('@', ".at.", 1), who.preferred_username.clone()];
    for (name, value) in names.into_iter().zip(values) {
        if value.is_empty() {
            metadata.labels.remove(name);
        } else {
            metadata.labels.insert(name.to_owned(), label_value(&value));
        }
    }
}

/// A text as a label may hold it: of too long ones the end.
fn label_value(text: &str) -> String {
    let allowed = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.');
    let value: String = text.chars().map(|it| if allowed(it) { it } else { '-' }).collect();
    let value = &value[value.len().saturating_sub(63)..];
    value.trim_matches(|it: char| !it.is_ascii_alphanumeric()).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_become_labels_and_go_again() {
        let who = Identity {
            subject: format!("system:serviceaccount:{}:bot", "x".repeat(60)),
            email: "my@mail.com".to_owned(),
            preferred_username: "Jöhn (Doe)".to_owned(),
        };
        let mut metadata = ObjectMeta::default();
        label_creator(&mut metadata, Some(&who));
        label_actor(&mut metadata, Some(&who), ActionKind::Terminate);
        let label = |metadata: &ObjectMeta, name: &str| {
            metadata.label(&format!("workflows.argoproj.io/{name}")).map(str::to_owned)
        };
        assert_eq!(label(&metadata, "creator-email").as_deref(), Some("my.at.mail.com"));
        assert_eq!(label(&metadata, "creator-preferred-username").as_deref(), Some("J-hn--Doe"));
        let subject = label(&metadata, "actor").unwrap();
        assert!(subject.ends_with("xxx-bot") && subject.len() <= 63, "{subject}");
        assert_eq!(label(&metadata, "action").as_deref(), Some("Terminate"));
        label_creator(&mut metadata, None);
        label_actor(&mut metadata, None, ActionKind::Stop);
        assert!(metadata.labels.is_empty());
    }
}
