//! URLs in the one form they are compared in.

/// Lower case, without blanks around and characters that do not print.
fn cleaned(url: &str) -> String {
    url.chars()
        .filter(|it| !it.is_control() && *it != '\u{feff}' && *it != '\u{200b}')
        .collect::<String>()
        .trim()
        .to_lowercase()
}

/// A git URL: http(s) without user, trailing `/` and `.git`; ssh likewise but with its user; `user@host:path`
/// becomes `ssh://user@host/path`. What has a query or can not be read stays as it is.
#[must_use]
pub fn normalize_git(url: &str) -> String {
    let clean = cleaned(url);
    let strip = |path: &str| -> String {
        let path = path.strip_suffix('/').unwrap_or(path);
        path.strip_suffix(".git").unwrap_or(path).to_owned()
    };
    if clean.contains('?') || clean.contains(char::is_whitespace) {
        return url.to_owned();
    }
    match clean.split_once("://") {
        Some((scheme @ ("http" | "https"), rest)) => {
            let (host, path) = rest.split_once('/').map_or((rest, ""), |(host, path)| (host, path));
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            if host.is_empty() {
                return url.to_owned();
            }
            let path = strip(path);
            if path.is_empty() { format!("{scheme}://{host}") } else { format!("{scheme}://{host}/{path}") }
        }
        Some(("ssh", rest)) => {
            if rest.is_empty() {
                return url.to_owned();
            }
            format!("ssh://{}", strip(rest))
        }
        Some(_) => url.to_owned(),
        None => match clean.split_once(':') {
            Some((user_host, path)) if !user_host.is_empty() && !user_host.contains('/') && !path.is_empty() => {
                format!("ssh://{user_host}/{}", strip(path.trim_start_matches('/')))
            }
            _ => url.to_owned(),
        },
    }
}

/// An image repository: Docker Hub's host and `library/` dropped, tag and digest dropped.
#[must_use]
pub fn normalize_image(url: &str) -> String {
    let clean = cleaned(url);
    if clean.is_empty() || clean.contains("://") || clean.contains(char::is_whitespace) {
        return url.to_owned();
    }
    let name = clean.split_once('@').map_or(clean.as_str(), |(name, _)| name);
    let (host, path) = split_image(name);
    let path = match path.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => path,
        _ => path,
    };
    if path.is_empty() {
        return url.to_owned();
    }
    match host {
        None | Some("docker.io" | "index.docker.io" | "registry-1.docker.io") => {
            path.strip_prefix("library/").unwrap_or(path).to_owned()
        }
        Some(host) => format!("{host}/{path}"),
    }
}

/// Registry host (if named) and the rest of an image's name.
#[must_use]
pub fn split_image(name: &str) -> (Option<&str>, &str) {
    match name.split_once('/') {
        Some((host, path)) if host.contains('.') || host.contains(':') || host == "localhost" => (Some(host), path),
        _ => (None, name),
    }
}

/// A chart repository: `oci://` dropped and compared as an image; http(s) in lower case.
#[must_use]
pub fn normalize_chart(url: &str) -> String {
    let clean = cleaned(url);
    if clean.starts_with("http://") || clean.starts_with("https://") {
        return clean;
    }
    normalize_image(clean.strip_prefix("oci://").unwrap_or(&clean))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_urls_meet() {
        for url in [
            "https://github.com/example/repo",
            "https://github.com/example/repo.git",
            "https://github.com/example/repo/",
            "https://user:pass@github.com/Example/Repo.git",
            " https://github.com/example/repo.git/ ",
        ] {
            assert_eq!(normalize_git(url), "https://github.com/example/repo", "{url}");
        }
        assert_eq!(normalize_git("git@github.com:example/repo.git"), "ssh://git@github.com/example/repo");
        assert_eq!(
            normalize_git("ssh://git@github.com:2222/example/repo.git"),
            "ssh://git@github.com:2222/example/repo"
        );
        assert_eq!(normalize_git("https://github.com/Example/repo?x=1"), "https://github.com/Example/repo?x=1");
        assert_eq!(normalize_git("file:///tmp/Repo.git"), "file:///tmp/Repo.git");
        assert_eq!(normalize_git("https://example.com"), "https://example.com");
    }

    #[test]
    fn image_and_chart_urls_meet() {
        for url in ["nginx", "library/nginx", "docker.io/library/nginx:1.2", "index.docker.io/nginx@sha256:abc"] {
            assert_eq!(normalize_image(url), "nginx", "{url}");
        }
        assert_eq!(normalize_image("ghcr.io/Akuity/Kargo:v1"), "ghcr.io/akuity/kargo");
        assert_eq!(normalize_image("127.0.0.1:5000/app"), "127.0.0.1:5000/app");
        assert_eq!(normalize_chart("oci://ghcr.io/akuity/charts/kargo"), "ghcr.io/akuity/charts/kargo");
        assert_eq!(normalize_chart("https://Charts.Example.com/a/"), "https://charts.example.com/a/");
    }
}
