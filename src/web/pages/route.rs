//! From a request for a page to the page.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use tokio::task::spawn_blocking;

use crate::web::answer;
use crate::web::pages::html::Html;
use crate::web::pages::layout::{Page, page};
use crate::web::pages::{
    cardinality, cores, discovery, endpoints, overview, settings as written, targets,
};
use crate::web::server::Desk;

/// What a page is asked for; everything may be missing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wish {
    /// Parts that labels, URL or error must hold, separated by blanks.
    pub(super) q: String,
    pub(super) pool: String,
    pub(super) state: String,
    pub(super) sort: String,
    /// From 1.
    pub(super) page: usize,
    /// For the step debugger: one `name=value` a line.
    pub(super) labels: String,
    pub(super) rules: String,
}

/// By the path below the prefix, with the path's name in metrics.
pub(in crate::web) fn of(path: &str) -> Option<(Page, &'static str)> {
    Some(match path {
        "/agent" => (Page::Overview, "/agent"),
        "/targets" => (Page::Targets, "/targets"),
        "/service-discovery" => (Page::Discovery, "/service-discovery"),
        "/service-discovery/steps" => (Page::Steps, "/service-discovery/steps"),
        "/endpoints" => (Page::Endpoints, "/endpoints"),
        "/cores" => (Page::Cores, "/cores"),
        "/cardinality" => (Page::Cardinality, "/cardinality"),
        "/config" => (Page::Configuration, "/config"),
        "/flags" => (Page::Flags, "/flags"),
        "/status" => (Page::Status, "/status"),
        _ => return None,
    })
}

/// `None` when the coordinator does not answer. `text`: the query part of the URL.
pub(in crate::web) async fn answer(desk: &Arc<Desk>, wanted: Page, text: &str) -> Option<Response> {
    let Some(wish) = answer::query::<Wish>(text) else {
        return Some(answer::text(StatusCode::BAD_REQUEST, "malformed query\n"));
    };
    let with_states = matches!(wanted, Page::Overview | Page::Targets | Page::Cardinality);
    let snapshot = desk.recent(with_states).await?;
    let found = match wanted {
        Page::Cardinality => Some(desk.cardinality().await),
        _ => None,
    };
    let past = desk.past();
    let desk = Arc::clone(desk);
    let made = spawn_blocking(move || {
        let settings = &desk.settings;
        let mut html = Html::default();
        match wanted {
            Page::Overview => overview::write(&mut html, settings, &snapshot, &past),
            Page::Targets => targets::write(&mut html, settings, &snapshot, &wish),
            Page::Discovery => discovery::write(&mut html, settings, &snapshot, &wish),
            Page::Steps => discovery::write_steps(&mut html, settings, &snapshot, &wish),
            Page::Endpoints => endpoints::write(&mut html, &snapshot, &past),
            Page::Cores => cores::write(&mut html, &snapshot),
            Page::Cardinality => {
                cardinality::write(&mut html, settings, &snapshot, found.as_ref());
            }
            Page::Configuration => written::write_config(&mut html, &snapshot, &wish),
            Page::Flags => written::write_flags(&mut html, settings, &wish),
            Page::Status => written::write_status(&mut html, settings, &snapshot),
        }
        page(settings, wanted, &html)
    });
    Some(made.await.unwrap_or_else(|_| answer::text(StatusCode::INTERNAL_SERVER_ERROR, "")))
}
