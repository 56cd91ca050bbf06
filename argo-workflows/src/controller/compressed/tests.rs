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

fn whole(written: Result<Written, NodesError>) -> Change {
    match written.unwrap() {
        Written::Whole(change) => change,
        Written::Apart { .. } => panic!("nodes go into the object"),
    }
}

#[test]
fn nodes_go_apart_when_they_are_told_to_and_come_back() {
    let read = workflow(3);
    let object = Object::encode(&read).unwrap();
    let mut node = read.status.nodes["wf-1"].clone();
    node.message = Some("changed".to_owned());
    let change = StatusChange { nodes: [("wf-1".to_owned(), node.clone())].into(), ..StatusChange::default() };
    let mut packed = Packed::default();
    let written = packed.write(&change, &object, &read, MAX_SIZE, Offloading::Always).unwrap();
    let Written::Apart { nodes, change: first } = written else { panic!("they are told to") };
    let nodes: BTreeMap<String, NodeStatus> = serde_json::from_str(&nodes).unwrap();
    assert_eq!((nodes.len(), nodes["wf-1"].clone()), (3, node));
    let apart = apply(&object, first);
    assert!(apart.pointer("/status/nodes").is_none() && apart.pointer("/status/compressedNodes").is_none());
    // What changes no node leaves them where they are.
    let other = StatusChange { progress: Some("1/3".to_owned()), ..StatusChange::default() };
    let written = packed.write(&other, &apart, &read, MAX_SIZE, Offloading::Always).unwrap();
    let Written::Whole(Change::Patch { patch, .. }) = written else { panic!("no node changes") };
    assert_eq!(patch.body, json!({"status": {"progress": "1/3"}}));
    // There is room again.
    let back = whole(Packed::apart().write(&change, &apart, &read, MAX_SIZE, Offloading::WhenTooLarge));
    let Change::Patch { patch, .. } = &back else { panic!("a patch") };
    assert_eq!(patch.body["status"]["offloadNodeStatusVersion"], Value::Null);
    assert_eq!(patch.body["status"]["nodes"].as_object().unwrap().len(), 3);
    assert!(patch.body["status"].as_object().unwrap().contains_key("offloadNodeStatusVersion"));
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
        object = apply(&object, whole(packed.write(&change, &object, &read, 4096, Offloading::Never)));
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
    let object = apply(&object, whole(Packed::new(true).write(&change, &object, &read, MAX_SIZE, Offloading::Never)));
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
        object = apply(&object, whole(packed.write(&change, &object, &read, 4096, Offloading::Never)));
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

#[test]
fn nodes_have_the_room_that_the_rest_of_the_object_leaves() {
    let with_spec = |length: usize| {
        let mut read = workflow(400);
        read.spec.entrypoint = Some("x".repeat(length));
        let object = Object::encode(&read).unwrap();
        let mut node = read.status.nodes["wf-1"].clone();
        node.message = Some("changed".to_owned());
        let change = StatusChange { nodes: [("wf-1".to_owned(), node)].into(), ..StatusChange::default() };
        let Change::Patch { patch, .. } =
            whole(Packed::default().write(&change, &object, &read, 64 * 1024, Offloading::Never))
        else {
            panic!("a change of a status is a patch")
        };
        patch.body["status"].get("compressedNodes").is_some()
    };
    assert!(!with_spec(10) && with_spec(30_000));
}
