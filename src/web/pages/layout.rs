//! What every page has around it, and the two files that it loads.

use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, HeaderName};
use axum::response::Response;

use crate::telemetry::build;
use crate::web::answer;
use crate::web::pages::html::Html;
use crate::web::server::Settings;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// Nothing is loaded from elsewhere, and nothing that stands in a page is run.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'";

/// The pages, in the order of their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::web) enum Page {
    Overview,
    Targets,
    Discovery,
    Endpoints,
    Cores,
    Cardinality,
    Configuration,
    Flags,
    Status,
    /// A page of the discovery.
    Steps,
}

const MENU: [(Page, &str, &str); 9] = [
    (Page::Overview, "/agent", "Overview"),
    (Page::Targets, "/targets", "Targets"),
    (Page::Discovery, "/service-discovery", "Discovery"),
    (Page::Endpoints, "/endpoints", "Endpoints"),
    (Page::Cores, "/cores", "Cores and log"),
    (Page::Cardinality, "/cardinality", "Cardinality"),
    (Page::Configuration, "/config", "Configuration"),
    (Page::Flags, "/flags", "Flags"),
    (Page::Status, "/status", "Status"),
];

/// The whole page around `main`.
pub(super) fn page(settings: &Settings, page: Page, main: &Html) -> Response {
    let menu = if page == Page::Steps { Page::Discovery } else { page };
    let name = MENU.iter().find(|(known, ..)| *known == menu).map_or("", |(_, _, name)| name);
    let (prefix, version) = (settings.route_prefix.as_str(), build::VERSION);
    let mut html = Html::default();
    html.raw("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    html.raw("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>");
    html.text(name)
        .raw(" · ")
        .text(&settings.page_title)
        .raw("</title>\n<link rel=\"icon\" href=\"");
    html.raw("data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E");
    html.raw("%3Crect width='16' height='16' rx='4' fill='%230b6e6e'/%3E%3C/svg%3E\">\n");
    html.raw("<link rel=\"stylesheet\" href=\"").text(prefix).raw("/assets/corelane.css?v=");
    html.raw(version).raw("\"><script src=\"").text(prefix).raw("/assets/corelane.js?v=");
    html.raw(version)
        .raw("\"></script></head>\n<body><a class=\"skip\" href=\"#main\">Skip to content</a>");
    html.raw("<header><div class=\"bar\"><a class=\"brand\" href=\"").text(prefix).raw("/agent\">");
    html.text(&settings.page_title).raw("</a><nav aria-label=\"Pages\">");
    for (entry, path, name) in MENU {
        html.raw("<a href=\"").text(prefix).raw(path).raw("\"");
        html.raw(if entry == menu { " aria-current=\"page\">" } else { ">" }).raw(name).raw("</a>");
    }
    html.raw("</nav><button class=\"tool\" id=\"live\" type=\"button\">Live</button>");
    html.raw("<button class=\"tool\" id=\"theme\" type=\"button\">Theme</button></div></header>\n");
    html.raw("<main id=\"main\" tabindex=\"-1\">").raw(&main.out).raw("</main>\n<footer>corelane ");
    html.raw(version).raw(" · <a href=\"").text(prefix).raw("/metrics\">metrics</a>");
    html.raw(
        "<span class=\"keys\"> · keys: <kbd>1</kbd>–<kbd>9</kbd> pages, <kbd>/</kbd> filter, ",
    );
    html.raw(
        "<kbd>n</kbd> <kbd>p</kbd> turn the page, <kbd>r</kbd> refresh, <kbd>t</kbd> theme</span>",
    );
    html.raw("</footer></body></html>\n");
    let policy = HeaderName::from_static("content-security-policy");
    let response = answer::with(answer::html(html.out), policy, POLICY);
    answer::with(response, CACHE_CONTROL, "no-store")
}

/// A file that pages load; its name stands after `/assets/`.
pub(in crate::web) fn asset(name: &str) -> Response {
    let (kind, text) = match name {
        "corelane.css" => ("text/css; charset=utf-8", STYLE),
        "corelane.js" => ("text/javascript; charset=utf-8", SCRIPT),
        _ => return answer::not_found(),
    };
    let response = answer::typed(StatusCode::OK, kind, text.to_owned());
    // The address changes with the version.
    answer::with(response, CACHE_CONTROL, "public, max-age=86400")
}
