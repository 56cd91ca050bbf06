//! Estimates of what an expression costs at most. Upstream: `checker/cost.go` of cel-go and `cel/library/cost.go` of the API server.
//!
//! Only the most is counted: the least decides nothing. Sums and products stop at the largest number.

use std::collections::HashMap;

use super::checker::Checker;
use super::declared::Declared;
use super::syntax::{Comprehension, GATHERED, Kind, Node};
use super::types::Type;

const UNKNOWN: u64 = u64::MAX;
/// Of reading a text, by its length; of a regular expression, by the length of its text.
const TRAVERSAL: f64 = 0.1;
const PATTERN: f64 = 0.25;

/// A variable of a comprehension.
struct Local {
    name: String,
    path: Vec<String>,
    size: Option<u64>,
    entries: Option<Entries>,
}

/// The most of the keys and of the values of what holds others, and whether it is a list.
#[derive(Clone, Copy)]
struct Entries {
    list: bool,
    key: u64,
    value: u64,
}

pub(super) struct Coster<'a> {
    checker: &'a Checker,
    root: &'a Declared,
    locals: Vec<Local>,
    paths: HashMap<usize, Vec<String>>,
    sizes: HashMap<usize, u64>,
    entries: HashMap<usize, Entries>,
    /// Whether something has no estimate here.
    untold: bool,
}

/// A size by a factor, rounded up.
fn times(size: u64, factor: f64) -> u64 {
    let product = (size as f64 * factor).ceil();
    if product >= u64::MAX as f64 { u64::MAX } else { product as u64 }
}

// === impl Coster ===

impl<'a> Coster<'a> {
    pub(super) fn new(checker: &'a Checker, root: &'a Declared) -> Self {
        Self {
            checker,
            root,
            locals: Vec::new(),
            paths: HashMap::new(),
            sizes: HashMap::new(),
            entries: HashMap::new(),
            untold: false,
        }
    }

    /// The most that an expression costs, if all of its parts have an estimate.
    pub(super) fn most(mut self, node: &Node) -> Option<u64> {
        let cost = self.cost(node);
        (!self.untold).then_some(cost)
    }

    fn cost(&mut self, node: &Node) -> u64 {
        match &node.kind {
            Kind::Literal(..) => 0,
            Kind::Ident(name) => {
                let path = self.local(name).map_or_else(|| vec![name.clone()], |local| local.path.clone());
                self.paths.insert(node.id, path);
                1
            }
            Kind::Select { operand, field, test } => {
                let sum = self.cost(operand);
                if *test {
                    return sum;
                }
                let steps = matches!(self.checker.of(operand), Type::Of("map", _) | Type::Object(_));
                self.step(node, operand, field);
                sum.saturating_add(u64::from(steps))
            }
            Kind::Call { target, args, .. } => self.call(node, target.as_deref(), args),
            Kind::List(items) => {
                let mut value = 0;
                let mut sum: u64 = 10;
                for item in items {
                    sum = sum.saturating_add(self.cost(item));
                    value = value.max(self.size_or_unknown(item));
                }
                self.entries.insert(node.id, Entries { list: true, key: 1, value });
                sum
            }
            Kind::Map(entries) => {
                let mut found = Entries { list: false, key: 0, value: 0 };
                let mut sum: u64 = 30;
                for (key, value) in entries {
                    sum = sum.saturating_add(self.cost(key)).saturating_add(self.cost(value));
                    found.key = found.key.max(self.size_or_unknown(key));
                    found.value = found.value.max(self.size_or_unknown(value));
                }
                self.entries.insert(node.id, found);
                sum
            }
            Kind::Comprehension(inner) => self.comprehension(node, inner),
        }
    }

    fn local(&self, name: &str) -> Option<&Local> {
        self.locals.iter().rev().find(|local| local.name == name)
    }

    fn path(&self, node: &Node) -> Vec<String> {
        if let Kind::Ident(name) = &node.kind
            && let Some(local) = self.local(name)
        {
            return local.path.clone();
        }
        self.paths.get(&node.id).cloned().unwrap_or_default()
    }

    fn step(&mut self, node: &Node, from: &Node, step: &str) {
        let mut path = self.path(from);
        path.push(step.to_owned());
        self.paths.insert(node.id, path);
    }

    fn entries_of(&self, node: &Node) -> Option<Entries> {
        if let Some(found) = self.entries.get(&node.id) {
            return Some(*found);
        }
        match &node.kind {
            Kind::Ident(name) => self.local(name)?.entries,
            _ => None,
        }
    }

    fn declared_size(&self, path: &[String]) -> Option<u64> {
        let (first, rest) = path.split_first()?;
        if first == GATHERED { None } else { self.root.most_at(rest) }
    }

