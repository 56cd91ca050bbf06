//! What is said to and by git.

use std::{collections::BTreeMap, fmt};

use crate::time::Timestamp;

/// A repository as a URL with what it takes to get in.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    /// `https://…`, `ssh://…`, `user@host:path`, `file://…` or a local path.
    pub url: String,
    /// How to get in.
    pub credentials: Option<Credentials>,
    /// Accepts any TLS certificate.
    pub insecure: bool,
}

/// Secrets; never printed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Credentials {
    /// User name and password or token.
    Basic {
        /// User name.
        username: String,
        /// Password or token.
        password: String,
    },
    /// A private key in OpenSSH form.
    Ssh {
        /// The key.
        private_key: String,
    },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Basic { username, .. } => write!(f, "Basic({username}, …)"),
            Self::Ssh { .. } => f.write_str("Ssh(…)"),
        }
    }
}

impl Repository {
    /// Without credentials.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), ..Self::default() }
    }

    /// With credentials.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }
}

/// The URL without user information, which may hold a token.
impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.url.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.split_once('@')?))) {
            Some((scheme, (user, rest))) if !user.contains('/') => write!(f, "{scheme}://{rest}"),
            _ => f.write_str(&self.url),
        }
    }
}

/// A reference of a remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ref {
    /// Full name: `refs/heads/main`.
    pub name: String,
    /// The commit; for annotated tags the commit that the tag points at.
    pub commit: String,
}

/// What a remote offers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemoteRefs {
    /// The reference that `HEAD` stands for, if the remote says.
    pub head: Option<String>,
    /// Full names and commits.
    pub refs: BTreeMap<String, String>,
}

impl RemoteRefs {
    /// Branches: short names and commits.
    pub fn branches(&self) -> impl Iterator<Item = (&str, &str)> {
        self.below("refs/heads/")
    }

    /// Tags: short names and commits.
    pub fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.below("refs/tags/")
    }

    fn below<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.refs.iter().filter_map(move |(name, commit)| Some((name.strip_prefix(prefix)?, commit.as_str())))
    }

    /// The commit that a name stands for: a full reference, a branch, a tag, or `HEAD` (also as empty text).
    #[must_use]
    pub fn resolve(&self, name: &str) -> Option<&str> {
        if name.is_empty() || name == "HEAD" {
            let head = self.head.as_deref()?;
            return self.refs.get(head).map(String::as_str);
        }
        let candidates = [name.to_owned(), format!("refs/heads/{name}"), format!("refs/tags/{name}")];
        candidates.iter().find_map(|it| self.refs.get(it)).map(String::as_str)
    }
}

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// 40 hex digits.
    pub id: String,
    /// Parents' ids.
    pub parents: Vec<String>,
    /// Who wrote it.
    pub author: Author,
    /// Who committed it.
    pub committer: Author,
    /// When it was committed.
    pub committed_at: Timestamp,
    /// The whole message.
    pub message: String,
}

impl Commit {
    /// First line of the message.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.message.lines().next().unwrap_or_default()
    }
}

/// A name and an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// Name.
    pub name: String,
    /// E-mail address.
    pub email: String,
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} <{}>", self.name, self.email)
    }
}

/// Which commits to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogQuery {
    /// At most this many.
    pub limit: usize,
    /// Leaves out this many of the newest.
    pub skip: usize,
    /// Follows only first parents.
    pub first_parent: bool,
}

impl Default for LogQuery {
    fn default() -> Self {
        Self { limit: 20, skip: 0, first_parent: true }
    }
}

/// How to commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitOptions {
    /// The message.
    pub message: String,
    /// Author and committer.
    pub author: Author,
}

/// How to push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushOptions {
    /// The branch to push to; absent means the one that is checked out.
    pub branch: Option<String>,
    /// Overwrites what the remote has.
    pub force: bool,
    /// How often to rebase and try again when the remote has moved; 1 means never.
    pub attempts: u32,
}

impl Default for PushOptions {
    fn default() -> Self {
        Self { branch: None, force: false, attempts: 50 }
    }
}

/// Whether a text is a full commit id.
#[must_use]
pub fn is_commit_id(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|it| it.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_printed_without_tokens() {
        assert_eq!(Repository::new("https://x:tok@host/a.git").to_string(), "https://host/a.git");
        assert_eq!(Repository::new("git@host:a/b.git").to_string(), "git@host:a/b.git");
        let basic = Credentials::Basic { username: "u".into(), password: "hunter2".into() };
        assert!(!format!("{basic:?}").contains("hunter2"));
    }

    #[test]
    fn names_resolve_in_git_order() {
        let refs = [("refs/heads/main", "a"), ("refs/tags/v1", "b"), ("refs/heads/v1", "c")];
        let refs = RemoteRefs {
            head: Some("refs/heads/main".into()),
            refs: refs.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        };
        assert_eq!(refs.resolve(""), Some("a"));
        assert_eq!(refs.resolve("v1"), Some("c"));
        assert_eq!(refs.resolve("refs/tags/v1"), Some("b"));
        assert_eq!(refs.resolve("nope"), None);
    }
}
