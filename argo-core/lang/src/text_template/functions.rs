//! What a template may call.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use super::exec::Context;
use super::signature::Signature;
use super::value::Val;
use super::{applicationset, builtins, helm, notifications, sprig};

/// A function callable from templates.
pub type Function = Arc<dyn Fn(&mut Context<'_>, &[Val]) -> Result<Val, String> + Send + Sync>;

pub(super) struct Entry {
    pub(super) signature: Signature,
    pub(super) function: Function,
    /// One of Go's own, some of which are evaluated specially.
    pub(super) builtin: bool,
}

/// A set of functions by name. Copies share it.
#[derive(Clone, Default)]
pub struct Functions(Arc<BTreeMap<String, Arc<Entry>>>);

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Functions of Sprig that read the environment of the process; never there.
const HERMETIC: [&str; 2] = ["env", "expandenv"];

impl Functions {
    /// Go's own: `and or not len index slice print printf println html js urlquery call eq ne lt le gt ge`.
    #[must_use]
    pub fn builtin() -> Self {
        static SET: LazyLock<Functions> = LazyLock::new(|| {
            let mut set = Functions::default();
            for (name, letters) in builtins::TABLE {
                set.put(
                    name,
                    Signature::new(letters),
                    true,
                    Arc::new(move |context, args| builtins::call(name, context, args)),
                );
            }
            set
        });
        SET.clone()
    }

    fn put(&mut self, name: impl Into<String>, signature: Signature, builtin: bool, function: Function) {
        Arc::make_mut(&mut self.0).insert(name.into(), Arc::new(Entry { signature, function, builtin }));
    }

    /// Go's own and Sprig 3.3 without `env` and `expandenv`. What makes keys, certificates and password hashes fails unless
    /// the feature `crypto` is on.
    #[must_use]
    pub fn sprig() -> Self {
        static SET: LazyLock<Functions> = LazyLock::new(|| {
            let mut set = Functions::builtin();
            for (name, letters) in sprig::TABLE {
                if HERMETIC.contains(&name) {
                    continue;
                }
                set.put(
                    name,
                    Signature::new(letters),
                    false,
                    Arc::new(move |context, args| sprig::call(name, context, args)),
                );
            }
            set
        });
        SET.clone()
    }

    /// [`Functions::sprig`] and what Helm adds: `include tpl required toYaml fromYaml toToml mustToDuration …`; `lookup`
    /// finds nothing.
    #[must_use]
    pub fn helm() -> Self {
        static SET: LazyLock<Functions> = LazyLock::new(|| {
            let mut set = Functions::sprig();
            for (name, letters) in helm::TABLE {
                set.put(
                    name,
                    Signature::new(letters),
                    false,
                    Arc::new(move |context, args| helm::call(name, context, args)),
                );
            }
            set
        });
        SET.clone()
    }

    /// What Go templates of an ApplicationSet may call: [`Functions::sprig`] without `getHostByName`, and `normalize slugify
    /// toYaml fromYaml fromYamlArray tpl`. Unlike Helm's, the YAML functions fail on what is no YAML.
    #[must_use]
    pub fn application_set() -> Self {
        static SET: LazyLock<Functions> = LazyLock::new(|| {
            let mut set = Functions::sprig().without(&["getHostByName"]);
            for (name, letters) in applicationset::TABLE {
                set.put(
                    name,
                    Signature::new(letters),
                    false,
                    Arc::new(move |context, args| applicationset::call(name, context, args)),
                );
            }
            set
        });
        SET.clone()
    }

    /// What Argo CD's notification templates may call: [`Functions::sprig`] and `slackUserByEmail slackChannel
    /// slackUserGroup`. What upstream puts beside the data (`time`, `repo`, `strings`) are maps of [`Val::function`]s that
    /// the caller gives: `{{ (call .repo.GetCommitMetadata .app.status.sync.revision).Author }}`.
    #[must_use]
    pub fn notifications() -> Self {
        static SET: LazyLock<Functions> = LazyLock::new(|| {
            let mut set = Functions::sprig();
            for (name, letters) in notifications::TABLE {
                set.put(name, Signature::new(letters), false, Arc::new(move |_, args| notifications::call(name, args)));
            }
            set
        });
        SET.clone()
    }

    /// Adds a function, which takes any number of arguments; one of the same name is replaced.
    #[must_use]
    pub fn with(
        mut self,
        name: impl Into<String>,
        function: impl Fn(&mut Context<'_>, &[Val]) -> Result<Val, String> + Send + Sync + 'static,
    ) -> Self {
        self.put(name, Signature::any(), false, Arc::new(function));
        self
    }

    /// Removes functions.
    #[must_use]
    pub fn without(mut self, names: &[&str]) -> Self {
        let set = Arc::make_mut(&mut self.0);
        for name in names {
            set.remove(*name);
        }
        self
    }

    /// Whether there is a function of the name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(super) fn entry(&self, name: &str) -> Option<&Arc<Entry>> {
        self.0.get(name)
    }
}
