//! Which Application an object belongs to.

use argo_core::Object;

use crate::api::names;

/// The value of the tracking annotation: `<app>:<group>/<kind>:<namespace>/<name>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TrackingId {
    /// The Application: its name, or `<namespace>_<name>` outside the controller's namespace.
    pub app: String,
    /// Group of the object.
    pub group: String,
    /// Kind of the object.
    pub kind: String,
    /// Namespace of the object, or of the destination.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
}

impl TrackingId {
    /// For an object of an Application; one without a namespace is written with the destination's, whatever its scope.
    #[must_use]
    pub fn of(app: &str, object: &Object, destination_namespace: &str) -> Self {
        Self {
            app: app.to_owned(),
            group: object.gvk().group,
            kind: object.text("/kind").to_owned(),
            namespace: object.namespace().unwrap_or(destination_namespace).to_owned(),
            name: object.name().to_owned(),
        }
    }

    /// Reads the annotation; `None` when it is absent or malformed.
    #[must_use]
    pub fn read(object: &Object) -> Option<Self> {
        Self::parse(object.annotation(names::TRACKING_ID)?)
    }

    /// Parses the annotation's text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.splitn(3, ':').collect();
        let [app, kind, name] = parts[..] else { return None };
        let (group, kind) = pair(kind)?;
        let (namespace, name) = pair(name)?;
        let owned = str::to_owned;
        Some(Self {
            app: owned(app),
            group: owned(group),
            kind: owned(kind),
            namespace: owned(namespace),
            name: owned(name),
        })
    }

    /// Whether it stands for this very object, rather than having been copied from another one.
    #[must_use]
    pub fn is_about(&self, object: &Object) -> bool {
        self.kind == object.text("/kind")
            && self.group == object.gvk().group
            && self.name == object.name()
            && object.namespace().is_none_or(|it| it == self.namespace)
    }
}

fn pair(text: &str) -> Option<(&str, &str)> {
    text.split_once('/').filter(|(_, rest)| !rest.contains('/'))
}

impl std::fmt::Display for TrackingId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}/{}:{}/{}", self.app, self.group, self.kind, self.namespace, self.name)
    }
}

/// The name that an Application is tracked by.
#[must_use]
pub fn instance_name(app_namespace: &str, app_name: &str, controller_namespace: &str) -> String {
    if app_namespace.is_empty() || app_namespace == controller_namespace {
        app_name.to_owned()
    } else {
        format!("{app_namespace}_{app_name}")
    }
}

/// Namespace and name of the Application that an instance name stands for.
#[must_use]
pub fn app_of_instance<'a>(instance: &'a str, controller_namespace: &'a str) -> (&'a str, &'a str) {
    instance.split_once('_').unwrap_or((controller_namespace, instance))
}

/// The Application an object is tracked by.
#[must_use]
pub fn tracked_by(object: &Object) -> Option<String> {
    TrackingId::read(object).map(|it| it.app)
}

/// Writes the tracking annotation. CustomResourceDefinitions are never tracked: they outlive Applications.
pub fn track(object: &mut Object, app: &str, destination_namespace: &str) {
    if is_crd(object) {
        return;
    }
    let id = TrackingId::of(app, object, destination_namespace);
    object.set_annotation(names::TRACKING_ID, id.to_string());
}

/// Whether it is a CustomResourceDefinition.
#[must_use]
pub fn is_crd(object: &Object) -> bool {
    object.text("/kind") == "CustomResourceDefinition" && object.gvk().group == "apiextensions.k8s.io"
}

#[cfg(test)]
mod tests {
    use argo_core::Gvk;

    use super::*;

    #[test]
    fn ids_are_written_and_read_as_upstream_does() {
        let mut object = Object::new(&Gvk::new("apps", "v1", "Deployment"), Some("shop"), "web");
        track(&mut object, "dev", "other");
        assert_eq!(object.annotation(names::TRACKING_ID), Some("dev:apps/Deployment:shop/web"));
        let id = TrackingId::read(&object).unwrap();
        assert!(id.is_about(&object));
        let copy = Object::new(&Gvk::new("apps", "v1", "Deployment"), Some("shop"), "copy");
        assert!(!id.is_about(&copy), "a copied annotation does not make it ours");
        let mut cluster = Object::new(&Gvk::new("rbac.authorization.k8s.io", "v1", "ClusterRole"), None, "admin:x");
        track(&mut cluster, "ns_dev", "shop");
        let id = TrackingId::read(&cluster).unwrap();
        assert_eq!(id.to_string(), "ns_dev:rbac.authorization.k8s.io/ClusterRole:shop/admin:x");
        assert!(id.is_about(&cluster));
    }

    #[test]
    fn malformed_ids_are_nobodys() {
        for text in ["", "app", "app:kind:ns/name", "app:g/k:name", "app:g/k/x:ns/name"] {
            assert_eq!(TrackingId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn definitions_of_kinds_are_not_tracked() {
        let mut crd = Object::new(&Gvk::new("apiextensions.k8s.io", "v1", "CustomResourceDefinition"), None, "a.b");
        track(&mut crd, "app", "ns");
        assert_eq!(crd.annotation(names::TRACKING_ID), None);
    }

    #[test]
    fn applications_elsewhere_are_tracked_with_their_namespace() {
        assert_eq!(instance_name("argocd", "a", "argocd"), "a");
        assert_eq!(instance_name("team", "a", "argocd"), "team_a");
        assert_eq!(app_of_instance("team_a", "argocd"), ("team", "a"));
        assert_eq!(app_of_instance("a", "argocd"), ("argocd", "a"));
    }
}
