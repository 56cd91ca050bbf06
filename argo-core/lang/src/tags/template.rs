//! One string, split into text and tags.

use super::pass::Pass;
use super::{Render, Scope, TagError};

/// Deepest nesting of tags in tags.
const MAX_NESTING: usize = 16;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    Text(String),
    /// A tag: the segments of its inside (one text, unless tags are nested in it).
    Tag(Vec<Segment>),
    /// An expression, without its `=`.
    Expression(Vec<Segment>),
}

/// A compiled string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pub(super) segments: Vec<Segment>,
}

impl Template {
    /// Splits a string into text and tags. An opened tag that is never closed is text.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut segments = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find("{{") {
            // `{{{` opens at the first two braces, as fasttemplate does
            let Some((inside, len)) = tag(&rest[at..], 0) else {
                break;
            };
            push_text(&mut segments, &rest[..at]);
            segments.push(inside);
            rest = &rest[at + len..];
        }
        push_text(&mut segments, rest);
        Self { segments }
    }

    /// Whether there is no tag in it.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.segments.iter().all(|it| matches!(it, Segment::Text(_)))
    }

    /// The names of its plain tags, in order of appearance; nested ones first.
    #[must_use]
    pub fn tags(&self) -> Vec<String> {
        fn collect(segments: &[Segment], out: &mut Vec<String>) {
            for segment in segments {
                match segment {
                    Segment::Text(_) => {}
                    Segment::Tag(inside) | Segment::Expression(inside) => {
                        collect(inside, out);
                        if let (Segment::Tag(_), [Segment::Text(name)]) = (segment, inside.as_slice()) {
                            out.push(name.trim().to_owned());
                        }
                    }
                }
            }
        }
        let mut out = Vec::new();
        collect(&self.segments, &mut out);
        out
    }

    /// The expressions of its `{{=…}}` tags that have no tags nested in them.
    #[must_use]
    pub fn expressions(&self) -> Vec<&str> {
        self.segments
            .iter()
            .filter_map(|it| match it {
                Segment::Expression(inside) => match inside.as_slice() {
                    [Segment::Text(text)] => Some(text.trim()),
                    _ => None,
                },
                _ => None,
            })
            .collect()
    }

    /// Renders with a scope.
    ///
    /// # Errors
    /// A tag that must resolve does not, a value is absent, or an expression fails.
    pub fn render(&self, scope: &dyn Scope, how: &Render) -> Result<String, TagError> {
        let mut pass = Pass { scope, how, env: None };
        let mut out = String::new();
        pass.segments(&self.segments, &mut out)?;
        Ok(out)
    }
}

impl std::fmt::Display for Template {
    /// The text it was parsed from, except for spaces before the `=` of an expression.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        fn write(segments: &[Segment], f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            for segment in segments {
                let (mark, inside) = match segment {
                    Segment::Text(text) => {
                        f.write_str(text)?;
                        continue;
                    }
                    Segment::Tag(inside) => ("{{", inside),
                    Segment::Expression(inside) => ("{{=", inside),
                };
                f.write_str(mark)?;
                write(inside, f)?;
                f.write_str("}}")?;
            }
            Ok(())
        }
        write(&self.segments, f)
    }
}

fn push_text(segments: &mut Vec<Segment>, text: &str) {
    if !text.is_empty() {
        segments.push(Segment::Text(text.to_owned()));
    }
}

/// Parses the tag that `text` starts with; gives it and its length.
fn tag(text: &str, depth: usize) -> Option<(Segment, usize)> {
    if depth > MAX_NESTING {
        return None;
    }
    let start = 2;
    let expression = text[start..].trim_start().starts_with('=');
    let mut inside = Vec::new();
    let mut at = start;
    let mut from = start;
    loop {
        let rest = &text[at..];
        let close = rest.find("}}")?;
        match rest.find("{{") {
            Some(open) if open < close => {
                push_text(&mut inside, &text[from..at + open]);
                match tag(&rest[open..], depth + 1) {
                    Some((nested, len)) => {
                        inside.push(nested);
                        at += open + len;
                        from = at;
                    }
                    None => return None,
                }
            }
            _ => {
                push_text(&mut inside, &text[from..at + close]);
                if expression && let Some(Segment::Text(first)) = inside.first_mut() {
                    *first = first.trim_start().strip_prefix('=').unwrap_or(first).to_owned();
                    return Some((Segment::Expression(inside), at + close + 2));
                }
                return Some((Segment::Tag(inside), at + close + 2));
            }
        }
    }
}
