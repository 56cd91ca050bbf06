//! What Argo CD's notification templates have beside Sprig (notifications-engine `pkg/templates`).

use super::value::Val;

/// Names and parameters.
pub(super) const TABLE: [(&str, &str); 3] = [("slackUserByEmail", "s"), ("slackChannel", "s"), ("slackUserGroup", "s")];

/// Marks that the sender to Slack replaces by what they stand for.
pub(super) fn call(name: &str, args: &[Val]) -> Result<Val, String> {
    let text = args.first().and_then(Val::as_str).unwrap_or_default();
    let kind = match name {
        "slackUserByEmail" => "USER_EMAIL",
        "slackChannel" => "CHANNEL",
        "slackUserGroup" => "USERGROUP",
        _ => return Err(format!("{name} is not a function of notifications")),
    };
    Ok(Val::from(format!("__SLACK_{kind}__{text}__")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Functions, Run, Template, Val};

    #[test]
    fn marks_for_slack_are_written() {
        let text = "{{slackUserByEmail .m}} {{slackChannel \"c\"}} {{slackUserGroup \"g\" | upper}}";
        let template = Template::parse("t", text, &Functions::notifications()).unwrap();
        assert_eq!(
            template.execute(&json!({"m": "a@b"})).unwrap(),
            "__SLACK_USER_EMAIL__a@b__ __SLACK_CHANNEL__c__ __SLACK_USERGROUP__G__"
        );
        assert!(!Functions::notifications().contains("env"));
        assert!(Functions::notifications().contains("getHostByName"));
    }

    #[test]
    fn closures_in_the_data_are_called() {
        let repo = Val::map([(
            "Shout".to_owned(),
            Val::function(|args| match args {
                [Val::Str(it)] => Ok(Val::from(it.to_uppercase())),
                _ => Err("wants one text".to_owned()),
            }),
        )]);
        let data = Val::map([("repo".to_owned(), repo)]);
        let out = |text: &str| {
            let template = Template::parse("t", text, &Functions::notifications()).unwrap();
            template.execute_with("t", &data, &Run::default()).unwrap_or_else(|error| error.message)
        };
        assert_eq!(
            out("{{call .repo.Shout \"a\"}}{{\"b\" | call .repo.Shout}}{{len (call .repo.Shout \"cd\")}}"),
            "AB2"
        );
        assert!(out("{{call .repo.Shout}}").ends_with("wants one text"));
        assert!(out("{{call .repo.None}}").contains("error calling call: call of nil"));
    }
}
