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
    workflow.status.nodes = serde_json::from_slice(&json).map_err(|it| unreadable(&it))?;
    Ok(true)
}

/// JSON of one part of compressed nodes that is aimed at, in bytes: larger than the window that gzip looks back.
const PART: usize = 64 * 1024;

/// How large the nodes of a workflow are, and how they are compressed: in parts, each a gzip member of its own, so
/// that a pass compresses those in which something changed.
#[derive(Debug, Default)]
pub(super) struct Packed {
    /// Length of the JSON of all nodes; unknown while it is far from the limit.
    size: Option<usize>,
    /// Whether they are compressed in the object.
    is_packed: bool,
    parts: Vec<Part>,
}

#[derive(Debug, Default, Clone)]
struct Part {
    ids: BTreeSet<String>,
    size: usize,
    gzip: Vec<u8>,
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
        Self { is_packed, ..Self::default() }
    }

    /// The write of a change, its nodes compressed where they are or become too large.
    pub(super) fn write(
        &mut self,
        status: &StatusChange,
        object: &Object,
        read: &Workflow,
        max_size: usize,
    ) -> Result<Change, NodesError> {
        let was_packed = self.is_packed;
        let change = status.change(object, read)?;
        if status.nodes.is_empty() {
            return Ok(change);
        }
        let next = Next { changed: &status.nodes, read: &read.status.nodes };
        let few = (next.read.len() + next.changed.len()) * 200 < max_size;
        if few && !was_packed {
            return Ok(change);
        }
        let size = self.measure(&next)?;
        if size <= max_size && !was_packed {
            return Ok(change);
        }
        let Change::Patch { target, patch, subresource, resource_version } = change else { return Ok(change) };
        let mut body = patch.body;
        self.is_packed = size > max_size;
        if self.is_packed {
            body["status"]["nodes"] = Value::Null;
            body["status"]["compressedNodes"] = self.pack(&next, read.name(), size)?.into();
        } else {
            self.parts.clear();
            body["status"]["nodes"] = json!(next.all());
            body["status"]["compressedNodes"] = Value::Null;
        }
        Ok(Change::Patch { target, patch: Patch::merge(body), subresource, resource_version })
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
mod tests {
    use super::*;

    fn workflow(count: usize) -> Workflow {
        let node = |i: usize| json!({"id": format!("wf-{i}"), "name": format!("wf.{i}"), "displayName": i.to_string(), "type": "Pod", "phase": "Running"});
        let nodes: serde_json::Map<String, Value> = (0..count).map(|i| (format!("wf-{i}"), node(i))).collect();
        serde_json::from_value(
            json!({"metadata": {"name": "wf"}, "spec": {}, "status": {"phase": "Running", "nodes": nodes}}),
        )
        .unwrap()
    }

    fn apply(object: &Object, change: Change) -> Object {
        let Change::Patch { patch, .. } = change else { panic!("a change of a status is a patch") };
        let mut value = object.value().clone();
        argo_merge::merge_patch::apply(&mut value, &patch.body);
        Object::from_value(value)
    }

    #[test]
    fn large_nodes_are_written_compressed_and_read_again() {
        let mut read = workflow(100);
        let mut object = Object::encode(&read).unwrap();
        let mut was = false;
        let mut packed = Packed::default();
        for i in 0..6 {
            if i % 2 == 0 {
                // Nothing need be known.
                packed = Packed::new(was);
            }
            let mut node = read.status.nodes["wf-7"].clone();
            node.message = Some(format!("pass {i}"));
            let change = StatusChange { nodes: [("wf-7".to_owned(), node.clone())].into(), ..StatusChange::default() };
            object = apply(&object, packed.write(&change, &object, &read, 4096).unwrap());
            assert!(object.pointer("/status/nodes").is_none() && object.pointer("/status/compressedNodes").is_some());
            read = object.decode().unwrap();
            assert!(read.status.nodes.is_empty());
            was = unpack(&mut read).unwrap();
            assert!(was);
            assert_eq!((read.status.nodes.len(), read.status.nodes["wf-7"].clone()), (100, node));
        }
        // With a higher limit they stand in the open again.
        let node = read.status.nodes["wf-1"].clone();
        let change = StatusChange { nodes: [("wf-1".to_owned(), node)].into(), ..StatusChange::default() };
        let object = apply(&object, Packed::new(true).write(&change, &object, &read, MAX_SIZE).unwrap());
        assert!(object.pointer("/status/compressedNodes").is_none());
        assert_eq!(object.decode::<Workflow>().unwrap().status.nodes.len(), 100);
    }

    #[test]
    fn only_parts_with_changes_are_compressed_again_and_new_nodes_find_their_part() {
        let mut read = workflow(3000);
        let root = json!({"id": "wf", "name": "wf", "displayName": "wf", "type": "DAG", "phase": "Running"});
        read.status.nodes.insert("wf".into(), serde_json::from_value(root).unwrap());
        let mut object = Object::encode(&read).unwrap();
        let mut packed = Packed::default();
        for i in 0..40 {
            let mut nodes = BTreeMap::new();
            for id in ["wf".to_owned(), format!("wf-{}", i * 7), format!("wf-new-{i}")] {
                let mut node = read.status.nodes.get(&id).cloned().unwrap_or_default();
                (node.id, node.message) = (id.clone(), Some(format!("pass {i} {}", "x".repeat(i * 100))));
                nodes.insert(id, node);
            }
            let change = StatusChange { nodes, ..StatusChange::default() };
            let before: Vec<Vec<u8>> = packed.parts.iter().map(|it| it.gzip.clone()).collect();
            object = apply(&object, packed.write(&change, &object, &read, 4096).unwrap());
            let same = before.iter().zip(&packed.parts).filter(|(before, it)| **before == it.gzip).count();
            assert!(before.len() != packed.parts.len() || same + 2 >= before.len(), "{same} of {}", before.len());
            change.apply_to(&mut read);
            let mut again: Workflow = object.decode().unwrap();
            unpack(&mut again).unwrap();
            assert_eq!(again.status.nodes, read.status.nodes);
            assert_eq!(packed.size, Some(serde_json::to_vec(&read.status.nodes).unwrap().len()));
        }
        assert!(packed.parts.len() > 4);
    }

    #[test]
    fn what_is_no_gzip_is_refused_with_its_place() {
        let mut read = workflow(0);
        read.status.extra.insert("compressedNodes".to_owned(), "!".into());
        assert!(unpack(&mut read).unwrap_err().to_string().starts_with("status.compressedNodes can not be read"));
    }
}
