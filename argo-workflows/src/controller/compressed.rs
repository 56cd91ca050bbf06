//! Node statuses that are too large for an object: `status.compressedNodes`, base64 of gzip of their JSON.

use std::{
    collections::BTreeMap,
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
    let mut reader = flate2::read::GzDecoder::new(bytes.as_slice()).take(MAX_UNPACKED + 1);
    reader.read_to_end(&mut json).map_err(|it| unreadable(&it))?;
    if json.len() as u64 > MAX_UNPACKED {
        return Err(unreadable(&format!("it holds more than {MAX_UNPACKED} bytes")));
    }
    workflow.status.nodes = serde_json::from_slice(&json).map_err(|it| unreadable(&it))?;
    Ok(true)
}

fn pack(json: &[u8]) -> Result<String, NodesError> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let packed = gzip.write_all(json).and_then(|()| gzip.finish());
    let packed = packed.map_err(|it| NodesError::Unreadable(it.to_string()))?;
    let text = base64::engine::general_purpose::STANDARD.encode(packed);
    if text.len() > MAX_SIZE { Err(NodesError::TooLarge(text.len())) } else { Ok(text) }
}

/// The write of a change, its nodes compressed where they are or become too large.
pub(super) fn write(
    status: &StatusChange,
    object: &Object,
    read: &Workflow,
    was_packed: bool,
    max_size: usize,
) -> Result<Change, NodesError> {
    let change = status.change(object, read)?;
    if status.nodes.is_empty() {
        return Ok(change);
    }
    // Nothing that is far from the limit is measured.
    let few = (read.status.nodes.len() + status.nodes.len()) * 200 < max_size;
    if few && !was_packed {
        return Ok(change);
    }
    let mut nodes: BTreeMap<&str, &NodeStatus> = read.status.nodes.iter().map(|(id, it)| (id.as_str(), it)).collect();
    nodes.extend(status.nodes.iter().map(|(id, it)| (id.as_str(), it)));
    let json = serde_json::to_vec(&nodes)?;
    let packed = json.len() > max_size;
    if !packed && !was_packed {
        return Ok(change);
    }
    let Change::Patch { target, patch, subresource, resource_version } = change else { return Ok(change) };
    let mut body = patch.body;
    if packed {
        body["status"]["nodes"] = Value::Null;
        body["status"]["compressedNodes"] = pack(&json)?.into();
    } else {
        body["status"]["nodes"] = json!(nodes);
        body["status"]["compressedNodes"] = Value::Null;
    }
    Ok(Change::Patch { target, patch: Patch::merge(body), subresource, resource_version })
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
        for i in 0..3 {
            let mut node = read.status.nodes["wf-7"].clone();
            node.message = Some(format!("pass {i}"));
            let change = StatusChange { nodes: [("wf-7".to_owned(), node.clone())].into(), ..StatusChange::default() };
            object = apply(&object, write(&change, &object, &read, was, 4096).unwrap());
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
        let object = apply(&object, write(&change, &object, &read, true, MAX_SIZE).unwrap());
        assert!(object.pointer("/status/compressedNodes").is_none());
        assert_eq!(object.decode::<Workflow>().unwrap().status.nodes.len(), 100);
    }

    #[test]
    fn what_is_no_gzip_is_refused_with_its_place() {
        let mut read = workflow(0);
        read.status.extra.insert("compressedNodes".to_owned(), "!".into());
        assert!(unpack(&mut read).unwrap_err().to_string().starts_with("status.compressedNodes can not be read"));
    }
}
