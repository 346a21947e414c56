//! The thread that keeps credentials good: asks for them, and again before they end.

use core::time::Duration;
use std::collections::HashMap;
use std::io;

use crossbeam_channel::Sender;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::client::{ClientError, Credential, Source};

/// Pauses after a failure.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);
/// Longest time to get one credential, which may take several requests.
const PATIENCE: Duration = Duration::from_secs(30);

/// What became of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// [`Source::key`].
    pub key: u64,
    pub news: News,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    Got(Credential),
    /// Why not; it will be tried again. `ended`: the credential there was is of no use any more.
    Failed {
        why: String,
        ended: bool,
    },
}

/// The running thread; it ends when this is dropped.
#[derive(Debug)]
pub struct Keeper {
    wanted: UnboundedSender<Vec<Source>>,
}

impl Keeper {
    /// Starts the thread `tokens`.
    ///
    /// # Errors
    /// The system refuses a thread, or what a runtime needs.
    pub fn start(user_agent: &'static str, outcomes: Sender<Outcome>) -> io::Result<Keeper> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (wanted, inbox) = unbounded_channel();
        std::thread::Builder::new()
            .name("tokens".to_owned())
            .spawn(move || runtime.block_on(run(inbox, user_agent, outcomes)))?;
        Ok(Keeper { wanted })
    }

    /// The sources in force. Those that were there are left alone.
    pub fn want(&self, sources: Vec<Source>) {
        // The thread ends with this sender, not before.
        drop(self.wanted.send(sources));
    }
}

async fn run(
    mut inbox: UnboundedReceiver<Vec<Source>>,
    user_agent: &'static str,
    outcomes: Sender<Outcome>,
) {
    let mut tasks: HashMap<u64, JoinHandle<()>> = HashMap::new();
    while let Some(sources) = inbox.recv().await {
        let keys: Vec<u64> = sources.iter().map(Source::key).collect();
        tasks.retain(|key, task| {
            let wanted = keys.contains(key);
            if !wanted {
                task.abort();
            }
            wanted
        });
        for (key, source) in keys.into_iter().zip(sources) {
            let outcomes = outcomes.clone();
            tasks.entry(key).or_insert_with(|| {
                tokio::spawn(async move { keep(key, &source, user_agent, &outcomes).await })
            });
        }
    }
}

async fn keep(key: u64, source: &Source, user_agent: &str, outcomes: &Sender<Outcome>) {
    let mut pause = RETRY_MIN;
    let mut end: Option<Instant> = None;
    loop {
        let issued = timeout(PATIENCE, source.fetch(user_agent)).await;
        let wait = match issued.unwrap_or(Err(ClientError::Timeout)) {
            Ok(issued) => {
                pause = RETRY_MIN;
                let news = News::Got(issued.credential);
                if outcomes.send(Outcome { key, news }).is_err() {
                    return;
                }
                let Some(good_for) = issued.good_for else {
                    return;
                };
                end = Some(Instant::now() + good_for);
                renew_after(good_for)
            }
            Err(error) => {
                let ended = end.is_none_or(|end| end <= Instant::now());
                let news = News::Failed { why: error.to_string(), ended };
                if outcomes.send(Outcome { key, news }).is_err() {
                    return;
                }
                let wait = jittered(pause);
                pause = (pause * 2).min(RETRY_MAX);
                // That it has ended is said when it ends.
                let left = end.map(|end| end.saturating_duration_since(Instant::now()));
                match left {
                    Some(left) if !left.is_zero() => wait.min(left + Duration::from_millis(10)),
                    _ => wait,
                }
            }
        };
        sleep(wait).await;
    }
}

/// With a fifth of its time left there is room for some failures.
fn renew_after(good_for: Duration) -> Duration {
    (good_for / 5 * 4).max(Duration::from_millis(100))
}

/// Up to a tenth more, so that a fleet does not come back in step.
fn jittered(wait: Duration) -> Duration {
    let mut byte = [0];
    // Without randomness there is no jitter.
    let _ = SystemRandom::new().fill(&mut byte);
    wait + wait / 10 * u32::from(byte[0]) / 255
}
