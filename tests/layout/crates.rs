//! Which foreign crate is named where. A crate has few owners, so it can be replaced.

use std::collections::BTreeSet;

use crate::source::{Source, words};

/// A dependency: its name in `Cargo.toml`, its name in code, and the files or folders of `src` that may name it.
pub struct Owned {
    pub package: &'static str,
    pub name: &'static str,
    pub owners: &'static [&'static str],
}

const fn owned(
    package: &'static str,
    name: &'static str,
    owners: &'static [&'static str],
) -> Owned {
    Owned { package, name, owners }
}

#[rustfmt::skip]
pub const OWNED: &[Owned] = &[
    owned("glommio", "glommio", &["io/executor.rs", "io/uring.rs"]),
    owned("futures-lite", "futures_lite", &["io/uring.rs"]),
    owned("mio", "mio", &["io/bell.rs", "io/epoll.rs"]),
    owned("crossbeam-channel", "crossbeam_channel", &["client/", "coordinator/", "discovery/", "disk/", "driver/", "io/", "web/"]),
    owned("libc", "libc", &["disk/space.rs", "io/preflight.rs", "io/system.rs", "wal/guard.rs"]),
    owned("signal-hook", "signal_hook", &["coordinator/start.rs"]),
    owned("memmap2", "memmap2", &["wal/map.rs"]),
    owned("crc32c", "crc32c", &["base/checksum.rs"]),
    owned("xxhash-rust", "xxhash_rust", &["base/hash.rs"]),
    owned("fast-float2", "fast_float2", &["exposition/number.rs"]),
    owned("memchr", "memchr", &["exposition/", "http/client.rs", "scrape/page.rs"]),
    owned("regex", "regex", &["relabel/pattern.rs"]),
    owned("md-5", "md5", &["config/remote.rs", "relabel/apply.rs"]),
    owned("prost", "prost", &["inspect/tests/export.rs", "receive/", "send/symbols.rs", "send/tests.rs", "wire/"]),
    owned("httparse", "httparse", &["http/head.rs"]),
    owned(
        "snap",
        "snap",
        &[
            "http/encoding.rs",
            "inspect/tests/export.rs",
            "send/ops.rs",
            "send/stencils.rs",
            "send/tests.rs",
        ],
    ),
    owned("flate2", "flate2", &["http/encoding.rs", "http/gzip.rs", "web/answer.rs"]),
    owned("crc32fast", "crc32fast", &["http/gzip.rs"]),
    owned("base64", "base64", &["auth/basic.rs", "client/jwt.rs", "config/kubeconfig.rs"]),
    owned("rustls", "rustls", &["client/standin.rs", "io/net.rs", "io/tests.rs", "tls/"]),
    owned("rustls-native-certs", "rustls_native_certs", &["client/roots.rs"]),
    owned("reqwest", "reqwest", &["client/"]),
    owned("ring", "ring", &["auth/sigv4.rs", "client/"]),
    owned("saphyr-parser", "saphyr_parser", &["config/yaml.rs"]),
    owned("clap", "clap", &["flags/parse.rs", "flags/tool.rs", "flags/wal.rs"]),
    owned("clap_complete", "clap_complete", &["flags/shell.rs", "flags/tool.rs"]),
    owned("clap_mangen", "clap_mangen", &["flags/shell.rs"]),
    owned("axum", "axum", &["web/"]),
    owned("tokio", "tokio", &["client/", "coordinator/", "discovery/", "web/"]),
    owned("tokio-rustls", "tokio_rustls", &["web/"]),
    owned("bcrypt", "bcrypt", &["web/gate.rs"]),
    owned("hickory-resolver", "hickory_resolver", &["discovery/dns.rs"]),
    owned("serde", "serde", &["discovery/http.rs", "web/"]),
    owned(
        "serde_json",
        "serde_json",
        &["client/", "coordinator/failure_log.rs", "discovery/", "inspect/dump.rs", "web/"],
    ),
    owned("notify", "notify", &["discovery/watch.rs"]),
    owned("hashbrown", "hashbrown", &["send/stencil.rs", "send/symbols.rs"]),
];

/// Files that may share state between threads, or within one behind a cell: the edges, and never a core. The log's map
/// publishes a record by one store that is seen whole by whoever opens the file next; its guard is a signal handler,
/// which has no owner.
const SHARING: [&str; 10] = [
    "client/",
    "coordinator/",
    "discovery/consul.rs",
    "discovery/kubernetes/",
    "discovery/thread.rs",
    "io/",
    "tls/",
    "wal/guard.rs",
    "wal/map.rs",
    "web/",
];
const SHARED: [&str; 8] =
    ["Arc", "LazyLock", "Mutex", "OnceLock", "Rc", "RefCell", "RwLock", "thread_local"];

/// Files with unsafe code. The load driver is not part of the program.
const UNSAFE: [&str; 5] = [
    "bench/load/system.rs",
    "src/disk/space.rs",
    "src/io/system.rs",
    "src/wal/guard.rs",
    "src/wal/map.rs",
];

fn covers(list: &[&str], path: &str) -> bool {
    list.iter().any(|item| *item == path || (item.ends_with('/') && path.starts_with(item)))
}

