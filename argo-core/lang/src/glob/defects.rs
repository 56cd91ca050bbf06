//! Texts that gobwas matches although its grammar says otherwise: users' patterns rely on it.

use super::Mode;

#[derive(Debug, Clone)]
pub(super) enum Ends {
    /// Text, stars that take separators, text: both ends are compared, and may overlap. `a/**/b` matches `a/b`.
    Overlapping(String, String),
    /// A single character of any kind but some: no character at all is one.
    Nothing,
}

impl Ends {
    pub(super) fn of(pattern: &str, mode: Mode) -> Option<Self> {
        let any_but = pattern.strip_prefix("[!").and_then(|it| it.strip_suffix(']'));
        if pattern == "?" || any_but.is_some_and(|it| !it.is_empty() && !it.contains([']', '\\'])) {
            return Some(Self::Nothing);
        }
        let mut ends = [String::new(), String::new()];
        let mut stars = 0;
        let mut runs = 0;
        let mut before = ' ';
        let mut chars = pattern.chars();
        while let Some(it) = chars.next() {
            match it {
                '*' => {
                    runs += usize::from(stars == 0 || before != '*');
                    stars += 1;
                }
                '?' | '[' | '{' => return None,
                '\\' => ends[runs.min(1)].extend(chars.next()),
                it => ends[runs.min(1)].push(it),
            }
            before = it;
            if runs > 1 {
                return None;
            }
        }
        let [first, last] = ends;
        let takes_separators = stars > 1 || stars == 1 && mode == Mode::Gobwas;
        (takes_separators && !first.is_empty() && !last.is_empty()).then_some(Self::Overlapping(first, last))
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        match self {
            Self::Overlapping(first, last) => text.starts_with(first) && text.ends_with(last),
            Self::Nothing => text.is_empty(),
        }
    }
}
