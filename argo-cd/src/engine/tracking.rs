//! Which Application an object belongs to.

use std::borrow::Cow;

use argo_core::Object;

use super::settings::TrackingMethod;
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

/// How an installation marks the objects of its Applications, and reads the marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracking {
    /// Where the mark stands (`application.resourceTrackingMethod`); in the annotation.
    pub method: TrackingMethod,
    /// The label that instances are named by (`application.instanceLabelKey`); `app.kubernetes.io/instance`.
    pub label: String,
    /// Tells installations that share a cluster apart (`installationID`); empty. An annotation counts only beside an
    /// equal id, so that what another installation marked is not ours, whether or not we have an id.
    pub installation: String,
}

impl Default for Tracking {
    fn default() -> Self {
        Self {
            method: TrackingMethod::Annotation,
            label: names::INSTANCE_LABEL.to_owned(),
            installation: String::new(),
        }
    }
}

impl Tracking {
    /// The Application that an object is marked as part of. What is marked without being a root may be a copy.
    #[must_use]
    pub fn tracked_by(&self, object: &Object) -> Option<String> {
        if self.method == TrackingMethod::Label {
            return object.label(&self.label).filter(|it| !it.is_empty()).map(str::to_owned);
        }
        self.id(object).map(|it| it.app)
    }

    /// The Application that an object is a root of: marked, and nobody's part. Controllers copy labels and annotations
    /// to what they make.
    #[must_use]
    pub fn root_of(&self, object: &Object) -> Option<String> {
        self.tracked_by(object).filter(|_| is_root(object))
    }

    /// The tracking annotation, where the method reads it and the installation is ours.
    #[must_use]
    pub fn id(&self, object: &Object) -> Option<TrackingId> {
        let ours = object.annotation(names::INSTALLATION_ID).unwrap_or_default() == self.installation;
        if self.method == TrackingMethod::Label || !ours { None } else { TrackingId::read(object) }
    }

    /// Whether a live object that nothing in the sources stands for is really the Application's, rather than a copy that
    /// took the mark along. Labels can not tell.
    #[must_use]
    pub fn is_own(&self, object: &Object) -> bool {
        self.id(object).is_none_or(|id| id.is_about(object))
    }

    /// Marks an object of an Application. CustomResourceDefinitions are never marked: they outlive Applications.
    ///
    /// # Errors
    /// When the Application's name does not make a label.
    pub fn track(&self, object: &mut Object, app: &str, destination_namespace: &str) -> Result<(), String> {
        if is_crd(object) {
            return Ok(());
        }
        if self.method != TrackingMethod::Label {
            let id = TrackingId::of(app, object, destination_namespace);
            if self.installation.is_empty() {
                object.remove(&["metadata", "annotations", names::INSTALLATION_ID]);
            } else {
                object.set_annotation(names::INSTALLATION_ID, &self.installation);
            }
            object.set_annotation(names::TRACKING_ID, id.to_string());
        }
        match self.method {
            TrackingMethod::Annotation => {}
            // Here the label is the mark: a shortened one would be another Application's.
            TrackingMethod::Label => self.set_label(object, app),
            TrackingMethod::AnnotationAndLabel => self.set_label(object, truncated(app)?),
        }
        Ok(())
    }

    fn set_label(&self, object: &mut Object, value: &str) {
        object.set_label(&self.label, value);
        let gvk = object.gvk();
        let makes_pods = match gvk.group.as_str() {
            "apps" | "extensions" => {
                matches!(gvk.kind.as_str(), "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet")
            }
            "batch" => gvk.kind == "Job",
            _ => false,
        };
        // Installations from before v0.11 find their pods by this label.
        if self.label == names::LEGACY_APP_LABEL && makes_pods {
            object.set(&["spec", "template", "metadata", "labels", &self.label], value);
        }
    }

    /// The live object as it is compared with its target: what another method of tracking left there, or did not write
    /// yet, is no difference.
    #[must_use]
    pub fn migrated<'a>(&self, target: &Object, live: &'a Object) -> Cow<'a, Object> {
        let labelled = live.label(&self.label).is_some_and(|it| !it.is_empty());
        if self.method == TrackingMethod::Label || !labelled || is_crd(live) {
            return Cow::Borrowed(live);
        }
        let mut live = Cow::Borrowed(live);
        if live.annotation(names::TRACKING_ID).unwrap_or_default().is_empty()
            && let Some(wanted) = target.annotation(names::TRACKING_ID)
        {
            live.to_mut().set_annotation(names::TRACKING_ID, wanted);
        }
        if target.label(&self.label).unwrap_or_default().is_empty() {
            live.to_mut().remove(&["metadata", "labels", &self.label]);
        }
        live
    }
}

