//! Pairs that were found equal: they are not compared again while neither side nor the rules change.

use std::hash::{DefaultHasher, Hash, Hasher};

use argo_core::Object;
use serde_json::Value;

/// Fingerprints of pairs that a comparison found equal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memo(Vec<u64>);

impl Memo {
    /// Whether a pair is among them.
    #[must_use]
    pub fn knows(&self, fingerprint: u64) -> bool {
        self.0.binary_search(&fingerprint).is_ok()
    }

    /// How many pairs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<u64> for Memo {
    fn from_iter<T: IntoIterator<Item = u64>>(pairs: T) -> Self {
        let mut pairs: Vec<u64> = pairs.into_iter().collect();
        pairs.sort_unstable();
        pairs.dedup();
        Self(pairs)
    }
}

/// What a pair is known by: the whole target, the version of the live object, and everything else that the verdict hangs
/// on (`rules`). A live object without a version has none.
#[must_use]
pub fn fingerprint(target: &Object, live: &Object, rules: u64) -> Option<u64> {
    if live.resource_version().is_empty() {
        return None;
    }
    let mut hasher = DefaultHasher::new();
    rules.hash(&mut hasher);
    live.uid().hash(&mut hasher);
    live.resource_version().hash(&mut hasher);
    value(target.value(), &mut hasher);
    Some(hasher.finish())
}

/// Folds a JSON value into a hash. Order of members counts as it is kept.
pub fn value(it: &Value, hasher: &mut impl Hasher) {
    match it {
        Value::Null => 0_u8.hash(hasher),
        Value::Bool(it) => (1_u8, it).hash(hasher),
        Value::Number(it) => (2_u8, it).hash(hasher),
        Value::String(it) => (3_u8, it).hash(hasher),
        Value::Array(items) => {
            (4_u8, items.len()).hash(hasher);
            items.iter().for_each(|it| value(it, hasher));
        }
        Value::Object(members) => {
            (5_u8, members.len()).hash(hasher);
            for (key, it) in members {
                key.hash(hasher);
                value(it, hasher);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use argo_core::Gvk;

    use super::*;

    #[test]
    fn a_pair_is_known_until_a_side_or_a_rule_changes() {
        let target = Object::new(&Gvk::new("", "v1", "ConfigMap"), Some("n"), "a").with(&["data", "a"], "1");
        let live = target.clone().with(&["metadata", "resourceVersion"], "7").with(&["metadata", "uid"], "u");
        let print = fingerprint(&target, &live, 1).unwrap();
        let memo: Memo = [print, 3, 3].into_iter().collect();
        assert!(memo.knows(print) && memo.len() == 2);
        let newer = live.clone().with(&["metadata", "resourceVersion"], "8");
        let again = live.clone().with(&["metadata", "uid"], "v");
        let other = target.clone().with(&["data", "a"], "2");
        for print in [fingerprint(&target, &newer, 1), fingerprint(&target, &again, 1), fingerprint(&other, &live, 1)] {
            assert!(!memo.knows(print.unwrap()));
        }
        assert!(!memo.knows(fingerprint(&target, &live, 2).unwrap()));
        assert_eq!(fingerprint(&target, &target, 1), None, "what has no version may change unseen");
    }
}