    fn size(&mut self, node: &Node) -> Option<u64> {
        if let Some(size) = self.sizes.get(&node.id) {
            return Some(*size);
        }
        match &node.kind {
            Kind::Literal(_, size) => return Some(*size),
            Kind::List(items) => return Some(items.len() as u64),
            Kind::Map(entries) => return Some(entries.len() as u64),
            _ => {}
        }
        if let Some(size) = self.declared_size(&self.path(node)) {
            self.sizes.insert(node.id, size);
            return Some(size);
        }
        if is_scalar(&self.checker.of(node)) {
            return Some(1);
        }
        match &node.kind {
            Kind::Ident(name) => self.local(name)?.size,
            _ => None,
        }
    }

    fn size_or_unknown(&mut self, node: &Node) -> u64 {
        self.size(node).unwrap_or(UNKNOWN)
    }

    fn comprehension(&mut self, node: &Node, inner: &Comprehension) -> u64 {
        let mut sum = self.cost(&inner.range).saturating_add(self.cost(&inner.init));
        let gathered = Local {
            name: GATHERED.to_owned(),
            path: self.path(&inner.init),
            size: self.size(&inner.init),
            entries: self.entries_of(&inner.init),
        };
        self.locals.push(gathered);
        let entries = self.entries_of(&inner.range);
        let list = entries.map_or_else(|| matches!(self.checker.of(&inner.range), Type::Of("list", _)), |it| it.list);
        let mut path = self.path(&inner.range);
        path.push(if list { "@items" } else { "@keys" }.to_owned());
        let size = entries.map(|it| if list { it.value } else { it.key });
        self.locals.push(Local { name: inner.variable.clone(), path, size, entries: None });
        let each = self.cost(&inner.condition).saturating_add(self.cost(&inner.step));
        self.locals.pop();
        sum = sum.saturating_add(self.cost(&inner.result));
        self.locals.pop();
        let count = self.size_or_unknown(&inner.range);
        sum = sum.saturating_add(count.saturating_mul(each));
        match &inner.init.kind {
            Kind::Literal(_, size) => {
                self.sizes.insert(node.id, *size);
            }
            _ => {
                self.sizes.insert(node.id, count);
                if let Some(found) = self.entries_of(&inner.step) {
                    self.entries.insert(node.id, found);
                }
            }
        }
        sum
    }

    fn call(&mut self, node: &Node, target: Option<&Node>, args: &[Node]) -> u64 {
        let checker = self.checker;
        let Some(meaning) = checker.meanings.get(&node.id) else { return 0 };
        if meaning.name == "dyn" {
            let sum = self.cost(&args[0]).saturating_add(1);
            if let Some(size) = self.size(&args[0]) {
                self.sizes.insert(node.id, size);
            }
            if let Some(entries) = self.entries_of(&args[0]) {
                self.entries.insert(node.id, entries);
            }
            return sum;
        }
        let costs: Vec<u64> = args.iter().map(|arg| self.cost(arg)).collect();
        let target = target.filter(|_| !meaning.grouped);
        let before = target.map_or(0, |target| self.cost(target));
        let all = costs.iter().fold(0_u64, |sum, cost| sum.saturating_add(*cost));
        let (mut most, mut size) = (0, None::<u64>);
        for overload in &meaning.overloads {
            let (cost, found) = self.function(node, &meaning.name, overload, target, args);
            let sum = match *overload {
                "conditional" => costs[0].saturating_add(costs[1].max(costs[2])),
                _ => cost.saturating_add(all),
            };
            most = most.max(sum);
            if let Some(found) = found {
                size = Some(size.map_or(found, |size| size.max(found)));
            }
            if let ("index_list", step) | ("index_map", step) =
                (*overload, if *overload == "index_list" { "@items" } else { "@values" })
            {
                size = self.entries_of(&args[0]).map(|it| it.value);
                self.step(node, &args[0], step);
            }
            if size.is_none() {
                size = self.size(node);
            }
        }
        if let Some(size) = size {
            self.sizes.insert(node.id, size);
        }
        before.saturating_add(most)
    }

    /// The most of a list's items: whether they are texts, and how long. Nothing for what is no list.
    fn item(&self, list: &Node) -> Option<Option<u64>> {
        let Type::Of("list", parts) = self.checker.of(list) else { return None };
        let text = parts[0].is("string") || parts[0].is("bytes");
        let mut path = self.path(list);
        if path.is_empty() {
            return Some(text.then_some(UNKNOWN));
        }
        path.push("@items".to_owned());
        Some(text.then(|| self.declared_size(&path).unwrap_or(UNKNOWN)))
    }