/// Whether nothing else made the object: it names no owner, and is of no kind whose owner is known by other means.
#[must_use]
pub fn is_root(object: &Object) -> bool {
    let inferred = match object.text("/kind") {
        "Endpoints" => object.gvk().group.is_empty(),
        "Secret" => object.text("/type") == "kubernetes.io/service-account-token",
        "ClusterServiceVersion" => object.annotation("olm.operatorGroup").is_some(),
        _ => false,
    };
    !inferred && object.owner_references().is_empty()
}

/// As much of a name as a label holds.
fn truncated(name: &str) -> Result<&str, String> {
    if name.len() <= LABEL_LENGTH {
        return Ok(name);
    }
    let start = name.get(..LABEL_LENGTH).unwrap_or_default();
    match start.trim_end_matches(|it: char| !it.is_ascii_alphanumeric()) {
        "" => {
            Err("failed to set app instance label: unable to truncate label to not end with a special character"
                .to_owned())
        }
        it => Ok(it),
    }
}

/// Longest value of a label.
const LABEL_LENGTH: usize = 63;

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
        let tracking = Tracking::default();
        tracking.track(&mut object, "dev", "other").unwrap();
        assert_eq!(object.annotation(names::TRACKING_ID), Some("dev:apps/Deployment:shop/web"));
        let id = TrackingId::read(&object).unwrap();
        assert!(id.is_about(&object));
        let copy = Object::new(&Gvk::new("apps", "v1", "Deployment"), Some("shop"), "copy");
        assert!(!id.is_about(&copy), "a copied annotation does not make it ours");
        let mut cluster = Object::new(&Gvk::new("rbac.authorization.k8s.io", "v1", "ClusterRole"), None, "admin:x");
        tracking.track(&mut cluster, "ns_dev", "shop").unwrap();
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
        let tracking = Tracking { method: TrackingMethod::AnnotationAndLabel, ..Tracking::default() };
        tracking.track(&mut crd, "app", "ns").unwrap();
        assert_eq!((crd.annotation(names::TRACKING_ID), crd.label(names::INSTANCE_LABEL)), (None, None));
    }

    #[test]
    fn applications_elsewhere_are_tracked_with_their_namespace() {
        assert_eq!(instance_name("argocd", "a", "argocd"), "a");
        assert_eq!(instance_name("team", "a", "argocd"), "team_a");
        assert_eq!(app_of_instance("team_a", "argocd"), ("team", "a"));
        assert_eq!(app_of_instance("a", "argocd"), ("argocd", "a"));
    }

    fn by(method: TrackingMethod) -> Tracking {
        Tracking { method, ..Tracking::default() }
    }

    fn marked(tracking: &Tracking, app: &str) -> Object {
        let mut object = Object::new(&Gvk::new("apps", "v1", "Deployment"), Some("n"), "web");
        tracking.track(&mut object, app, "n").unwrap();
        object
    }

    #[test]
    fn each_method_reads_its_own_marks_alone() {
        let methods = [TrackingMethod::Annotation, TrackingMethod::AnnotationAndLabel, TrackingMethod::Label].map(by);
        let read = |writer: &Tracking| {
            let object = marked(writer, "shop");
            methods.each_ref().map(|it| it.tracked_by(&object).is_some())
        };
        assert_eq!(read(&methods[0]), [true, true, false]);
        assert_eq!(read(&methods[1]), [true, true, true]);
        assert_eq!(read(&methods[2]), [false, false, true]);
        assert_eq!(marked(&methods[0], "shop").label(names::INSTANCE_LABEL), None);
        assert_eq!(marked(&methods[2], "shop").annotation(names::TRACKING_ID), None);
    }

    #[test]
    fn a_long_name_is_shortened_only_where_the_label_is_for_people() {
        let long = format!("{}-_{}", "a".repeat(61), "b".repeat(20));
        let both = marked(&by(TrackingMethod::AnnotationAndLabel), &long);
        assert_eq!(both.label(names::INSTANCE_LABEL), Some("a".repeat(61).as_str()));
        assert!(both.annotation(names::TRACKING_ID).unwrap().starts_with(&format!("{long}:")));
        assert_eq!(marked(&by(TrackingMethod::Label), &long).label(names::INSTANCE_LABEL), Some(long.as_str()));
        let mut object = Object::new(&Gvk::new("", "v1", "Service"), Some("n"), "web");
        let error = by(TrackingMethod::AnnotationAndLabel).track(&mut object, &"-".repeat(70), "n").unwrap_err();
        assert!(error.ends_with("unable to truncate label to not end with a special character"), "{error}");
    }

    #[test]
    fn installations_do_not_see_each_others_objects() {
        let id = |it: &str| Tracking { installation: it.to_owned(), ..Tracking::default() };
        let (one, two, none) = (id("one"), id("two"), id(""));
        let mut object = marked(&one, "shop");
        assert_eq!(object.annotation(names::INSTALLATION_ID), Some("one"));
        assert_eq!(one.tracked_by(&object).as_deref(), Some("shop"));
        assert_eq!((two.tracked_by(&object), none.tracked_by(&object)), (None, None));
        none.track(&mut object, "shop", "n").unwrap();
        assert_eq!(object.annotation(names::INSTALLATION_ID), None, "it is taken over");
        assert_eq!((none.tracked_by(&object).as_deref(), one.tracked_by(&object)), (Some("shop"), None));
        let labels = Tracking { method: TrackingMethod::Label, ..id("one") };
        assert!(
            labels.tracked_by(&marked(&by(TrackingMethod::Label), "shop")).is_some(),
            "labels know no installation"
        );
    }

    #[test]
    fn what_controllers_made_of_a_marked_object_is_no_root() {
        let labels = by(TrackingMethod::Label);
        let mut pod = marked(&labels, "shop");
        assert_eq!(labels.root_of(&pod).as_deref(), Some("shop"));
        let owner = marked(&labels, "shop").with(&["metadata", "uid"], "u").owner_reference();
        pod.set_controller(&owner);
        assert_eq!((labels.root_of(&pod), labels.tracked_by(&pod).is_some()), (None, true));
        let mut endpoints = Object::new(&Gvk::new("", "v1", "Endpoints"), Some("n"), "web");
        labels.track(&mut endpoints, "shop", "n").unwrap();
        assert_eq!(labels.root_of(&endpoints), None);
        let mut slice = Object::new(&Gvk::new("discovery.k8s.io", "v1", "Endpoints"), Some("n"), "web");
        labels.track(&mut slice, "shop", "n").unwrap();
        assert!(labels.root_of(&slice).is_some(), "a kind of another group with that name");
    }

    #[test]
    fn what_the_method_before_left_is_no_difference() {
        let (label, annotation) = (by(TrackingMethod::Label), by(TrackingMethod::Annotation));
        let live = marked(&label, "shop");
        let target = marked(&annotation, "shop");
        let seen = annotation.migrated(&target, &live);
        assert_eq!(seen.annotation(names::TRACKING_ID), target.annotation(names::TRACKING_ID));
        assert_eq!(seen.label(names::INSTANCE_LABEL), None);
        // a chart's own label stays, and the mark of another Application is a difference
        let mut charts = target.clone();
        charts.set_label(names::INSTANCE_LABEL, "release");
        let mut others = marked(&by(TrackingMethod::AnnotationAndLabel), "other");
        let seen = annotation.migrated(&charts, &others);
        assert_eq!(seen.label(names::INSTANCE_LABEL), Some("other"));
        assert!(seen.annotation(names::TRACKING_ID).unwrap().starts_with("other:"));
        others.remove(&["metadata", "labels"]);
        assert!(matches!(annotation.migrated(&target, &others), Cow::Borrowed(_)), "nothing was labelled");
        assert!(matches!(label.migrated(&target, &live), Cow::Borrowed(_)));
    }

    #[test]
    fn the_label_of_old_installations_reaches_the_pods() {
        let tracking = Tracking { label: names::LEGACY_APP_LABEL.to_owned(), ..by(TrackingMethod::Label) };
        let object = marked(&tracking, "shop");
        let template = object.pointer("/spec/template/metadata/labels").unwrap();
        assert_eq!(template[names::LEGACY_APP_LABEL], "shop");
        assert!(marked(&by(TrackingMethod::Label), "shop").pointer("/spec").is_none());
    }
}
