//! Which program this is.

use core::fmt::Write as _;

pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Given to the compiler by whoever builds a release.
pub const REVISION: &str = match option_env!("CORELANE_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};
pub const BRANCH: &str = match option_env!("CORELANE_BRANCH") {
    Some(branch) => branch,
    None => "unknown",
};
pub const DATE: &str = match option_env!("CORELANE_BUILD_DATE") {
    Some(date) => date,
    None => "unknown",
};

/// Operating system and architecture by the names that Prometheus's labels use.
pub const OS: &str = std::env::consts::OS;

pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// What `--version` prints, in the shape of Prometheus (spec: CLI-42).
pub fn version_text() -> String {
    let mut text =
        format!("corelane, version {VERSION} (branch: {BRANCH}, revision: {REVISION})\n");
    let _ = writeln!(text, "  build date:       {DATE}");
    let _ = writeln!(text, "  platform:         {OS}/{}", architecture());
    text
}
