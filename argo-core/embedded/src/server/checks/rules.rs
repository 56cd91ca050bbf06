//! Rules that any value may be held to.

use serde_json::Value;

use super::super::names;
use super::place::Place;
use super::shown::Go;

impl Place<'_, '_> {
    /// One of these if it is there; the choices are listed in this order.
    pub(super) fn choice(&self, supported: &[&str]) {
        if !self.is_empty() {
            self.must_be(supported);
        }
    }

    /// One of these; nothing is `Required value`.
    pub(super) fn required_choice(&self, supported: &[&str]) {
        if self.is_empty() {
            self.required("");
        } else {
            self.must_be(supported);
        }
    }

    /// One of these, and nothing is none of them.
    pub(super) fn must_be(&self, supported: &[&str]) {
        if !supported.contains(&self.text()) {
            self.unsupported(self.text(), supported);
        }
    }

    /// A text that is not empty.
    pub(super) fn needed(&self) {
        if self.is_empty() {
            self.required("");
        }
    }

    pub(super) fn not_negative(&self) {
        if self.int() < 0 {
            self.invalid("must be greater than or equal to 0");
        }
    }

    pub(super) fn positive(&self) {
        if self.int() <= 0 {
            self.invalid_int("must be greater than zero");
        }
    }

    pub(super) fn within(&self, least: i64, most: i64) {
        if !(least..=most).contains(&self.int()) {
            self.invalid_int(&format!("must be between {least} and {most}, inclusive"));
        }
    }

    /// A port number.
    pub(super) fn port(&self) {
        self.within(1, 65_535);
    }

    /// A port number, or the name of one.
    pub(super) fn port_or_name(&self) {
        match self.value() {
            Value::String(name) => self.each(names::port_name_problems(name)),
            _ => self.port(),
        }
    }

    /// Refuses the text for each of these reasons.
    pub(super) fn each<T: AsRef<str>>(&self, problems: impl IntoIterator<Item = T>) {
        for problem in problems {
            self.invalid_text(problem.as_ref());
        }
    }

    pub(super) fn label(&self) {
        self.each(names::label_problems(self.text()));
    }

    pub(super) fn subdomain(&self) {
        self.each(names::subdomain_problems(self.text()));
    }

    pub(super) fn qualified(&self) {
        self.each(names::qualified_name_problems(self.text()));
    }

    /// A map of labels: what is wrong is said of the map.
    pub(super) fn labels(&self) {
        for (key, value) in self.entries() {
            self.wrongs(key, names::qualified_name_problems(key));
            self.wrongs(value.text(), names::label_value_problems(value.text()));
        }
    }

    /// Annotations: keys, and the size of it all.
    pub(super) fn annotations(&self) {
        let mut size = 0;
        for (key, value) in self.entries() {
            self.wrongs(key, names::qualified_name_problems(&key.to_lowercase()));
            size += key.len() + value.text().len();
        }
        if size > names::ANNOTATIONS_LIMIT {
            self.too_long(names::ANNOTATIONS_LIMIT);
        }
    }

    /// Refuses a text that is not here for each of these reasons.
    pub(super) fn wrongs<T: AsRef<str>>(&self, shown: &str, problems: impl IntoIterator<Item = T>) {
        for problem in problems {
            self.wrong(shown, problem.as_ref());
        }
    }

    /// A mode of a file.
    pub(super) fn file_mode(&self) {
        if !(0..=0o777).contains(&self.int()) {
            self.invalid("must be a number between 0 and 0777 (octal), both inclusive");
        }
    }

    /// An address in any of the forms that were ever taken.
    pub(super) fn legacy_ip(&self) {
        if names::legacy_ip(self.text()).is_none() {
            self.invalid_text("must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
        }
    }

    /// A number that is not negative, or a percentage.
    pub(super) fn count_or_percent(&self) {
        match self.value() {
            Value::String(text) => self.each(names::percent_problem(text)),
            _ => self.not_negative(),
        }
    }

    /// The number, or that of the percentage.
    pub(super) fn count_of_either(&self) -> i64 {
        match self.value() {
            Value::String(text) => match names::is_percent(text) {
                true => text.trim_end_matches('%').parse().unwrap_or(i64::MAX),
                false => text.parse().unwrap_or(0),
            },
            _ => self.int(),
        }
    }

    /// A percentage of no more than all.
    pub(super) fn at_most_all(&self) {
        if names::is_percent(self.text()) && self.count_of_either() > 100 {
            self.invalid("must not be greater than 100%");
        }
    }

    /// What may not change, and how it was.
    pub(super) fn immutable(&self, before: &Place<'_, '_>) {
        if !super::same(self.value(), before.value()) {
            self.invalid("field is immutable");
        }
    }

    /// As [`Place::immutable`], of what Go shows as a struct.
    pub(super) fn immutable_struct(&self, before: &Place<'_, '_>, shape: &Go) {
        if !super::same(self.value(), before.value()) {
            self.invalid_struct(shape, "field is immutable");
        }
    }
}