/// Places where `name` begins a path or is imported.
fn uses<'a>(code: &'a str, name: &'a str) -> impl Iterator<Item = usize> + 'a {
    words(code, name).filter(move |&at| {
        let (before, after) = (code[..at].trim_end(), &code[at + name.len()..]);
        let imported = before.ends_with("use") && after.starts_with(';');
        let inner = before.strip_suffix("::").is_some_and(|path| {
            path.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '>')
        });
        !inner && !before.ends_with('.') && (after.starts_with("::") || imported)
    })
}

/// Crates named by files that do not own them.
pub fn strangers(files: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        let Some(path) = file.below_src() else {
            continue;
        };
        for owned in OWNED.iter().filter(|owned| !covers(owned.owners, path)) {
            for at in uses(&file.code, owned.name) {
                let message = format!("{} belongs to {:?}", owned.name, owned.owners);
                findings.push(file.finding(at, &message));
            }
        }
    }
    findings
}

/// Dependencies without an owner here, and owners that do not use what they own.
pub fn unowned(manifest: &str, files: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    let written = dependencies(manifest);
    let known: BTreeSet<&str> = OWNED.iter().map(|owned| owned.package).collect();
    for package in written.symmetric_difference(&known) {
        findings.push(format!(
            "Cargo.toml: {package} is not both a dependency and in the table of owners"
        ));
    }
    for owned in OWNED {
        for owner in owned.owners {
            let used = files.iter().any(|file| {
                let below = file.below_src().unwrap_or_default();
                covers(&[owner], below) && uses(&file.code, owned.name).next().is_some()
            });
            if !used {
                findings.push(format!("table: {owner} owns {} and does not use it", owned.package));
            }
        }
    }
    findings
}

/// Keys of the section `[dependencies]`.
fn dependencies(manifest: &str) -> BTreeSet<&str> {
    let section = manifest.split("\n[").find(|section| section.starts_with("dependencies]"));
    let lines = section.unwrap_or_default().lines();
    lines
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some(line.split_once('=')?.0.trim()))
        .collect()
}

/// Shared or interior state, and statics that change, where a core lives.
pub fn shared_state(files: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        let Some(path) = file.below_src() else {
            continue;
        };
        if covers(&SHARING, path) {
            continue;
        }
        for name in SHARED {
            for at in words(&file.code, name) {
                findings.push(file.finding(at, &format!("{name}: a core shares nothing")));
            }
        }
        for (at, _) in file.code.match_indices("Atomic") {
            findings.push(file.finding(at, "an atomic: a core shares nothing"));
        }
        for (at, _) in file.code.match_indices("static mut ") {
            findings.push(file.finding(at, "a static that changes: state has an owner"));
        }
    }
    findings
}

pub fn unsafe_places(files: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        if UNSAFE.contains(&&*file.path) {
            continue;
        }
        for word in ["unsafe", "unsafe_code"] {
            for at in words(&file.code, word) {
                let message = format!("{word}: only in {UNSAFE:?}");
                findings.push(file.finding(at, &message));
            }
        }
    }
    for path in UNSAFE {
        let used =
            |file: &Source| file.path == path && words(&file.code, "unsafe").next().is_some();
        if !files.iter().any(used) {
            findings.push(format!("list: {path} has no unsafe code any more"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_is_found_with_its_line() {
        let text = "use std::io;\nuse glommio::net::TcpStream;\n";
        let found = strangers(&[Source::new("src/scrape/target.rs", text)]);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("src/scrape/target.rs:2: glommio belongs to"), "{found:?}");
        let text = "fn f() { let x = tokio::spawn(::libc::X); }\nuse libc;";
        assert_eq!(strangers(&[Source::new("src/wal/log.rs", text)]).len(), 3);
        let own = "use crate::regex::X; // regex::Regex\nlet a = x.regex::<u8>();";
        assert_eq!(strangers(&[Source::new("src/wal/log.rs", own)]), [""; 0]);
    }

    #[test]
    fn a_dependency_without_owner_is_found() {
        let manifest = "[package]\nname = \"a\"\n\n[dependencies]\n# why\nnew-crate = \"1\"\n\n[lints]\nb = 1\n";
        assert_eq!(dependencies(manifest).into_iter().collect::<Vec<_>>(), ["new-crate"]);
        let found = unowned(manifest, &[]);
        assert!(found.iter().any(|line| line.contains("new-crate")), "{found:?}");
    }

    #[test]
    fn shared_state_and_unsafe_code_are_found() {
        let text =
            "use std::sync::Arc;\nstatic mut A: u8 = 0;\nfn f(x: &'static str, y: AtomicU64) {}";
        let found = shared_state(&[Source::new("src/shard/machine.rs", text)]);
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(shared_state(&[Source::new("src/io/bell.rs", text)]), [""; 0]);
        let text = "fn f() {\n    unsafe { g() }\n}";
        let found = unsafe_places(&[Source::new("src/wal/log.rs", text)]);
        assert!(found[0].starts_with("src/wal/log.rs:2: unsafe"), "{found:?}");
    }
}
