//! The routers of a controller.

use std::{collections::BTreeMap, sync::Arc};

use argo_core::{Gvk, ObjectRef};
use serde_json::Value;

use super::{
    Alb, Ambassador, Apisix, AppMesh, Declared, GATEWAY_API, GatewayApi, Istio, Nginx, Smi, Traefik, TrafficRouter,
};
use crate::api::RolloutTrafficRouting;

/// The order in which upstream asks several routers of one Rollout; others follow by name.
const ORDER: [&str; 8] = ["istio", "nginx", "alb", "smi", "ambassador", "appMesh", "traefik", "apisix"];

/// The routers of a controller, by name.
#[derive(Debug, Clone, Default)]
pub struct Routers {
    all: BTreeMap<String, Arc<dyn TrafficRouter>>,
    versions: ApiVersions,
}

/// Versions in which the objects of meshes and ingress controllers are read and written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiVersions {
    /// Version of `networking.istio.io`; `v1alpha3`.
    pub istio: String,
    /// Group and version of Mappings; `getambassador.io/v2`.
    pub ambassador: String,
    /// Version of `split.smi-spec.io`; `v1alpha1`.
    pub smi: String,
    /// Version of `appmesh.k8s.aws`; `v1beta2`.
    pub app_mesh: String,
    /// Group of TraefikServices; `traefik.io`.
    pub traefik_group: String,
    /// Version of that group; `v1alpha1`.
    pub traefik: String,
}

impl Default for ApiVersions {
    fn default() -> Self {
        let traefik = Traefik::default();
        Self {
            istio: Istio::default().version,
            ambassador: Ambassador::default().api_version,
            smi: Smi::default().version,
            app_mesh: AppMesh::default().version,
            traefik_group: traefik.group,
            traefik: traefik.version,
        }
    }
}

impl Routers {
    /// Every router of this crate, with the API versions that upstream uses by default.
    #[must_use]
    pub fn builtin() -> Self {
        Self::with(&ApiVersions::default())
    }

    /// Every router of this crate, with these API versions.
    #[must_use]
    pub fn with(versions: &ApiVersions) -> Self {
        let mut routers = Self { versions: versions.clone(), ..Self::default() };
        routers.register("istio", Arc::new(Declared(Istio { version: versions.istio.clone() })));
        routers.register("nginx", Arc::new(Declared(Nginx)));
        routers.register("alb", Arc::new(Declared(Alb)));
        routers.register("smi", Arc::new(Declared(Smi { version: versions.smi.clone() })));
        let ambassador = Ambassador { api_version: versions.ambassador.clone() };
        routers.register("ambassador", Arc::new(Declared(ambassador)));
        routers.register("appMesh", Arc::new(Declared(AppMesh { version: versions.app_mesh.clone() })));
        let traefik = Traefik { group: versions.traefik_group.clone(), version: versions.traefik.clone() };
        routers.register("traefik", Arc::new(Declared(traefik)));
        routers.register("apisix", Arc::new(Declared(Apisix::default())));
        routers.register(GATEWAY_API, Arc::new(Declared(GatewayApi)));
        routers
    }

    /// Where an object that the engine names by upstream's default versions is read.
    #[must_use]
    pub fn served(&self, mut target: ObjectRef) -> ObjectRef {
        match (target.gvk.group.as_str(), target.gvk.kind.as_str()) {
            ("networking.istio.io", _) => target.gvk.version.clone_from(&self.versions.istio),
            ("getambassador.io", kind) => target.gvk = Gvk::from_api_version(&self.versions.ambassador, kind),
            _ => {}
        }
        target
    }

    /// All routers, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &dyn TrafficRouter)> {
        self.all.iter().map(|(name, it)| (name.as_str(), &**it))
    }

    /// Adds or replaces the router of a name.
    pub fn register(&mut self, name: impl Into<String>, router: Arc<dyn TrafficRouter>) {
        self.all.insert(name.into(), router);
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.all.keys()
    }

    /// The routers that a Rollout names, with their settings, in upstream's order.
    #[must_use]
    pub fn of<'a>(&'a self, routing: &'a RolloutTrafficRouting) -> Vec<(&'a dyn TrafficRouter, &'a Value)> {
        let builtin = ORDER.iter().filter_map(|it| Some((*it, routing.extra.get(*it)?)));
        let plugins = routing.plugins.iter().map(|(name, settings)| (name.as_str(), settings));
        let own = routing.extra.iter().filter(|(name, _)| !ORDER.contains(&name.as_str()));
        let named = builtin.chain(own.map(|(name, it)| (name.as_str(), it))).chain(plugins);
        named
            .filter(|(_, settings)| !settings.is_null())
            .filter_map(|(name, settings)| Some((&**self.all.get(name)?, settings)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_read_in_the_versions_that_routers_write() {
        let versions =
            ApiVersions { istio: "v1".into(), ambassador: "getambassador.io/v3alpha1".into(), ..Default::default() };
        let routers = Routers::with(&versions);
        let read = |group: &str, version: &str, kind: &str| {
            routers.served(ObjectRef::new(Gvk::new(group, version, kind), Some("n"), "x")).gvk
        };
        let rule = routers.iter().find_map(|(name, it)| it.marks().filter(|_| name == "istio"));
        assert_eq!(rule, Some(read("networking.istio.io", "v1alpha3", "DestinationRule")));
        assert_eq!(read("getambassador.io", "v2", "Mapping").version, "v3alpha1");
        assert_eq!(read("networking.k8s.io", "v1", "Ingress").version, "v1");
        assert_eq!(Routers::builtin().served(ObjectRef::new(rule.unwrap(), None, "x")).gvk.version, "v1alpha3");
    }
}
