//! Where the API server is, and who we are there.

use std::fs;
use std::path::{Path, PathBuf};

use crate::client::Client;
use crate::config::{Authorization, HttpClientConfig, KubernetesSd, Secret, parse_kubeconfig};
use crate::discovery::remote::user_agent;

const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// An API server that can be asked.
#[derive(Debug)]
pub(super) struct Session {
    /// Without a slash at the end.
    pub(super) server: String,
    pub(super) client: Client,
    /// Namespaces asked for; empty: all.
    pub(super) namespaces: Vec<String>,
}

/// What the process finds around itself.
pub(super) struct Surroundings<'a> {
    pub(super) env: &'a dyn Fn(&str) -> Option<String>,
    pub(super) account: PathBuf,
}

impl Surroundings<'_> {
    pub(super) fn real() -> Surroundings<'static> {
        Surroundings { env: &|name| std::env::var(name).ok(), account: ACCOUNT.into() }
    }
}

/// # Errors
/// One sentence: what cannot be read, or that we are in no cluster.
pub(super) fn open(sd: &KubernetesSd, around: &Surroundings<'_>) -> Result<Session, String> {
    let (server, http, own) = place(sd, around)?;
    let client = Client::new(&http, &user_agent()).map_err(|error| error.to_string())?;
    let mut namespaces = sd.namespaces.clone();
    if sd.own_namespace {
        if own.is_empty() {
            return Err("own_namespace: the namespace that we run in is not known".to_owned());
        }
        if !namespaces.contains(&own) {
            namespaces.push(own);
        }
    }
    Ok(Session { server, client, namespaces })
}

/// Server, HTTP settings, and our own namespace if it is known.
fn place(
    sd: &KubernetesSd,
    around: &Surroundings<'_>,
) -> Result<(String, HttpClientConfig, String), String> {
    let read = |path: &Path| {
        fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let own = || read(&around.account.join("namespace")).unwrap_or_default().trim().to_owned();
    if !sd.api_server.is_empty() {
        return Ok((sd.api_server.clone(), sd.http.clone(), own()));
    }
    if let Some(path) = &sd.kubeconfig_file {
        let found = parse_kubeconfig(&read(path)?, path).map_err(|error| error.to_string())?;
        let namespace = if found.namespace.is_empty() { own() } else { found.namespace };
        return Ok((found.server, found.http, namespace));
    }
    let variable = |name: &str| {
        (around.env)(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| format!("not in a cluster: {name} is not set"))
    };
    let host = variable("KUBERNETES_SERVICE_HOST")?;
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let server = format!("https://{host}:{}", variable("KUBERNETES_SERVICE_PORT")?);
    let mut http = sd.http.clone();
    let token = around.account.join("token");
    http.authorization =
        Some(Authorization { kind: "Bearer".to_owned(), credentials: Secret::File(token) });
    http.tls.ca = Some(Secret::File(around.account.join("ca.crt")));
    Ok((server, http, own()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{KubernetesRole, SdConfig, parse};

    fn sd(rest: &str) -> KubernetesSd {
        let text =
            format!("scrape_configs: [{{job_name: a, kubernetes_sd_configs: [{{{rest}}}]}}]");
        let (config, _) = parse(&text, Path::new("p.yml"), &|_| None).expect("good");
        match config.scrape_configs.into_iter().next().map(|mut job| job.sd_configs.remove(0)) {
            Some(SdConfig::Kubernetes(sd)) => *sd,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn in_a_cluster_the_service_account_is_used() {
        let around = Surroundings {
            env: &|name| Some(if name.ends_with("HOST") { "::1" } else { "443" }.to_owned()),
            account: "/nowhere".into(),
        };
        let (server, http, own) = place(&sd("role: pod"), &around).expect("there");
        assert_eq!((server.as_str(), own.as_str()), ("https://[::1]:443", ""));
        assert_eq!(http.tls.ca, Some(Secret::File("/nowhere/ca.crt".into())));
        let token = http.authorization.map(|found| found.credentials);
        assert_eq!(token, Some(Secret::File("/nowhere/token".into())));
        let outside = Surroundings { env: &|_| None, account: "/nowhere".into() };
        let error = open(&sd("role: pod"), &outside).expect_err("nowhere");
        assert_eq!(error, "not in a cluster: KUBERNETES_SERVICE_HOST is not set");
        let given = sd("role: pod, api_server: 'http://k', namespaces: {own_namespace: true}");
        assert!(open(&given, &outside).expect_err("unknown").contains("own_namespace"));
        assert_eq!(given.role, KubernetesRole::Pod);
    }
}
