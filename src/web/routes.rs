//! Which path means what, which methods it takes, and when it is answered (spec: HTTP-1 to HTTP-33).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::HeaderName;
use axum::http::{Method, StatusCode, Uri};
use axum::response::Response;

use crate::model::OtlpRules;
use crate::receive::Accepted;
use crate::telemetry::{ProcessState, Usage, render};
use crate::web::pages::Page;
use crate::web::server::Desk;
use crate::web::{Phase, answer, api, asset, pages, receive};

/// What a path stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Api(api::Query),
    /// A file of `--web.user-assets`.
    Asset,
    Federate,
    Healthy,
    /// Redirects to the first page.
    Home,
    /// Notices as they come.
    Live,
    /// What pages load.
    Look,
    Metrics,
    /// A page for people.
    Page(Page),
    Quit,
    Ready,
    /// Takes pushes in Prometheus when this flag is set.
    Receiver(&'static str),
    Reload,
    /// Needs a query engine or an alert manager; the methods it takes.
    Unavailable(&'static str),
    Unknown,
    Version,
}

/// Flags of receivers.
const REMOTE_WRITE: &str = "web.enable-remote-write-receiver";
const OTLP: &str = "web.enable-otlp-receiver";

const READ: &str = "GET, HEAD";
const READ_OR_POST: &str = "GET, HEAD, POST";
const CHANGE: &str = "POST, PUT";

impl Route {
    /// With the name that the path has in metrics.
    fn of(path: &str) -> (Route, &'static str) {
        if let Some((page, name)) = pages::of(path) {
            return (Route::Page(page), name);
        }
        if let Some(rest) = path.strip_prefix("/api/v1/") {
            return Route::of_api(rest);
        }
        match path {
            "/" => (Route::Home, "/"),
            "/-/healthy" => (Route::Healthy, "/-/healthy"),
            "/-/quit" => (Route::Quit, "/-/quit"),
            "/-/ready" => (Route::Ready, "/-/ready"),
            "/-/reload" => (Route::Reload, "/-/reload"),
            "/federate" => (Route::Federate, "/federate"),
            "/metrics" => (Route::Metrics, "/metrics"),
            "/version" => (Route::Version, "/version"),
            "/assets/corelane.css" | "/assets/corelane.js" => (Route::Look, "/assets/*filepath"),
            _ if path.starts_with("/user/") => (Route::Asset, "/user/*filepath"),
            _ => (Route::Unknown, "other"),
        }
    }

    fn of_api(path: &str) -> (Route, &'static str) {
        if let Some((query, name)) = api::Query::of(path) {
            return (Route::Api(query), name);
        }
        match path {
            "write" => (Route::Receiver(REMOTE_WRITE), "/api/v1/write"),
            "otlp/v1/metrics" => (Route::Receiver(OTLP), "/api/v1/otlp/v1/metrics"),
            "notifications/live" => (Route::Live, "/api/v1/notifications/live"),
            // spec: HTTP-32
            "query" | "query_range" | "query_exemplars" | "format_query" | "parse_query"
            | "labels" => (Route::Unavailable(READ_OR_POST), "/api/v1/query"),
            "series" => (Route::Unavailable("DELETE, GET, HEAD, POST"), "/api/v1/series"),
            "alertmanagers" | "status/tsdb" | "alerts" | "rules" => {
                (Route::Unavailable(READ), "/api/v1/rules")
            }
            "admin/tsdb/delete_series" | "admin/tsdb/clean_tombstones" | "admin/tsdb/snapshot" => {
                (Route::Unavailable(CHANGE), "/api/v1/admin/tsdb")
            }
            _ => match path.strip_prefix("label/").and_then(|rest| rest.strip_suffix("/values")) {
                Some(name) if !name.is_empty() && !name.contains('/') => {
                    (Route::Unavailable(READ), "/api/v1/label/:name/values")
                }
                _ => (Route::Unknown, "other"),
            },
        }
    }

    /// Methods it takes, as the Allow header lists them.
    fn methods(self) -> &'static str {
        match self {
            Route::Quit | Route::Reload => CHANGE,
            Route::Receiver(_) => "POST",
            Route::Unavailable(methods) => methods,
            _ => READ,
        }
    }

    /// True for what must wait until the process is ready (spec: HTTP-12). A reload waits by itself, and a
    /// process that does not get ready can be told to quit.
    fn waits(self) -> bool {
        match self {
            Route::Healthy
            | Route::Look
            | Route::Metrics
            | Route::Quit
            | Route::Ready
            | Route::Reload => false,
            Route::Api(query) => query != api::Query::WalReplay,
            _ => true,
        }
    }
}

