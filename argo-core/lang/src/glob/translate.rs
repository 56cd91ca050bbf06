//! A glob as a regular expression.

use super::Mode;

pub(super) struct Translator {
    chars: Vec<char>,
    pub(super) at: usize,
    mode: Mode,
    pub(super) out: String,
    depth: usize,
    /// Where the part starts that is being read, or the brace that is open.
    pub(super) from: usize,
}

/// Whether the mode takes what is not closed as closed by the end.
pub(super) fn is_lenient(mode: Mode) -> bool {
    matches!(mode, Mode::Gobwas | Mode::GobwasPath)
}

impl Translator {
    pub(super) fn new(pattern: &str, mode: Mode) -> Self {
        Self { chars: pattern.chars().collect(), at: 0, mode, out: String::new(), depth: 0, from: 0 }
    }

    fn lenient(&self) -> bool {
        is_lenient(self.mode)
    }

    fn path(&self) -> bool {
        self.mode != Mode::Gobwas
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn literal(&mut self, it: char) {
        let mut buffer = [0; 4];
        self.out.push_str(&regex::escape(it.encode_utf8(&mut buffer)));
    }

    /// Whether the place is the beginning of a path component.
    fn component_start(&self) -> bool {
        self.at == 0
            || matches!(self.chars[self.at - 1], '/')
            || (self.depth > 0 && matches!(self.chars[self.at - 1], '{' | ','))
    }

    pub(super) fn run(&mut self) -> Option<()> {
        let mut open = Vec::new();
        while let Some(it) = self.peek(0) {
            self.from = self.at;
            match it {
                '\\' => {
                    self.at += 1;
                    match self.peek(0) {
                        Some(escaped) => {
                            self.at += 1;
                            self.literal(escaped);
                        }
                        // gobwas overlooks it
                        None if self.lenient() => {}
                        None => return None,
                    }
                }
                '*' => self.star(),
                '?' => {
                    self.at += 1;
                    self.out.push_str(if self.path() { "[^/]" } else { "." });
                }
                '[' => self.class()?,
                '{' if self.mode != Mode::FilePath => {
                    self.depth += 1;
                    if self.depth > 50 {
                        return None;
                    }
                    open.push(self.at);
                    self.at += 1;
                    self.out.push_str("(?:");
                }
                '}' if self.depth > 0 => {
                    self.depth -= 1;
                    open.pop();
                    self.at += 1;
                    self.out.push(')');
                }
                ',' if self.depth > 0 => {
                    self.at += 1;
                    self.out.push('|');
                }
                // doublestar: `a/**` matches `a` as well
                '/' if self.mode == Mode::Doublestar
                    && self.peek(1) == Some('*')
                    && self.peek(2) == Some('*')
                    && self.component_end(3) =>
                {
                    if self.peek(3) == Some('/') {
                        self.at += 4;
                        self.out.push_str("/(?:[^/]*/)*");
                    } else {
                        self.at += 3;
                        self.out.push_str("(?:/.*)?");
                    }
                }
                it => {
                    self.at += 1;
                    self.literal(it);
                }
            }
        }
        if self.lenient() {
            // gobwas closes what is open
            self.out.extend(std::iter::repeat_n(')', self.depth));
            return Some(());
        }
        if let Some(open) = open.first() {
            self.from = *open;
            return None;
        }
        Some(())
    }

    fn component_end(&self, ahead: usize) -> bool {
        match self.peek(ahead) {
            None | Some('/') => true,
            Some(',' | '}') => self.depth > 0,
            _ => false,
        }
    }

    fn star(&mut self) {
        let count = self.chars[self.at..].iter().take_while(|it| **it == '*').count();
        match self.mode {
            Mode::Gobwas => {
                self.out.push_str(".*");
                self.at += count;
            }
            Mode::GobwasPath => {
                self.out.push_str(if count > 1 { ".*" } else { "[^/]*" });
                self.at += count;
            }
            Mode::Doublestar if count == 2 && self.component_start() && self.component_end(2) => {
                if self.peek(2) == Some('/') {
                    self.at += 3;
                    self.out.push_str("(?:[^/]*/)*");
                } else {
                    self.at += 2;
                    self.out.push_str(".*");
                }
            }
            _ => {
                self.out.push_str("[^/]*");
                self.at += count;
            }
        }
    }

    fn class(&mut self) -> Option<()> {
        self.at += 1;
        let negated = matches!(
            (self.mode, self.peek(0)?),
            (Mode::Gobwas | Mode::GobwasPath | Mode::Doublestar, '!') | (Mode::FilePath | Mode::Doublestar, '^')
        );
        if negated {
            self.at += 1;
        }
        self.out.push_str(if negated { "[^" } else { "[" });
        if self.lenient() {
            return self.plain_class();
        }
        let mut items = 0;
        loop {
            let mut it = self.peek(0)?;
            if it == ']' && items > 0 {
                self.at += 1;
                break;
            }
            if it == ']' || (it == '-' && self.mode == Mode::FilePath) {
                return None;
            }
            if it == '\\' {
                self.at += 1;
                it = self.peek(0)?;
            }
            self.at += 1;
            self.class_char(it);
            if self.peek(0) == Some('-') && self.peek(1).is_some_and(|it| it != ']') {
                self.at += 1;
                let mut high = self.peek(0)?;
                if high == '\\' {
                    self.at += 1;
                    high = self.peek(0)?;
                }
                self.at += 1;
                if high < it {
                    if self.mode == Mode::FilePath || self.mode == Mode::Doublestar {
                        // an empty range matches nothing
                        items += 1;
                        continue;
                    }
                    return None;
                }
                self.out.push('-');
                self.class_char(high);
            }
            items += 1;
        }
        self.out.push(']');
        Some(())
    }

    /// gobwas: a hyphen behind the first character makes one range; all else is a list, in which a hyphen is a hyphen.
    fn plain_class(&mut self) -> Option<()> {
        let first = self.peek(0)?;
        if self.peek(1) == Some('-') {
            let high = self.peek(2)?;
            self.at += 4;
            if self.chars.get(self.at - 1) != Some(&']') || first > high {
                return None;
            }
            self.class_char(first);
            self.out.push('-');
            self.class_char(high);
            self.out.push(']');
            return Some(());
        }
        let mut empty = true;
        loop {
            let mut it = self.peek(0)?;
            self.at += 1;
            match it {
                ']' => break,
                '\\' => {
                    it = self.peek(0)?;
                    self.at += 1;
                }
                _ => {}
            }
            self.class_char(it);
            empty = false;
        }
        self.out.push(']');
        (!empty).then_some(())
    }

    fn class_char(&mut self, it: char) {
        if matches!(it, '\\' | ']' | '[' | '^' | '-' | '&' | '~') {
            self.out.push('\\');
        }
        self.out.push(it);
    }
}
