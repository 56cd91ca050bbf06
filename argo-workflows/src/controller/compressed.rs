//! Node statuses that are too large for an object: `status.compressedNodes`, base64 of gzip of their JSON.
//! A gzip file may have several members, one after another; every reader takes them as one.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Write},
};

use argo_core::{Category, Change, Failure, Object, Patch};
use base64::Engine;
use serde_json::{Value, json};

use crate::{
    api::{NodeStatus, Workflow},
    engine::StatusChange,
};

/// Largest JSON of the nodes, and largest compressed text, in bytes: what an object of the API may hold with
/// room for the rest of it.
pub(super) const MAX_SIZE: usize = 1024 * 1024;

/// Largest JSON that is read out of compressed nodes, in bytes.
const MAX_UNPACKED: u64 = 256 * 1024 * 1024;

/// Why nodes can not be read, or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum NodesError {
    /// They are no base64, gzip or JSON.
    #[error("status.compressedNodes can not be read: {0}")]
    Unreadable(String),
    /// Even compressed there are too many; the text is upstream's.
    #[error("workflow is longer than maximum allowed size. compressed size {0} > maxSize {MAX_SIZE}")]
    TooLarge(usize),
    /// They have no JSON form.
    #[error("the nodes can not be written: {0}")]
    Json(#[from] serde_json::Error),
}

impl Failure for NodesError {
    fn category(&self) -> Category {
        match self {
            Self::Unreadable(_) => Category::Invalid,
            Self::TooLarge(_) => Category::LimitExceeded,
            Self::Json(_) => Category::Internal,
        }
    }
}

/// Whether nodes may go into a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offloading {
    /// There is none.
    Never,
    /// Those that have no room in the object, even compressed.
    WhenTooLarge,
    /// All.
    Always,
}

/// The write of a change.
#[derive(Debug)]
pub(super) enum Written {
    /// Its nodes are in it.
    Whole(Change),
    /// Its nodes are to be put elsewhere first.
    Apart {
        /// All nodes, as JSON.
        nodes: String,
        /// The change, which lacks where they are.
        change: Change,
    },
}

/// Where the nodes of an object are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Form {
    /// In the open.
    #[default]
    Open,
    /// Compressed, beside.
    Packed,
    /// In a database.
    Apart,
}

/// Reads compressed nodes into their place. Says whether there were any.
pub(super) fn unpack(workflow: &mut Workflow) -> Result<bool, NodesError> {
    let Some(text) = workflow.status.extra.get("compressedNodes").and_then(Value::as_str) else { return Ok(false) };
    let unreadable = |it: &dyn std::fmt::Display| NodesError::Unreadable(it.to_string());
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).map_err(|it| unreadable(&it))?;
    let mut json = Vec::new();
    let mut reader = flate2::read::MultiGzDecoder::new(bytes.as_slice()).take(MAX_UNPACKED + 1);
    reader.read_to_end(&mut json).map_err(|it| unreadable(&it))?;
    if json.len() as u64 > MAX_UNPACKED {
        return Err(unreadable(&format!("it holds more than {MAX_UNPACKED} bytes")));
    }
    workflow.status.nodes = parse(&json)?;
    Ok(true)
}

/// Reads the JSON of nodes.
pub(super) fn parse(json: &[u8]) -> Result<BTreeMap<String, NodeStatus>, NodesError> {
    serde_json::from_slice(json).map_err(|it| NodesError::Unreadable(it.to_string()))
}

/// JSON of one part of compressed nodes that is aimed at, in bytes: larger than the window that gzip looks back.
const PART: usize = 64 * 1024;

/// How large the nodes of a workflow are, and how they are compressed: in parts, each a gzip member of its own, so
/// that a pass compresses those in which something changed.
#[derive(Debug, Default)]
pub(super) struct Packed {
    /// Length of the JSON of all nodes; unknown while it is far from the limit.
    size: Option<usize>,
    form: Form,
    parts: Vec<Part>,
    /// Length of the JSON of everything else in the object: the limit is one of the whole.
    rest: Option<usize>,
}

#[derive(Debug, Default, Clone)]
struct Part {
    ids: BTreeSet<String>,
    size: usize,
    gzip: Vec<u8>,
}

/// Length of the JSON of an object without its nodes, in bytes.
fn rest(object: &Object) -> usize {
    let length = |it: &Value| serde_json::to_string(it).map_or(0, |it| it.len());
    let of = |value: &Value, without: &[&str]| -> usize {
        let fields = value.as_object().into_iter().flatten();
        fields.filter(|(name, _)| !without.contains(&name.as_str())).map(|(name, it)| name.len() + 4 + length(it)).sum()
    };
    of(object.value(), &["status"]) + object.get("status").map_or(0, |it| of(it, &["nodes", "compressedNodes"]))
}

/// Nodes as they are after a change.
struct Next<'n> {
    changed: &'n BTreeMap<String, NodeStatus>,
    read: &'n BTreeMap<String, NodeStatus>,
}

impl<'n> Next<'n> {
    fn get(&self, id: &str) -> Option<&'n NodeStatus> {
        self.changed.get(id).or_else(|| self.read.get(id))
    }

    fn all(&self) -> BTreeMap<&'n str, &'n NodeStatus> {
        self.read.iter().chain(self.changed).map(|(id, it)| (id.as_str(), it)).collect()
    }
}

impl Packed {
    /// Of an object whose nodes are compressed or not.
    pub(super) fn new(is_packed: bool) -> Self {
        Self { form: if is_packed { Form::Packed } else { Form::Open }, ..Self::default() }
    }

    /// Of an object whose nodes are in a database.
    pub(super) fn apart() -> Self {
        Self { form: Form::Apart, ..Self::default() }
    }

