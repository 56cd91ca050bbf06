//! What a step sees of this machine's files.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What a step sees of this machine's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Isolation {
    /// Everything; paths of outputs are taken below the working directory.
    None,
    /// A root directory of its own, with this machine's programs in it, read-only: absolute paths mean
    /// what they mean in a container, volumes and input artifacts are where the manifest says. Made of a
    /// mount namespace by the programs `unshare`, `mount` and `chroot`. Not a security boundary.
    Namespace {
        /// Directories to see beside those of programs and libraries.
        also: Vec<PathBuf>,
        /// Whether a user namespace is needed to make a mount namespace.
        user: bool,
    },
}

/// Directories of programs, libraries and their settings.
const SYSTEM: &[&str] =
    &["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/nix", "/dev", "/proc", "/sys"];

impl Isolation {
    /// A root directory a step where this machine can make one, else none.
    #[must_use]
    pub fn detect() -> Self {
        for user in [false, true] {
            let mut probe = Command::new("unshare");
            probe.args(flags(user)).args(["sh", "-c", "command -v chroot && mount --bind /usr /usr"]);
            probe.env("PATH", TOOLS).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            if probe.status().is_ok_and(|it| it.success()) {
                return Self::Namespace { also: Vec::new(), user };
            }
        }
        Self::None
    }

    /// Shows these directories to steps, too.
    #[must_use]
    pub fn showing(mut self, directories: impl IntoIterator<Item = PathBuf>) -> Self {
        if let Self::Namespace { also, .. } = &mut self {
            also.extend(directories);
        }
        self
    }

    /// Whether steps have a root of their own.
    #[must_use]
    pub fn has_roots(&self) -> bool {
        *self != Self::None
    }
}

const TOOLS: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn flags(user: bool) -> &'static [&'static str] {
    if user { &["--user", "--map-root-user", "--mount"] } else { &["--mount"] }
}

/// One thing mounted into a root: from here, to there, read-only or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bind {
    pub(super) from: PathBuf,
    pub(super) to: String,
    pub(super) read_only: bool,
}

/// The shell script that runs `inner` (a script in the root) with `root` as its root directory.
pub(super) fn script(isolation: &Isolation, root: &Path, path: &str, binds: &[Bind], inner: &str) -> Option<String> {
    let Isolation::Namespace { also, user } = isolation else { return None };
    let mut seen: Vec<PathBuf> = Vec::new();
    let mut text = format!("PATH={TOOLS}\nr={}\n", quote(&root.display().to_string()));
    let programs = path.split(':').filter(|it| it.starts_with('/')).map(PathBuf::from);
    for it in SYSTEM.iter().map(PathBuf::from).chain(also.iter().cloned()).chain(programs) {
        if seen.iter().any(|seen| it.starts_with(seen)) {
            continue;
        }
        let Ok(kind) = std::fs::symlink_metadata(&it) else { continue };
        let name = quote(&it.display().to_string());
        if kind.is_symlink() {
            let to = std::fs::read_link(&it).map(|it| it.display().to_string()).unwrap_or_default();
            let _ = writeln!(text, "[ -e \"$r\"{name} ] || ln -s {} \"$r\"{name}", quote(&to));
        } else if kind.is_dir() {
            let live = ["/dev", "/proc", "/sys"].iter().any(|at| it == Path::new(at));
            let _ = writeln!(text, "mkdir -p \"$r\"{name} && mount --rbind {name} \"$r\"{name} || exit 64");
            if !live {
                // Not everywhere may be made read-only: what is below keeps its own flags.
                let _ = writeln!(text, "mount -o remount,bind,ro \"$r\"{name} 2>/dev/null || :");
            }
        }
        seen.push(it);
    }
    for bind in binds {
        let (from, to) = (quote(&bind.from.display().to_string()), quote(&bind.to));
        let _ = writeln!(
            text,
            "if [ -d {from} ]; then mkdir -p \"$r\"{to}; else mkdir -p \"$(dirname \"$r\"{to})\" && : >>\"$r\"{to}; fi\n\
             mount --bind {from} \"$r\"{to} || exit 64"
        );
        if bind.read_only {
            let _ = writeln!(text, "mount -o remount,bind,ro \"$r\"{to} 2>/dev/null || :");
        }
    }
    let _ = writeln!(text, "exec chroot \"$r\" /bin/sh {}", quote(inner));
    let mut line = "exec unshare".to_owned();
    for it in flags(*user) {
        line.push(' ');
        line.push_str(it);
    }
    Some(format!("PATH={TOOLS}\n{line} /bin/sh -c {}", quote(&text)))
}

/// A word for the shell.
pub(super) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_one_word() {
        assert_eq!(quote("a b'c$d"), r"'a b'\''c$d'");
    }
}