/// Answers every request.
pub(super) async fn answer(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    // Not the whole request: its body cannot be shared while an answer is awaited, and only that of a push is read.
    let (parts, body) = request.into_parts();
    let uri = &parts.uri;
    let full = uri.path();
    let prefix = desk.settings.route_prefix.as_str();
    let path = match full.strip_prefix(prefix) {
        Some("") => "/",
        Some(rest) if rest.starts_with('/') => rest,
        // spec: CLI-11
        _ if full == "/" => return answer::redirect(&format!("{prefix}/")),
        _ => return answer::not_found(),
    };
    let (route, name) = Route::of(path);
    let rules = desk.gate.rules();
    let mut response = match desk.gate.admit(&rules, &parts.headers).await {
        Ok(()) => match taken(&desk, route, &parts.method) {
            Some(Taken::Write(accepted)) => {
                receive::write(&desk, accepted, &parts.headers, body).await
            }
            Some(Taken::Otlp(rules)) => receive::otlp(&desk, rules, &parts.headers, body).await,
            None => {
                drop(body);
                respond(&desk, route, &parts.method, uri, path).await
            }
        },
        Err(refusal) => refusal,
    };
    if path.starts_with("/api/") {
        response = desk.settings.origins.admit(&parts.headers, response);
    }
    desk.count(name, response.status().as_u16());
    answer::compressed(&parts.headers, rules.dress(response)).await
}

/// A push that is to be read, and by which rules.
enum Taken {
    Write(Accepted),
    Otlp(Arc<OtlpRules>),
}

fn taken(desk: &Desk, route: Route, method: &Method) -> Option<Taken> {
    if !takes(route, method) || desk.phase() != Phase::Ready {
        return None;
    }
    let receivers = &desk.settings.receivers;
    match route {
        Route::Receiver(REMOTE_WRITE) => receivers.remote_write.map(Taken::Write),
        Route::Receiver(OTLP) => {
            receivers.otlp.as_ref().map(|rules| Taken::Otlp(Arc::clone(&rules.borrow())))
        }
        _ => None,
    }
}

async fn respond(
    desk: &Arc<Desk>,
    route: Route,
    method: &Method,
    uri: &Uri,
    path: &str,
) -> Response {
    let is_api =
        matches!(route, Route::Api(_) | Route::Live | Route::Receiver(_) | Route::Unavailable(_));
    if is_api && method == Method::OPTIONS {
        return answer::text(StatusCode::NO_CONTENT, "");
    }
    if route != Route::Unknown && !takes(route, method) {
        // spec: HTTP-5
        if matches!(route, Route::Quit | Route::Reload) && *method == Method::GET {
            let text = "Only POST or PUT requests allowed";
            return answer::text(StatusCode::METHOD_NOT_ALLOWED, text);
        }
        return answer::wrong_method(route.methods());
    }
    if route.waits() && desk.phase() != Phase::Ready {
        return not_ready(desk.phase());
    }
    match route {
        Route::Api(query) => api::answer(desk, query, uri.query().unwrap_or("")).await,
        Route::Asset => asset::answer(desk.settings.user_assets.as_deref(), path).await,
        // spec: HTTP-30; what the server says to one subscriber too many. The list is at `notifications`.
        Route::Live => answer::text(StatusCode::NO_CONTENT, ""),
        // spec: HTTP-9
        Route::Federate => answer::text(
            StatusCode::INTERNAL_SERVER_ERROR,
            "unsupported operation with WAL-only storage\n",
        ),
        Route::Healthy => answer::text(StatusCode::OK, "Prometheus Agent is Healthy.\n"),
        // spec: HTTP-1
        Route::Home => answer::redirect(&format!("{}/agent", desk.settings.route_prefix)),
        Route::Metrics => metrics(desk).await,
        Route::Look => pages::asset(path.strip_prefix("/assets/").unwrap_or("")),
        Route::Page(page) => match pages::answer(desk, page, uri.query().unwrap_or("")).await {
            Some(page) => page,
            None => not_ready(desk.phase()),
        },
        Route::Ready => match desk.phase() {
            Phase::Ready => answer::text(StatusCode::OK, "Prometheus Agent is Ready.\n"),
            phase => not_ready(phase),
        },
        Route::Quit | Route::Reload => lifecycle(desk, route).await,
        // spec: HTTP-31
        Route::Receiver(flag) => {
            let what = if flag.contains("otlp") { "otlp" } else { "remote" };
            let text = format!("{what} write receiver needs to be enabled with --{flag}\n");
            answer::text(StatusCode::NOT_FOUND, text)
        }
        Route::Unavailable(_) => {
            let text = "unavailable with Prometheus Agent";
            answer::failure(StatusCode::UNPROCESSABLE_ENTITY, "execution", text)
        }
        Route::Unknown => answer::not_found(),
        Route::Version => answer::json(StatusCode::OK, &api::build_info()),
    }
}

