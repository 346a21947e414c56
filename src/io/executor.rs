//! One core: a pinned thread that runs one future on the runtime chosen.

use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;

use glommio::{LocalExecutorBuilder, Placement, PoolPlacement};

use crate::io::epoll::EpollReactor;
use crate::io::reactor::Reactor;
use crate::io::uring::UringReactor;
use crate::io::{Bell, Clock, Net, Resolver, Runtime, system};

/// Memory that glommio keeps for its file buffers, which nothing here uses: the least it is content with.
// spec: runtime D12
const IO_MEMORY_BYTES: usize = 64 << 10;
/// Entries of a core's rings; pending polls sit in a hash of this size.
// spec: runtime D13
const RING_DEPTH: usize = 1024;

/// Starts the thread `name`, pinned to `cpu` when one is given. `body` runs on it and makes the core's future, which
/// must wait in `Net::wait` and nowhere else; the core ends when the future does. Everything the core owns is made
/// and dropped on its own thread. The error says why the thread or its runtime could not be set up.
pub fn start_core<F, Fut>(
    runtime: Runtime,
    name: &str,
    cpu: Option<usize>,
    clock: Clock,
    resolver: &Resolver,
    bell: &Bell,
    body: F,
) -> io::Result<JoinHandle<()>>
where
    F: FnOnce(Net) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + 'static,
{
    let (resolver, bell) = (resolver.clone(), bell.clone());
    let (started, start) = crossbeam_channel::bounded(1);
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        // Whoever waits for the start is there until it is told.
        let report = |outcome| drop(started.send(outcome));
        match runtime {
            Runtime::Epoll => match epoll(cpu, &bell) {
                Ok(reactor) => {
                    report(Ok(()));
                    let net = Net::new(clock, bell, Reactor::Epoll(reactor), resolver);
                    run_ready(body(net));
                }
                Err(error) => report(Err(error)),
            },
            Runtime::Uring => match uring(cpu) {
                Ok(executor) => {
                    report(Ok(()));
                    executor.run(async move {
                        let reactor = UringReactor::new(bell.clone()).await;
                        let net = Net::new(clock, bell, Reactor::Uring(reactor), resolver);
                        body(net).await;
                    });
                }
                Err(error) => report(Err(error)),
            },
        }
    })?;
    match start.recv() {
        Ok(Ok(())) => Ok(thread),
        Ok(Err(error)) => {
            drop(thread.join());
            Err(error)
        }
        Err(_) => {
            drop(thread.join());
            Err(io::Error::other("the core's thread died while it was set up"))
        }
    }
}

fn epoll(cpu: Option<usize>, bell: &Bell) -> io::Result<EpollReactor> {
    if let Some(cpu) = cpu {
        system::pin(cpu)?;
    }
    EpollReactor::new(bell)
}

// spec: runtime R8; the preemption timer keeps its default (R4, D1)
fn uring(cpu: Option<usize>) -> io::Result<glommio::LocalExecutor> {
    LocalExecutorBuilder::new(cpu.map_or(Placement::Unbound, Placement::Fixed))
        .io_memory(IO_MEMORY_BYTES)
        .ring_depth(RING_DEPTH)
        // Without this its helper thread would be pinned to the core's CPU.
        .blocking_thread_pool_placement(PoolPlacement::Unbound(1))
        .make()
        .map_err(io::Error::from)
}

/// Runs a future that never pends, because on this runtime `Net::wait` sleeps in the kernel itself.
fn run_ready(future: impl Future<Output = ()>) {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(()) => {}
        Poll::Pending => panic!("the future of a core waited for something other than Net::wait"),
    }
}
