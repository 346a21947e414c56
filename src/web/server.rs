//! The thread of the admin server.

#![expect(clippy::disallowed_types, reason = "handlers share the request counters")]

use core::time::Duration;
use std::collections::BTreeMap;
use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use axum::Router;
use crossbeam_channel::Sender;
use tokio::sync::{Mutex as AsyncMutex, OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::base::limits;
use crate::model::{Push, PushOutcome};
use crate::web::connection::Doorway;
use crate::web::past::Past;
use crate::web::{
    Ask, Cardinality, ExternalUrl, Gate, Origins, Phase, Receivers, Snapshot, routes,
};

/// How long answers under way may take once the process ends.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long the coordinator may take to answer a question.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between moments that rates are taken over.
const MOMENT: Duration = Duration::from_secs(5);
/// Pages may show what is as old as this.
const RECENT: Duration = Duration::from_secs(1);
const COUNTED: Duration = Duration::from_secs(60);
/// Threads for long answers and for passwords; they end when they have nothing to do.
const HELPERS: usize = 4;

/// What does not change while the process runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Allows `/-/reload` and `/-/quit`.
    pub lifecycle: bool,
    pub read_timeout: Duration,
    /// Over all listeners.
    pub connections_max: usize,
    pub external: ExternalUrl,
    /// Empty, or `/prefix`; see [`crate::web::route_prefix`].
    pub route_prefix: String,
    /// Our own port, by which targets that are us are recognised.
    pub port: u16,
    pub page_title: String,
    /// Directory whose files are served below `/user/`.
    pub user_assets: Option<PathBuf>,
    /// Pages of these origins may read the API.
    pub origins: Origins,
    /// Every flag with its value.
    pub flags: Vec<(String, String)>,
    pub receivers: Receivers,
}

/// Starts the thread `web`. It ends, after answers under way, when the sender of `phase` is dropped.
///
/// # Errors
/// The system refuses a thread or its event queue.
pub fn serve(
    listeners: Vec<TcpListener>,
    settings: Settings,
    gate: Gate,
    asks: Sender<Ask>,
    phase: watch::Receiver<Phase>,
) -> io::Result<JoinHandle<()>> {
    for listener in &listeners {
        listener.set_nonblocking(true)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(HELPERS)
        .thread_name("web-helper")
        .build()?;
    let gate = Arc::new(gate);
    let desk = Desk {
        settings,
        gate,
        asks,
        phase,
        answered: Mutex::default(),
        past: Mutex::default(),
        recent: Mutex::default(),
        counted: AsyncMutex::default(),
        pushed: Arc::new(Semaphore::new(limits::PUSHED_BYTES)),
    };
    std::thread::Builder::new().name("web".to_owned()).spawn(move || {
        runtime.block_on(run(listeners, Arc::new(desk)));
    })
}

async fn run(listeners: Vec<TcpListener>, desk: Arc<Desk>) {
    let free = Arc::new(Semaphore::new(desk.settings.connections_max));
    let mut tasks = JoinSet::new();
    for listener in listeners {
        // Fails only outside of a runtime.
        let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
            continue;
        };
        let (free, patience) = (Arc::clone(&free), desk.settings.read_timeout);
        let gate = Arc::clone(&desk.gate);
        let doorway = Doorway { listener, free, patience, gate };
        let router = Router::new().fallback(routes::answer).with_state(Arc::clone(&desk));
        let serving =
            axum::serve(doorway, router).with_graceful_shutdown(ended(desk.phase.clone()));
        tasks.spawn(async move { serving.await.is_ok() });
    }
    let noting = tokio::spawn(note(Arc::clone(&desk)));
    ended(desk.phase.clone()).await;
    noting.abort();
    let _ = timeout(FAREWELL, async { while tasks.join_next().await.is_some() {} }).await;
}

/// Keeps the last minute, for rates.
async fn note(desk: Arc<Desk>) {
    loop {
        if desk.phase() == Phase::Ready
            && let Some(snapshot) = desk.snapshot(false).await
        {
            desk.past.lock().unwrap_or_else(PoisonError::into_inner).note(&snapshot);
        }
        sleep(MOMENT).await;
    }
}

