//! The cluster as the controllers see it: every object, by place, by uid and by owner.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use serde_json::Value;

use super::kinds::Kind;
use super::read::{list, text, uid};
use crate::store::{GroupResource, ObjectKey};

/// Where an object is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) resource: GroupResource,
    pub(super) key: ObjectKey,
}

/// All objects, indexed.
#[derive(Debug, Default)]
pub(super) struct World {
    tables: BTreeMap<GroupResource, BTreeMap<ObjectKey, Arc<Value>>>,
    places: BTreeMap<String, Place>,
    dependents: BTreeMap<String, BTreeSet<Place>>,
}

// === impl Place ===

impl Place {
    pub(super) fn of(kind: &Kind, namespace: &str, name: &str) -> Self {
        Self {
            resource: kind.resource.clone(),
            key: ObjectKey { namespace: namespace.to_owned(), name: name.to_owned() },
        }
    }
}

// === impl World ===

impl World {
    /// Takes an object in, in the place of an older form of it.
    pub(super) fn put(&mut self, place: &Place, object: Arc<Value>) {
        self.remove(place);
        self.places.insert(uid(&object).to_owned(), place.clone());
        for owner in list(&object, "/metadata/ownerReferences") {
            self.dependents.entry(text(owner, "/uid").to_owned()).or_default().insert(place.clone());
        }
        self.tables.entry(place.resource.clone()).or_default().insert(place.key.clone(), object);
    }

    /// Forgets an object; what it was is returned.
    pub(super) fn remove(&mut self, place: &Place) -> Option<Arc<Value>> {
        let object = self.tables.get_mut(&place.resource)?.remove(&place.key)?;
        self.places.remove(uid(&object));
        for owner in list(&object, "/metadata/ownerReferences") {
            let owner = text(owner, "/uid");
            if let Some(places) = self.dependents.get_mut(owner) {
                places.remove(place);
                if places.is_empty() {
                    self.dependents.remove(owner);
                }
            }
        }
        Some(object)
    }

    pub(super) fn at(&self, place: &Place) -> Option<&Arc<Value>> {
        self.tables.get(&place.resource)?.get(&place.key)
    }

    pub(super) fn find(&self, kind: &Kind, namespace: &str, name: &str) -> Option<&Arc<Value>> {
        self.at(&Place::of(kind, namespace, name))
    }

    pub(super) fn by_uid(&self, uid: &str) -> Option<(&Place, &Arc<Value>)> {
        let place = self.places.get(uid)?;
        Some((place, self.at(place)?))
    }

    /// An object by kind and name, of whatever resource that kind is.
    pub(super) fn named(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Option<(Place, Arc<Value>)> {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let key = ObjectKey { namespace: namespace.to_owned(), name: name.to_owned() };
        self.tables.iter().filter(|(resource, _)| *resource.group == *group).find_map(|(resource, table)| {
            let object = table.get(&key).filter(|object| text(object, "/kind") == kind)?;
            Some((Place { resource: resource.clone(), key: key.clone() }, object.clone()))
        })
    }

    /// The objects of a kind in a namespace, by name.
    pub(super) fn within(&self, kind: &Kind, namespace: &str) -> impl Iterator<Item = &Arc<Value>> {
        let from = ObjectKey { namespace: namespace.to_owned(), name: String::new() };
        let namespace = namespace.to_owned();
        self.tables
            .get(&kind.resource)
            .into_iter()
            .flat_map(move |table| table.range((Bound::Included(from.clone()), Bound::Unbounded)))
            .take_while(move |(key, _)| key.namespace == namespace)
            .map(|(_, object)| object)
    }

    /// All objects of a kind.
    pub(super) fn all(&self, kind: &Kind) -> impl Iterator<Item = &Arc<Value>> {
        self.tables.get(&kind.resource).into_iter().flat_map(BTreeMap::values)
    }

    /// Every object there is.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        self.tables.iter().flat_map(|(resource, table)| {
            table.keys().map(|key| Place { resource: resource.clone(), key: key.clone() })
        })
    }

    /// What names an owner by uid.
    pub(super) fn dependents(&self, uid: &str) -> impl Iterator<Item = (&Place, &Arc<Value>)> {
        self.dependents.get(uid).into_iter().flatten().filter_map(|place| Some((place, self.at(place)?)))
    }

    /// The objects of a kind that an owner controls, by name.
    pub(super) fn controlled(&self, kind: &Kind, owner: &Value) -> Vec<Arc<Value>> {
        let owner = uid(owner);
        self.dependents(owner)
            .filter(|(place, object)| place.resource == kind.resource && super::read::controller_uid(object) == owner)
            .map(|(_, object)| object.clone())
            .collect()
    }
}
