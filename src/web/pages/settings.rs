//! What was asked for: configuration, flags; and who is running.

use crate::telemetry::{Usage, build, rfc3339};
use crate::web::pages::endpoints::fact;
use crate::web::pages::format::{ago, bytes, count, duration, since};
use crate::web::pages::html::Html;
use crate::web::pages::route::Wish;
use crate::web::pages::targets::search;
use crate::web::server::Settings;
use crate::web::{Snapshot, hostname};

pub(super) fn write_config(html: &mut Html, snapshot: &Snapshot, wish: &Wish) {
    let process = &snapshot.process;
    html.title("Configuration");
    html.raw("<p class=\"note\">In force since ")
        .text(rfc3339(process.reload.last_success))
        .raw(" (");
    html.text(ago(process.reload.last_success, process.now))
        .raw("), with defaults, without secrets. ");
    if process.reload.successful {
        html.pill("up", "loaded");
    } else {
        html.pill("down", "the file on disk cannot be used");
    }
    html.raw("</p>\n");
    let text = match wish.pool.as_str() {
        "" => snapshot.config.to_yaml(),
        pool => snapshot.config.job_yaml(pool).unwrap_or_default(),
    };
    html.raw("<pre tabindex=\"0\">").text(text).raw("</pre>");
}

pub(super) fn write_flags(html: &mut Html, settings: &Settings, wish: &Wish) {
    html.title("Flags");
    html.raw("<form class=\"filter\" method=\"get\" role=\"search\">");
    search(html, &wish.q, "Filter: part of a name or value");
    html.raw("<button class=\"main\">Show</button></form>");
    html.table(&["Flag", "Value"]);
    let part = wish.q.to_lowercase();
    let wanted = |(name, value): &&(String, String)| {
        format!("--{name}={value}").to_lowercase().contains(&part)
    };
    for (name, value) in settings.flags.iter().filter(wanted) {
        html.raw("<tr><td class=\"mono\">--").text(name).raw("</td><td class=\"mono w\">");
        html.text(value).raw("</td></tr>\n");
    }
    html.end_table();
}

pub(super) fn write_status(html: &mut Html, settings: &Settings, snapshot: &Snapshot) {
    let (process, usage) = (&snapshot.process, Usage::read());
    html.title("Status").raw("<div class=\"grid\"><section>").heading("Program");
    html.raw("<div class=\"panel pad\"><dl class=\"facts\">");
    fact(html, "Version", build::VERSION);
    fact(html, "Revision", build::REVISION);
    fact(html, "Branch", build::BRANCH);
    fact(html, "Built", build::DATE);
    fact(html, "Platform", &format!("{}/{}", build::OS, build::architecture()));
    html.raw("</dl></div></section><section>").heading("Process");
    html.raw("<div class=\"panel pad\"><dl class=\"facts\">");
    let running = duration(since(process.started, process.now));
    fact(html, "Started", &format!("{} ({running} ago)", rfc3339(process.started)));
    fact(html, "Host", &hostname());
    let directory = std::env::current_dir().map(|path| path.to_string_lossy().into_owned());
    fact(html, "Working directory", &directory.unwrap_or_default());
    fact(html, "Cores", &format!("{}, waiting on {}", process.cores, process.runtime));
    fact(html, "CPU time", &format!("{:.1} s", usage.cpu_seconds));
    fact(html, "Resident memory", &bytes(usage.resident_bytes));
    fact(html, "Threads", &count(usage.threads));
    let files = format!("{} of {}", count(usage.open_fds), count(usage.fds_max));
    fact(html, "File descriptors", &files);
    let clean = match process.clean_start {
        Some(true) => "ended cleanly",
        Some(false) => "did not end cleanly; every committed sample was in the log",
        None => "unknown: no lock file is kept",
    };
    fact(html, "Last run", clean);
    let external = &settings.external;
    let url = format!("{}://{}{}/", external.scheme, external.host, external.path);
    fact(html, "External URL", &url);
    html.raw("</dl></div></section></div>");
}
