//! Which cluster an Application goes to.

use crate::api::{Destination, names};

/// The destination with both the server and the name of its cluster.
///
/// # Errors
/// In upstream's words, when it names no cluster, two, or one that is unknown.
pub fn resolve(destination: &Destination) -> Result<Destination, String> {
    let mut resolved = destination.clone();
    match (destination.server.as_str(), destination.name.as_str()) {
        ("", "") => Err("destination server missing from app spec".to_owned()),
        (server, name) if !server.is_empty() && !name.is_empty() => {
            Err(format!("application destination can't have both name and server defined: {name} {server}"))
        }
        ("", names::IN_CLUSTER_NAME) => {
            resolved.server = names::IN_CLUSTER_SERVER.to_owned();
            Ok(resolved)
        }
        ("", name) => Err(format!("there are no clusters with this name: {name}")),
        (server, _) if server.trim_end_matches('/') == names::IN_CLUSTER_SERVER => {
            resolved.name = names::IN_CLUSTER_NAME.to_owned();
            Ok(resolved)
        }
        (server, _) => Err(format!("error getting cluster by server \"{server}\": cluster \"{server}\" not found")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(server: &str, name: &str) -> Result<(String, String), String> {
        let destination = Destination { server: server.into(), name: name.into(), ..Default::default() };
        resolve(&destination).map(|it| (it.server, it.name))
    }

    #[test]
    fn the_own_cluster_goes_by_server_or_name() {
        let own = Ok((names::IN_CLUSTER_SERVER.to_owned(), names::IN_CLUSTER_NAME.to_owned()));
        assert_eq!(of(names::IN_CLUSTER_SERVER, ""), own);
        assert_eq!(of("", "in-cluster"), own);
        assert_eq!(of("", "prod").unwrap_err(), "there are no clusters with this name: prod");
        assert!(of("https://x", "").unwrap_err().contains("not found"));
        assert!(of("https://x", "y").is_err() && of("", "").is_err());
    }
}