    /// What a function costs beside its arguments, and the size of what it returns.
    fn function(
        &mut self,
        node: &Node,
        name: &str,
        overload: &str,
        target: Option<&Node>,
        args: &[Node],
    ) -> (u64, Option<u64>) {
        let first = args.first().map(|arg| self.size_or_unknown(arg));
        let of_target = target.map(|target| self.size_or_unknown(target));
        match (name, of_target, first) {
            ("isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf", Some(size), _) => {
                let item = target.and_then(|target| self.item(target));
                return match item {
                    Some(text) => {
                        let each = text.map_or(1, |length| times(length, TRAVERSAL).saturating_add(1));
                        (size.saturating_mul(each), None)
                    }
                    None => (times(size, TRAVERSAL), None),
                };
            }
            ("lowerAscii" | "upperAscii" | "substring" | "trim", Some(size), _) => {
                return (times(size, TRAVERSAL), Some(size));
            }
            ("url", _, Some(size)) => return (times(size, TRAVERSAL), Some(size)),
            ("split", Some(size), _) => return (times(size, 2.0 * TRAVERSAL), Some(size)),
            ("find" | "findAll", Some(size), Some(pattern)) => {
                let reading = times(size.saturating_add(1), TRAVERSAL);
                return (reading.saturating_mul(times(pattern, PATTERN)), Some(size));
            }
            ("ip", ..) if overload == "cidr_ip" => return (1, None),
            ("cidr" | "ip" | "isIP" | "isCIDR" | "quantity" | "isQuantity" | "semver" | "isSemver", _, Some(size)) => {
                return (times(size, TRAVERSAL), None);
            }
            ("ip.isCanonical", _, Some(size)) => return (times(size, 2.0 * TRAVERSAL), None),
            ("validate" | "replace" | "join" | "containsIP" | "containsCIDR", ..) => {
                self.untold = true;
                return (1, None);
            }
            _ if name.starts_with("sets.") => {
                self.untold = true;
                return (1, None);
            }
            _ => {}
        }
        match (overload, of_target, first) {
            ("string_format", Some(size), _) => (times(size, TRAVERSAL), None),
            ("string_to_bytes", _, Some(size)) => (times(size, TRAVERSAL), Some(size.saturating_mul(4))),
            ("bytes_to_string", _, Some(size)) => (times(size, TRAVERSAL), Some(size)),
            ("strings_quote", _, Some(size)) => {
                (times(size, TRAVERSAL), Some(size.saturating_mul(2).saturating_add(2)))
            }
            ("starts_with_string" | "ends_with_string", _, Some(size)) => (times(size, TRAVERSAL), None),
            ("in_list", ..) => (self.size_or_unknown(&args[1]), None),
            ("matches_string", Some(size), Some(pattern)) => {
                (times(size.saturating_add(1), TRAVERSAL).saturating_mul(times(pattern, PATTERN)), None)
            }
            ("contains_string", Some(size), Some(part)) => {
                (times(size, TRAVERSAL).saturating_mul(times(part, TRAVERSAL)), None)
            }
            ("logical_or" | "logical_and", ..) => (0, None),
            ("conditional", ..) => {
                let size = self.size_or_unknown(&args[1]).max(self.size_or_unknown(&args[2]));
                self.union(node, &args[1], &args[2]);
                (0, Some(size))
            }
            ("add_string" | "add_bytes" | "add_list", ..) => {
                let size = self.size_or_unknown(&args[0]).saturating_add(self.size_or_unknown(&args[1]));
                self.union(node, &args[0], &args[1]);
                (if overload == "add_list" { 1 } else { times(size, TRAVERSAL) }, Some(size))
            }
            (
                "less_string"
                | "greater_string"
                | "less_equals_string"
                | "greater_equals_string"
                | "less_bytes"
                | "greater_bytes"
                | "less_equals_bytes"
                | "greater_equals_bytes"
                | "equals"
                | "not_equals",
                ..,
            ) => {
                let types = [&args[0], &args[1]].map(|arg| self.checker.of(arg));
                let is_plain = |of: &Type| {
                    ["net.IP", "net.CIDR", "kubernetes.Quantity", "kubernetes.Semver"].iter().any(|it| of.is(it))
                };
                if overload == "equals" && types[0].same(&types[1]) && is_plain(&types[0]) {
                    return (1, None);
                }
                (times(self.size_or_unknown(&args[0]).min(self.size_or_unknown(&args[1])), TRAVERSAL), None)
            }
            _ => (1, None),
        }
    }

    fn union(&mut self, node: &Node, one: &Node, other: &Node) {
        let (Some(one), Some(other)) = (self.entries_of(one), self.entries_of(other)) else { return };
        let joined = Entries { list: one.list, key: one.key.max(other.key), value: one.value.max(other.value) };
        self.entries.insert(node.id, joined);
    }
}

fn is_scalar(of: &Type) -> bool {
    match of {
        Type::Of("optional_type", parts) => is_scalar(&parts[0]),
        other => ["bool", "double", "duration", "int", "timestamp", "uint"].iter().any(|it| other.is(it)),
    }
}
