//! What a kubeconfig file says about its current context.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::config::error::ConfigError;
use crate::config::parse::Context;
use crate::config::reader::Field;
use crate::config::types::{
    Authorization, BasicAuth, HttpClientConfig, ProxyConfig, Secret, TlsConfig,
};
use crate::config::yaml;

/// Where a cluster is and who to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kubeconfig {
    /// Without a slash at the end.
    pub server: String,
    /// Empty if the context has none.
    pub namespace: String,
    pub http: HttpClientConfig,
}

/// Reads the file's text; relative paths begin in its directory.
///
/// # Errors
/// What is missing, or ways to authenticate that are not supported, by name.
pub fn parse_kubeconfig(text: &str, path: &Path) -> Result<Kubeconfig, ConfigError> {
    let file = path.display().to_string();
    let context = Context::new(path.parent().unwrap_or(Path::new("")), &|_| None);
    let node = yaml::read(text, &file)?;
    let empty = yaml::Node::new(1, yaml::Value::Mapping(Vec::new()));
    let node = node.as_ref().unwrap_or(&empty);
    let root = Field { file: &file, line: node.line, path: String::new(), node };
    let name = text_of(&root, "current-context")?;
    let chosen = named(&root, "contexts", "context", &name)?;
    let cluster = named(&root, "clusters", "cluster", &text_of(&chosen, "cluster")?)?;
    let server = text_of(&cluster, "server")?.trim_end_matches('/').to_owned();
    if server.is_empty() {
        return Err(cluster.error("server is missing"));
    }
    let user = text_of(&chosen, "user")?;
    let user = if user.is_empty() { None } else { Some(named(&root, "users", "user", &user)?) };
    let mut http = HttpClientConfig {
        basic_auth: None,
        authorization: None,
        oauth2: None,
        tls: TlsConfig {
            ca: pem(&cluster, "certificate-authority", &context)?,
            server_name: text_of(&cluster, "tls-server-name")?,
            insecure_skip_verify: text_of(&cluster, "insecure-skip-tls-verify")? == "true",
            ..TlsConfig::default()
        },
        proxy: ProxyConfig {
            url: Secret::Inline(text_of(&cluster, "proxy-url")?),
            ..ProxyConfig::default()
        },
        http_headers: Vec::new(),
        follow_redirects: true,
    };
    if let Some(user) = user {
        be(&user, &mut http, &context)?;
    }
    let namespace = text_of(&chosen, "namespace")?;
    Ok(Kubeconfig { server, namespace, http })
}

fn be(
    user: &Field<'_>,
    http: &mut HttpClientConfig,
    context: &Context<'_>,
) -> Result<(), ConfigError> {
    for name in ["exec", "auth-provider"] {
        if let Some(field) = find(user, name)? {
            return Err(field.error("not supported yet"));
        }
    }
    http.tls.cert = pem(user, "client-certificate", context)?;
    http.tls.key = pem(user, "client-key", context)?;
    let (token, token_file) = (text_of(user, "token")?, text_of(user, "tokenFile")?);
    let credentials = if token_file.is_empty() {
        Secret::Inline(token.clone())
    } else {
        Secret::File(context.resolve(&token_file))
    };
    if !token.is_empty() || !token_file.is_empty() {
        http.authorization = Some(Authorization { kind: "Bearer".to_owned(), credentials });
    } else {
        let (name, password) = (text_of(user, "username")?, text_of(user, "password")?);
        if !name.is_empty() {
            let (username, password) = (Secret::Inline(name), Secret::Inline(password));
            http.basic_auth = Some(BasicAuth { username, password });
        }
    }
    Ok(())
}

fn find<'a>(field: &Field<'a>, name: &str) -> Result<Option<Field<'a>>, ConfigError> {
    let pairs = field.pairs()?.into_iter();
    Ok(pairs.filter(|(found, _)| *found == name).map(|(_, field)| field).next())
}

fn text_of(field: &Field<'_>, name: &str) -> Result<String, ConfigError> {
    find(field, name)?.map_or(Ok(String::new()), |field| field.text())
}

/// The entry of that name in a list.
fn named<'a>(
    root: &Field<'a>,
    list: &str,
    kind: &str,
    name: &str,
) -> Result<Field<'a>, ConfigError> {
    let items = find(root, list)?.map_or(Ok(Vec::new()), |field| field.items())?;
    for item in items {
        if text_of(&item, "name")? == name
            && let Some(found) = find(&item, kind)?
        {
            return Ok(found);
        }
    }
    Err(root.error(format!("there is no {kind} named {name:?}")))
}

/// From `<name>-data`, or from the file that `<name>` names.
fn pem(
    field: &Field<'_>,
    name: &str,
    context: &Context<'_>,
) -> Result<Option<Secret>, ConfigError> {
    if let Some(field) = find(field, &format!("{name}-data"))? {
        let bytes = STANDARD.decode(field.text()?.trim()).ok();
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        let text = text.ok_or_else(|| field.error("not PEM in base64"))?;
        return Ok(Some(Secret::Inline(text)));
    }
    let path = text_of(field, name)?;
    Ok((!path.is_empty()).then(|| Secret::File(context.resolve(&path))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts:\n\
        - {name: other, context: {cluster: x, user: y}}\n\
        - {name: c, context: {cluster: k, user: u, namespace: mine}}\n\
        clusters: [{name: k, cluster: {server: 'https://k:6443/', certificate-authority-data: YQ==}}]\n\
        users: [{name: u, user: {client-certificate: c.pem, client-key-data: Yg==, token: t}}]\n";

    #[test]
    fn the_current_context_is_read() {
        let found = parse_kubeconfig(TEXT, Path::new("/k/config")).expect("good");
        assert_eq!((found.server.as_str(), found.namespace.as_str()), ("https://k:6443", "mine"));
        let tls = found.http.tls;
        assert_eq!(tls.ca, Some(Secret::Inline("a".to_owned())));
        assert_eq!(tls.cert, Some(Secret::File("/k/c.pem".into())));
        assert_eq!(tls.key, Some(Secret::Inline("b".to_owned())));
        let credentials = found.http.authorization.map(|found| found.credentials);
        assert_eq!(credentials, Some(Secret::Inline("t".to_owned())));
        for (from, to, wanted) in [
            ("current-context: c", "current-context: z", "there is no context named \"z\""),
            ("token: t", "exec: {}", "exec: not supported yet"),
            ("YQ==", "?", "not PEM in base64"),
            ("server: 'https://k:6443/', ", "", "server is missing"),
        ] {
            let error = parse_kubeconfig(&TEXT.replace(from, to), Path::new("k"));
            assert!(error.expect_err(wanted).to_string().contains(wanted), "{wanted}");
        }
    }
}