    /// The write of a change, its nodes compressed or apart where they are or become too large.
    pub(super) fn write(
        &mut self,
        status: &StatusChange,
        object: &Object,
        read: &Workflow,
        max_size: usize,
        offloading: Offloading,
    ) -> Result<Written, NodesError> {
        let was = self.form;
        let change = status.change(object, read)?;
        if status.nodes.is_empty() {
            return Ok(Written::Whole(change));
        }
        let next = Next { changed: &status.nodes, read: &read.status.nodes };
        let rest = *self.rest.get_or_insert_with(|| rest(object));
        // What leaves no room itself is said by the server; nodes are made as small as they become.
        let max_size = max_size.saturating_sub(rest).max(max_size / 4);
        let few = (next.read.len() + next.changed.len()) * 200 < max_size;
        let is_always = offloading == Offloading::Always;
        if few && was == Form::Open && !is_always {
            return Ok(Written::Whole(change));
        }
        let size = self.measure(&next)?;
        if size <= max_size && was == Form::Open && !is_always {
            return Ok(Written::Whole(change));
        }
        let Change::Patch { target, patch, subresource, resource_version } = change else {
            return Ok(Written::Whole(change));
        };
        let packed = match size > max_size && !is_always {
            true => Some(self.pack(&next, read.name(), size)),
            false => None,
        };
        let mut status = json!({});
        let mut apart = None;
        self.form = match packed {
            Some(Ok(text)) => {
                status["compressedNodes"] = text.into();
                Form::Packed
            }
            Some(Err(NodesError::TooLarge(_))) if offloading == Offloading::WhenTooLarge => Form::Apart,
            Some(Err(error)) => return Err(error),
            None if is_always => Form::Apart,
            None => {
                status["nodes"] = json!(next.all());
                Form::Open
            }
        };
        if self.form != Form::Packed {
            self.parts.clear();
        }
        if self.form == Form::Apart {
            apart = Some(serde_json::to_string(&next.all())?);
        }
        let mut body = patch.body;
        body["status"]["nodes"] = status["nodes"].take();
        body["status"]["compressedNodes"] = status["compressedNodes"].take();
        if was == Form::Apart {
            body["status"]["offloadNodeStatusVersion"] = Value::Null;
        }
        let change = Change::Patch { target, patch: Patch::merge(body), subresource, resource_version };
        Ok(match apart {
            Some(nodes) => Written::Apart { nodes, change },
            None => Written::Whole(change),
        })
    }

    /// Length of the JSON of the nodes.
    fn measure(&mut self, next: &Next<'_>) -> Result<usize, NodesError> {
        let entry = |id: &str, it: &NodeStatus| Ok::<_, NodesError>(serde_json::to_vec(it)?.len() + id.len() + 4);
        let size = match self.size {
            None => next.all().into_iter().map(|(id, it)| entry(id, it)).sum::<Result<usize, _>>()? + 1,
            Some(mut size) => {
                for (id, it) in next.changed {
                    let before = next.read.get(id).map_or(Ok(0), |it| entry(id, it))?;
                    size = size + entry(id, it)? - before;
                }
                size
            }
        };
        self.size = Some(size);
        Ok(size)
    }

    /// The text of `compressedNodes`. The root stands in front: whatever follows begins with a comma.
    fn pack(&mut self, next: &Next<'_>, root: &str, size: usize) -> Result<String, NodesError> {
        let Some(first) = next.get(root) else {
            return encode(&[gzip(&serde_json::to_vec(&next.all())?)?]);
        };
        let wanted = size.div_ceil(PART).next_power_of_two();
        let mut dirty = BTreeSet::new();
        if self.parts.len() < wanted {
            self.parts = vec![Part::default(); wanted];
            for id in next.all().into_keys().filter(|it| *it != root) {
                self.parts[part(id, wanted)].ids.insert(id.to_owned());
            }
            dirty.extend(0..wanted);
        } else {
            for id in next.changed.keys().filter(|it| *it != root) {
                let at = part(id, self.parts.len());
                if !self.parts[at].ids.contains(id) {
                    self.parts[at].ids.insert(id.clone());
                }
                dirty.insert(at);
            }
        }
        for at in dirty {
            let mut json = Vec::with_capacity(self.parts[at].size + PART / 8);
            for (id, it) in self.parts[at].ids.iter().filter_map(|id| Some((id, next.get(id)?))) {
                json.push(b',');
                serde_json::to_writer(&mut json, id)?;
                json.push(b':');
                serde_json::to_writer(&mut json, it)?;
            }
            self.parts[at].size = json.len();
            self.parts[at].gzip = if json.is_empty() { Vec::new() } else { gzip(&json)? };
        }
        let mut head = b"{".to_vec();
        serde_json::to_writer(&mut head, root)?;
        head.push(b':');
        serde_json::to_writer(&mut head, first)?;
        let mut members = vec![gzip(&head)?];
        members.extend(self.parts.iter().map(|it| it.gzip.clone()));
        members.push(gzip(b"}")?);
        encode(&members)
    }
}

/// The part that a node is in: nodes are spread by their ids, which end in a hash.
fn part(id: &str, parts: usize) -> usize {
    id.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte))) % parts
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>, NodesError> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let packed = gzip.write_all(bytes).and_then(|()| gzip.finish());
    packed.map_err(|it| NodesError::Unreadable(it.to_string()))
}

fn encode(members: &[Vec<u8>]) -> Result<String, NodesError> {
    let text = base64::engine::general_purpose::STANDARD.encode(members.concat());
    if text.len() > MAX_SIZE { Err(NodesError::TooLarge(text.len())) } else { Ok(text) }
}

#[cfg(test)]
mod tests;