/// Waits until nobody can change the phase any more.
async fn ended(mut phase: watch::Receiver<Phase>) {
    while phase.changed().await.is_ok() {}
}

/// What handlers work with.
pub(super) struct Desk {
    pub(super) settings: Settings,
    pub(super) gate: Arc<Gate>,
    asks: Sender<Ask>,
    phase: watch::Receiver<Phase>,
    answered: Mutex<BTreeMap<(&'static str, u16), u64>>,
    past: Mutex<Past>,
    recent: Mutex<Option<(Instant, bool, Arc<Snapshot>)>>,
    counted: AsyncMutex<Option<(Instant, Result<Cardinality, String>)>>,
    /// Bytes that pushes may still take.
    pushed: Arc<Semaphore>,
}

impl Desk {
    pub(super) fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// `None` when the coordinator is too busy to answer, or gone.
    pub(super) async fn snapshot(&self, targets: bool) -> Option<Snapshot> {
        let (reply, answer) = oneshot::channel();
        self.asks.try_send(Ask::Report { targets, reply }).ok()?;
        timeout(PATIENCE, answer).await.ok()?.ok()
    }

    /// As [`Desk::snapshot`], or one that is not older than a second: who turns pages asks often.
    pub(super) async fn recent(&self, targets: bool) -> Option<Arc<Snapshot>> {
        let lock = || self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = lock().clone();
        if let Some((at, with_targets, snapshot)) = kept
            && at.elapsed() < RECENT
            && (with_targets || !targets)
        {
            return Some(snapshot);
        }
        let snapshot = Arc::new(self.snapshot(targets).await?);
        *lock() = Some((Instant::now(), targets, Arc::clone(&snapshot)));
        Some(snapshot)
    }

    pub(super) fn past(&self) -> Past {
        self.past.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counted at most once a minute, and by one at a time.
    pub(super) async fn cardinality(&self) -> Result<Cardinality, String> {
        let mut counted = self.counted.lock().await;
        if let Some((at, found)) = &*counted
            && at.elapsed() < COUNTED
        {
            return found.clone();
        }
        let (reply, answer) = oneshot::channel();
        let gone = || "the coordinator does not answer".to_owned();
        self.asks.try_send(Ask::Cardinality { reply }).map_err(|_| gone())?;
        let found = answer.await.unwrap_or_else(|_| Err(gone()));
        *counted = Some((Instant::now(), found.clone()));
        found
    }

    /// Room for a push; `None`: too much is being worked on.
    pub(super) fn reserve(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes).ok()?;
        Arc::clone(&self.pushed).try_acquire_many_owned(bytes).ok()
    }

    /// Hands parts to their shards; what is given ends with an error if the process does.
    pub(super) fn push(&self, parts: Vec<(u16, Push)>) -> Option<oneshot::Receiver<PushOutcome>> {
        let (reply, answer) = oneshot::channel();
        self.asks.try_send(Ask::Push { parts, reply }).ok()?;
        Some(answer)
    }

    /// Takes as long as the reload (spec: HTTP-42).
    pub(super) async fn reload(&self) -> Result<(), String> {
        let (reply, answer) = oneshot::channel();
        let gone = || "the process is stopping".to_owned();
        self.asks.try_send(Ask::Reload { reply }).map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    pub(super) async fn quit(&self) {
        let (reply, answer) = oneshot::channel();
        if self.asks.try_send(Ask::Quit { reply }).is_ok() {
            let _ = timeout(PATIENCE, answer).await;
        }
    }

    pub(super) fn count(&self, handler: &'static str, status: u16) {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        *answered.entry((handler, status)).or_default() += 1;
    }

    pub(super) fn counts(&self) -> Vec<(String, u16, u64)> {
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.iter().map(|(&(path, status), &n)| (path.to_owned(), status, n)).collect()
    }
}
