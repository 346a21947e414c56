//! The real binary against real peers on 127.0.0.1: exporters, receivers, signals, kills, restarts.
//!
//! The peers are those of `scripts/peers` (folder `.peers`, or `$CORELANE_PEERS`); without them the tests fail. Every
//! test has its own folder, ports and programs, so all run at once. Nothing waits for a fixed time: a test waits for
//! what it wants to see, up to a generous deadline (`wait::until`).
//!
//! Most tests scrape a *numbered* exporter (`exporter::Numbered`): page n says n in each of its series. So what a
//! receiver must hold is 1, 2, 3 … n per series, and any loss, repetition or disorder shows in the numbers.
#![expect(
    clippy::disallowed_methods,
    reason = "tests of a live program poll it and keep deadlines"
)]

mod admin;
mod agent;
mod books;
mod doorman;
mod exporter;
mod figures;
mod filesystem;
mod front;
mod peers;
mod program;
mod receiver;
mod scratch;
mod sender;
mod strict;
mod wait;
mod web;

mod arrival;
mod bad_endpoints;
mod bad_targets;
mod budget;
mod clouds;
mod compliance;
mod core_count;
mod cut_files;
mod damage;
mod exits;
mod full_disk;
mod habits;
mod inspect;
mod kills;
mod laws;
mod native;
mod outages;
mod pages;
mod pushes;
mod reloads;
mod second;
mod secure;
mod transport;
mod twins;