fn takes(route: Route, method: &Method) -> bool {
    route.methods().split(", ").any(|allowed| allowed == method.as_str())
}

// spec: HTTP-4
fn not_ready(phase: Phase) -> Response {
    let stopping = if phase == Phase::Stopping { "true" } else { "false" };
    let response = answer::text(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable");
    answer::with(response, HeaderName::from_static("x-prometheus-stopping"), stopping)
}

// spec: HTTP-5, HTTP-6
async fn lifecycle(desk: &Desk, route: Route) -> Response {
    if !desk.settings.lifecycle {
        return answer::text(StatusCode::FORBIDDEN, "Lifecycle API is not enabled.");
    }
    if route == Route::Quit {
        desk.quit().await;
        return answer::text(StatusCode::OK, "Requesting termination... Goodbye!");
    }
    match desk.reload().await {
        Ok(()) => answer::text(StatusCode::OK, ""),
        Err(why) => {
            let text = format!("failed to reload config: {why}\n");
            answer::text(StatusCode::INTERNAL_SERVER_ERROR, text)
        }
    }
}

/// In every phase (spec: HTTP-7). When the coordinator does not answer, the page says what is known without it.
async fn metrics(desk: &Desk) -> Response {
    let snapshot = desk.snapshot(false).await;
    let (reports, mut process) = match snapshot {
        Some(snapshot) => (snapshot.reports, snapshot.process),
        None => (Vec::new(), ProcessState::default()),
    };
    process.ready = desk.phase() == Phase::Ready;
    process.usage = Usage::read();
    process.http_requests = desk.counts();
    answer::exposition(render(&reports, &process))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{SocketAddr, TcpStream};
    use std::path::Path;
    use std::sync::Arc;
    use std::thread::JoinHandle;
    use std::time::Duration;

    use crossbeam_channel::unbounded;
    use serde_json::{Value, json};
    use tokio::sync::watch;

    use crate::base::Timestamp;
    use crate::config::{Config, parse};
    use crate::mail::{EndpointMeters, Level, Report, TargetState};
    use crate::model::{Labels, PushOutcome, Scheme, Target};
    use crate::telemetry::{LogFormat, Logger, PoolState};
    use crate::web::{
        Ask, Cardinality, ExternalUrl, Gate, KnownTarget, Origins, Phase, PoolView, Receivers,
        Settings, Snapshot, bind, route_prefix, serve,
    };

    fn settings() -> Settings {
        let external = ExternalUrl::new("", "box", 9090).expect("good");
        Settings {
            lifecycle: true,
            read_timeout: Duration::from_secs(60),
            connections_max: 8,
            route_prefix: route_prefix("", &external),
            external,
            port: 9090,
            page_title: "A <title>".to_owned(),
            user_assets: None,
            origins: Origins::new(".*").expect("good"),
            flags: vec![("config.file".to_owned(), "p.yml".to_owned())],
            receivers: Receivers { remote_write: None, otlp: None, shards: 1, seed: 1 },
        }
    }

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().copied().collect()
    }

    fn configuration() -> Config {
        let text = "scrape_configs: [{job_name: node, relabel_configs: [
            {source_labels: [__address__], target_label: a}, {action: drop, regex: x, source_labels: [a]}]}]";
        parse(text, Path::new("p.yml"), &|_| None).expect("good").0
    }

    fn snapshot() -> Snapshot {
        let target = Target {
            labels: labels(&[("instance", "localhost:9100"), ("job", "node")]),
            discovered: labels(&[("__address__", "localhost:9100"), ("job", "node")]),
            scheme: Scheme::Http,
            address: "localhost:9100".to_owned(),
            unix_socket: String::new(),
            path: "/metrics".to_owned(),
            interval: Duration::from_secs(15),
            timeout: Duration::from_secs(10),
            histograms: Default::default(),
        };
        let identity = target.identity_hash();
        let state = TargetState {
            job: "node".to_owned(),
            identity,
            up: Some(false),
            error: "connection refused".to_owned(),
            last_scrape: Timestamp(1_785_585_600_123),
            duration: Duration::from_millis(5),
            ..TargetState::default()
        };
        let meters = EndpointMeters { name: "<q>".to_owned(), ..EndpointMeters::default() };
        let report = Report { targets: vec![state], endpoints: vec![meters], ..Report::default() };
        let mut snapshot = Snapshot {
            reports: vec![report],
            pools: vec![PoolView {
                job: "node".to_owned(),
                targets: Arc::new(vec![KnownTarget { identity, target }]),
                dropped: Arc::new(vec![labels(&[("__address__", "x:1")])]),
                dropped_count: 3,
            }],
            config: Arc::new(configuration()),
            ..Snapshot::default()
        };
        snapshot.process.pools = vec![PoolState { job: "node".to_owned(), ..PoolState::default() }];
        snapshot.process.reload.successful = true;
        snapshot
    }

    /// A server with a coordinator that knows [`snapshot`].
    struct Running {
        address: SocketAddr,
        phase: watch::Sender<Phase>,
        server: JoinHandle<()>,
    }

    impl Running {
        fn start(settings: Settings) -> Running {
            let logger = Logger::new(Level::Error, LogFormat::Logfmt);
            Running::guarded(settings, Gate::open(None, logger).expect("open"))
        }

        fn guarded(settings: Settings, gate: Gate) -> Running {
            let listeners = bind(&["127.0.0.1:0".to_owned()]).expect("free port");
            let address = listeners[0].local_addr().expect("bound");
            let (asks, asked) = unbounded();
            let (phase, watched) = watch::channel(Phase::Ready);
            let server = serve(listeners, settings, gate, asks, watched).expect("started");
            std::thread::spawn(move || {
                for ask in asked {
                    match ask {
                        Ask::Report { reply, .. } => drop(reply.send(snapshot())),
                        Ask::Cardinality { reply } => drop(reply.send(Ok(Cardinality::default()))),
                        Ask::Push { parts, reply } => {
                            let samples = parts.iter().map(|(_, push)| push.len() as u64).sum();
                            drop(reply.send(PushOutcome { samples, ..PushOutcome::default() }));
                        }
                        Ask::Reload { reply } => drop(reply.send(Err("no such file".to_owned()))),
                        Ask::Quit { reply } => drop(reply.send(())),
                    }
                }
            });
            Running { address, phase, server }
        }

        /// Status, lower-case head, body.
        fn ask(&self, method: &str, path: &str) -> (u16, String, String) {
            self.ask_with(method, path, "Origin: http://o")
        }

        fn ask_with(&self, method: &str, path: &str, header: &str) -> (u16, String, String) {
            let mut stream = TcpStream::connect(self.address).expect("open");
            let request = format!(
                "{method} {path} HTTP/1.1\r\nHost: x\r\n{header}\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(request.as_bytes()).expect("sent");
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).expect("read");
            let text = String::from_utf8_lossy(&bytes);
            let (head, body) = text.split_once("\r\n\r\n").expect("whole");
            let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
            (status.expect("status"), head.to_ascii_lowercase(), body.to_owned())
        }

        fn json(&self, path: &str) -> Value {
            let (status, head, body) = self.ask("GET", path);
            assert_eq!(status, 200, "{path}: {body}");
            assert!(head.contains("content-type: application/json"), "{head}");
            serde_json::from_str(&body).expect("JSON")
        }

        fn stop(self) {
            drop(self.phase);
            self.server.join().expect("ended");
        }
    }

    #[test]
    fn paths_answer_with_the_texts_of_prometheus() {
        let running = Running::start(settings());
        for (method, path, status, body) in [
            ("GET", "/-/healthy", 200, "Prometheus Agent is Healthy.\n"),
            ("HEAD", "/-/healthy", 200, ""),
            ("GET", "/-/ready", 200, "Prometheus Agent is Ready.\n"),
            ("POST", "/-/ready", 405, "Method Not Allowed\n"),
            ("GET", "/-/reload", 405, "Only POST or PUT requests allowed"),
            ("POST", "/-/reload", 500, "failed to reload config: no such file\n"),
            ("GET", "/-/quit", 405, "Only POST or PUT requests allowed"),
            ("PUT", "/-/quit", 200, "Requesting termination... Goodbye!"),
            ("GET", "/", 302, "<a href=\"/agent\">Found</a>.\n\n"),
            ("GET", "/federate", 500, "unsupported operation with WAL-only storage\n"),
            ("GET", "/api/v1/nothing", 404, "404 page not found\n"),
            ("GET", "/debug/pprof/", 404, "404 page not found\n"),
            ("POST", "/api/v1/targets", 405, "Method Not Allowed\n"),
            ("GET", "/api/v1/write", 405, "Method Not Allowed\n"),
            ("GET", "/api/v1/admin/tsdb/snapshot", 405, "Method Not Allowed\n"),
            ("OPTIONS", "/api/v1/targets", 204, ""),
        ] {
            let answer = running.ask(method, path);
            assert_eq!((answer.0, answer.2.as_str()), (status, body), "{method} {path}");
        }
        let unavailable = r#"{"status":"error","errorType":"execution","error":"unavailable with Prometheus Agent"}"#;
        for (method, path) in [
            ("GET", "/api/v1/query?query=up"),
            ("POST", "/api/v1/query_range"),
            ("GET", "/api/v1/labels"),
            ("GET", "/api/v1/label/job/values"),
            ("DELETE", "/api/v1/series"),
            ("GET", "/api/v1/alerts"),
            ("POST", "/api/v1/admin/tsdb/snapshot"),
        ] {
            let answer = running.ask(method, path);
            assert_eq!((answer.0, answer.2.as_str()), (422, unavailable), "{method} {path}");
        }
        let (status, head, body) = running.ask("POST", "/api/v1/write");
        assert!(status == 404 && body.contains("--web.enable-remote-write-receiver"), "{head}");
        assert!(running.ask("GET", "/api/v1/targets").1.contains("allow-origin: *"));
        running.stop();
    }

    #[test]
    fn the_api_speaks_in_the_shapes_of_prometheus() {
        let running = Running::start(settings());
        let active = json!([{
            "discoveredLabels": {"__address__": "localhost:9100", "job": "node"},
            "labels": {"instance": "localhost:9100", "job": "node"},
            "scrapePool": "node",
            "scrapeUrl": "http://localhost:9100/metrics",
            "globalUrl": "http://box:9100/metrics",
            "lastError": "connection refused",
            "lastScrape": "2026-08-01T12:00:00.123Z",
            "lastScrapeDuration": 0.005,
            "health": "down",
            "scrapeInterval": "15s",
            "scrapeTimeout": "10s"
        }]);
        let dropped = json!([{"discoveredLabels": {"__address__": "x:1"}, "scrapePool": "node"}]);
        let data = |active: &Value, dropped: &Value, counts: Value| {
            json!({"status": "success", "data": {
                "activeTargets": active, "droppedTargets": dropped, "droppedTargetCounts": counts
            }})
        };
        let (none, counts) = (json!([]), json!({"node": 3}));
        for (query, wanted) in [
            ("", data(&active, &dropped, counts.clone())),
            ("?state=Active", data(&active, &none, Value::Null)),
            ("?state=dropped", data(&none, &dropped, counts.clone())),
            ("?state=any&scrapePool=other", data(&none, &none, counts)),
        ] {
            assert_eq!(running.json(&format!("/api/v1/targets{query}")), wanted, "{query}");
        }
        for (path, wanted) in [
            ("scrape_pools", json!({"scrapePools": ["node"]})),
            ("status/config", json!({"yaml": configuration().to_yaml()})),
            ("status/flags", json!({"config.file": "p.yml"})),
            ("status/walreplay", json!({"min": 0, "max": 0, "current": 0})),
            ("metadata", json!({})),
            ("targets/metadata", json!([])),
        ] {
            let whole = json!({"status": "success", "data": wanted});
            assert_eq!(running.json(&format!("/api/v1/{path}")), whole, "{path}");
        }
        let runtime = running.json("/api/v1/status/runtimeinfo");
        for key in ["startTime", "CWD", "hostname", "serverTime", "lastConfigTime", "GOMAXPROCS"] {
            assert!(!runtime["data"][key].is_null(), "{key}");
        }
        assert_eq!(runtime["data"]["reloadConfigSuccess"], json!(true));
        assert_eq!(running.json("/version"), running.json("/api/v1/status/buildinfo")["data"]);
        running.stop();
    }

    #[test]
    fn every_page_is_made_and_shows_nothing_unescaped() {
        let running = Running::start(settings());
        for path in [
            "/agent",
            "/targets?q=local%20node&sort=took&page=7",
            "/service-discovery?state=dropped",
            "/service-discovery/steps?pool=node&labels=__address__%3Dx",
            "/endpoints",
            "/cores",
            "/cardinality",
            "/config",
            "/flags?q=file",
            "/status",
        ] {
            let (status, head, page) = running.ask("GET", path);
            assert_eq!(status, 200, "{path}");
            assert!(head.contains("content-security-policy: default-src 'none'"), "{head}");
            assert!(page.contains("A &lt;title&gt;") && !page.contains("<q>"), "{path}: {page}");
        }
        assert!(running.ask("GET", "/endpoints").2.contains("&lt;q&gt;"));
        assert!(running.ask("GET", "/targets").2.contains("connection refused"));
        assert!(running.ask("GET", "/targets?state=up").2.contains("No target fits"));
        let steps = running.ask("GET", "/service-discovery/steps?labels=__address__%3Dx").2;
        assert!(steps.contains("dropped here") && !steps.contains("Result"), "{steps}");
        for (path, kind) in [("css", "text/css"), ("js", "text/javascript")] {
            let (status, head, _) = running.ask("GET", &format!("/assets/corelane.{path}"));
            assert!(status == 200 && head.contains(kind), "{head}");
        }
        running.stop();
    }

    // spec: HTTP-23
    #[test]
    fn relabeling_is_shown_step_by_step() {
        let running = Running::start(settings());
        let query =
            |labels: &str| format!("/api/v1/targets/relabel_steps?scrapePool=node&labels={labels}");
        let rule = json!({"sourceLabels": ["__address__"], "separator": ";", "regex": "(.*)",
            "targetLabel": "a", "replacement": "$1", "action": "replace"});
        let drop = json!({"sourceLabels": ["a"], "separator": ";", "regex": "x",
            "replacement": "$1", "action": "drop"});
        for (address, kept) in [("y", true), ("x", false)] {
            let answer = running.json(&query(&format!("%7B%22__address__%22:%22{address}%22%7D")));
            let labels = json!({"__address__": address, "a": address});
            let last = if kept { labels.clone() } else { json!({}) };
            let steps = json!([{"rule": rule, "output": labels, "keep": true},
                {"rule": drop, "output": last, "keep": kept}]);
            assert_eq!(answer["data"]["steps"], steps);
        }
        for wrong in [query("x"), query("{}").replace("=node", "=no")] {
            let (status, _, body) = running.ask("GET", &wrong);
            assert!(status == 400 && body.contains("\"errorType\":\"bad_data\""), "{body}");
        }
        let pool = running.json("/api/v1/scrape_pools/config?scrapePool=node");
        assert!(
            pool["data"]["yaml"].as_str().is_some_and(|yaml| yaml.starts_with("job_name: node"))
        );
        assert_eq!(running.ask("GET", "/api/v1/scrape_pools/config?scrapePool=x").0, 400);
        let notices = running.json("/api/v1/notifications");
        assert_eq!(notices["data"], json!([]));
        assert_eq!(running.ask("GET", "/api/v1/notifications/live").0, 204);
        running.stop();
    }

    #[test]
    fn long_answers_are_compressed_for_those_who_take_it() {
        let running = Running::start(settings());
        for (header, squeezed) in [
            ("Accept-Encoding: br, gzip", true),
            ("Accept-Encoding: gzip;q=0", false),
            ("Accept: x", false),
        ] {
            let (_, head, _) = running.ask_with("GET", "/metrics", header);
            assert_eq!(head.contains("content-encoding: gzip"), squeezed, "{header}: {head}");
        }
        let (_, head, _) = running.ask_with("GET", "/-/healthy", "Accept-Encoding: gzip");
        assert!(!head.contains("content-encoding"), "{head}");
        running.stop();
    }

    // spec: HTTP §6.6
    #[test]
    fn nobody_enters_without_a_password_and_guessing_has_a_bound() {
        let name = format!("corelane-gate-{}", std::process::id());
        let file = std::env::temp_dir().join(name);
        let hash = "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";
        let text = format!(
            "basic_auth_users: {{a: {hash}}}\nhttp_server_config: {{headers: {{X-Frame-Options: deny}}}}\n"
        );
        std::fs::write(&file, text).expect("written");
        let logger = Logger::new(Level::Error, LogFormat::Logfmt);
        let gate = Gate::open(Some(&file), logger).expect("good");
        let running = Running::guarded(settings(), gate);
        let with = |user: &str, password: &str| {
            format!("Authorization: {}", crate::auth::basic(user, password))
        };
        for path in ["/-/healthy", "/metrics", "/api/v1/status/flags", "/nothing"] {
            let (status, head, body) = running.ask("GET", path);
            assert_eq!((status, body.as_str()), (401, "Unauthorized\n"), "{path}");
            assert!(head.contains("www-authenticate: basic"), "{head}");
            assert!(head.contains("x-frame-options: deny"), "{head}");
        }
        for _ in 0..2 {
            assert_eq!(running.ask_with("GET", "/-/healthy", &with("a", "secret")).0, 200);
        }
        // Many at once: some are tried, one after another, and the others are told to come back.
        let guesses: Vec<u16> = std::thread::scope(|scope| {
            let guess = || running.ask_with("GET", "/-/healthy", &with("b", "secret")).0;
            let all: Vec<_> = (0..8).map(|_| scope.spawn(guess)).collect();
            all.into_iter().map(|guess| guess.join().expect("answered")).collect()
        });
        assert!(guesses.iter().all(|status| [401, 429].contains(status)), "{guesses:?}");
        assert_eq!(running.ask_with("GET", "/-/healthy", &with("a", "secret")).0, 200);
        running.stop();
        std::fs::write(&file, "basic_auth_users: {a: b}").expect("written");
        let wrong = Gate::open(Some(&file), logger).err().expect("refused");
        assert!(wrong.contains("not a bcrypt hash"), "{wrong}");
        std::fs::remove_file(&file).expect("removed");
    }

    #[test]
    fn what_needs_readiness_waits_for_it_and_the_rest_does_not() {
        let running = Running::start(Settings { lifecycle: false, ..settings() });
        for (phase, stopping) in [(Phase::Starting, "false"), (Phase::Stopping, "true")] {
            running.phase.send_replace(phase);
            for path in ["/-/ready", "/api/v1/targets", "/version", "/"] {
                let (status, head, body) = running.ask("GET", path);
                assert_eq!((status, body.as_str()), (503, "Service Unavailable"), "{path}");
                assert!(head.contains(&format!("x-prometheus-stopping: {stopping}")), "{head}");
            }
            assert_eq!(running.ask("GET", "/-/healthy").0, 200);
            assert_eq!(running.ask("GET", "/api/v1/status/walreplay").0, 200);
            let (status, head, body) = running.ask("GET", "/metrics");
            assert!(status == 200 && head.contains("text/plain; version=0.0.4"), "{head}");
            assert!(body.contains("\nprometheus_ready 0\n"));
        }
        let (status, _, body) = running.ask("POST", "/-/reload");
        assert_eq!((status, body.as_str()), (403, "Lifecycle API is not enabled."));
        let (_, _, body) = running.ask("GET", "/metrics");
        let counted = "prometheus_http_requests_total{code=\"403\",handler=\"/-/reload\"} 1";
        assert!(body.contains(counted), "{body}");
        running.stop();
    }

    #[test]
    fn a_route_prefix_moves_every_path() {
        let prefixed = Settings { route_prefix: "/prom".to_owned(), ..settings() };
        let running = Running::start(prefixed);
        assert_eq!(running.ask("GET", "/prom/-/healthy").0, 200);
        assert_eq!(running.ask("GET", "/-/healthy").0, 404);
        assert_eq!(running.ask("GET", "/promx").0, 404);
        let (status, head, _) = running.ask("GET", "/");
        assert!(status == 302 && head.contains("location: /prom/"), "{head}");
        let (status, head, _) = running.ask("GET", "/prom");
        assert!(status == 302 && head.contains("location: /prom/agent"), "{head}");
        running.stop();
    }

    #[test]
    fn requests_that_are_made_to_hurt_are_refused_and_harm_nobody() {
        let running = Running::start(settings());
        let long = format!("X-A: {}\r\n", "a".repeat(1 << 20));
        let many = "X-A: b\r\n".repeat(10_000);
        let head = "GET /-/healthy HTTP/1.1\r\nHost: x\r\n";
        for (name, request) in [
            ("two lengths", format!("{head}Content-Length: 5\r\nContent-Length: 6\r\n\r\n")),
            ("a length that is none", format!("{head}Content-Length: 5 6\r\n\r\n")),
            ("a coding that is not known", format!("{head}Transfer-Encoding: x\r\n\r\n")),
            ("a blank before the colon", format!("{head}Content-Length : 5\r\n\r\n")),
            ("a header without an end", format!("{head}{long}\r\n")),
            ("too many headers", format!("{head}{many}\r\n")),
            ("an address without an end", format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(1 << 20))),
            ("no HTTP", "\x16\x03\x01\x02\x00\x01\r\n\r\n".to_owned()),
        ] {
            let mut stream = TcpStream::connect(running.address).expect("open");
            // It may be closed before all is sent.
            let _ = stream.write_all(request.as_bytes());
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            let text = String::from_utf8_lossy(&answer);
            assert!(!text.contains(" 200 "), "{name}: {text}");
        }
        // No body is waited for, however long it is said to be.
        let mut stream = TcpStream::connect(running.address).expect("open");
        let endless = "POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n";
        stream.write_all(endless.as_bytes()).expect("sent");
        let mut start = [0; 12];
        stream.read_exact(&mut start).expect("answered");
        assert_eq!(&start, b"HTTP/1.1 500");
        assert_eq!(running.ask("GET", "/-/healthy").0, 200);
        running.stop();
    }

    #[test]
    fn a_request_that_does_not_end_is_cut_off_and_frees_its_connection() {
        let read_timeout = Duration::from_millis(20);
        let running = Running::start(Settings { read_timeout, connections_max: 1, ..settings() });
        let mut slow = TcpStream::connect(running.address).expect("open");
        slow.write_all(b"GET /-/healthy HTTP/1.1\r\nHost:").expect("sent");
        let mut rest = Vec::new();
        // Ends because the server closes, in whatever way.
        let _ = slow.read_to_end(&mut rest);
        assert_eq!(running.ask("GET", "/-/healthy").0, 200);
        running.stop();
    }
}
