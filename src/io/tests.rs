//! The network against real sockets on the loopback, once for each runtime.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::pki_types::PrivateKeyDer;

use crate::base::{Conn, Instant, limits};
use crate::io::{
    Bell, Cause, Clock, Completion, Net, Peer, Resolver, Runtime, RuntimeChoice, TlsPeer,
    available_cpus, mailbox, preflight, start_core,
};

const A: Conn = Conn(1);
const B: Conn = Conn(2);
/// When nothing has happened for so long, nothing will.
const PATIENCE: Duration = Duration::from_secs(30);

/// The runtimes that can be tested here.
fn runtimes() -> Vec<Runtime> {
    let mut runtimes = vec![Runtime::Epoll];
    match preflight(RuntimeChoice::Uring, 1) {
        Ok(_) => runtimes.push(Runtime::Uring),
        Err(why) => println!("skipped on uring: {why}"),
    }
    runtimes
}

/// Runs `body` on a core of each runtime.
fn on_each<F, Fut>(body: F)
where
    F: FnOnce(Net) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = ()> + 'static,
{
    for runtime in runtimes() {
        let (bell, resolver) = (Bell::new(), Resolver::new());
        let core =
            start_core(runtime, "core", None, Clock::start(), &resolver, &bell, body.clone());
        finish(runtime, core);
    }
}

fn finish(runtime: Runtime, core: std::io::Result<JoinHandle<()>>) {
    assert!(core.expect("starts").join().is_ok(), "on {}", runtime.name());
}

/// Listens, and serves each of `count` connections on a thread of its own.
fn serve(
    count: usize,
    service: impl Fn(TcpStream) + Clone + Send + 'static,
) -> (Peer, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let peer = peer("127.0.0.1", listener.local_addr().expect("bound").port());
    let thread = std::thread::spawn(move || {
        let mut threads = Vec::new();
        for _ in 0..count {
            let (stream, _) = listener.accept().expect("accepts");
            let service = service.clone();
            threads.push(std::thread::spawn(move || service(stream)));
        }
        threads.into_iter().for_each(|thread| thread.join().expect("served"));
    });
    (peer, thread)
}

fn peer(host: &str, port: u16) -> Peer {
    Peer { host: host.to_owned(), port, ..Peer::default() }
}

fn echo(mut stream: TcpStream) {
    let mut buffer = [0; 4096];
    while let Ok(bytes @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..bytes]).is_err() {
            break;
        }
    }
}

/// What happens next, other than a bell.
async fn next(net: &mut Net) -> Completion {
    let deadline = net.now().instant + PATIENCE;
    let mut out = Vec::new();
    loop {
        assert!(net.now().instant < deadline, "nothing happens");
        net.wait(deadline, &mut out).await;
        let about_links = |completion: &&Completion| !matches!(completion, Completion::Bell);
        assert!(out.iter().filter(about_links).count() <= 1, "IO1: {out:?}");
        out.retain(|completion| !matches!(completion, Completion::Bell));
        if let Some(completion) = out.pop() {
            return completion;
        }
    }
}

async fn open(net: &mut Net, conn: Conn, peer: &Peer) {
    net.open(conn, peer);
    assert_eq!(next(net).await, Completion::Opened(conn));
}

/// Sends everything, and reads meanwhile.
async fn send_all(net: &mut Net, conn: Conn, bytes: &[u8]) -> Vec<u8> {
    let (mut sent, mut heard) = (0, Vec::new());
    loop {
        sent += net.send(conn, &bytes[sent..]);
        if sent == bytes.len() {
            return heard;
        }
        loop {
            match next(net).await {
                Completion::Writable(_) => break,
                Completion::Read(_, read) => heard.extend(read),
                other => panic!("{other:?}"),
            }
        }
    }
}

/// Reads until `count` bytes have come.
async fn read(net: &mut Net, conn: Conn, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < count {
        match next(net).await {
            Completion::Read(from, read) if from == conn => {
                assert!((1..=limits::READ_BYTES).contains(&read.len()), "{}", read.len());
                bytes.extend_from_slice(&read);
                net.recycle(read);
            }
            other => panic!("{other:?} after {} bytes", bytes.len()),
        }
    }
    bytes
}

/// The end, after whatever is still read.
async fn end(net: &mut Net, conn: Conn) -> (Vec<u8>, Cause) {
    let mut bytes = Vec::new();
    loop {
        match next(net).await {
            Completion::Read(_, read) => bytes.extend(read),
            Completion::Closed(closed, cause) => {
                assert_eq!(closed, conn);
                return (bytes, cause);
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Nothing happens although the system was asked.
async fn nothing(net: &mut Net) {
    let mut out = Vec::new();
    for _ in 0..3 {
        net.wait(Instant(0), &mut out).await;
    }
    out.retain(|completion| !matches!(completion, Completion::Bell));
    assert_eq!(out, []);
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

#[test]
fn a_connection_opens_sends_and_reads() {
    on_each(async move |mut net: Net| {
        let (peer, server) = serve(1, echo);
        open(&mut net, A, &peer).await;
        for text in ["a", "hello", "and again"] {
            assert_eq!(net.send(A, text.as_bytes()), text.len());
            assert_eq!(read(&mut net, A, text.len()).await, text.as_bytes());
        }
        net.close(A);
        nothing(&mut net).await;
        server.join().expect("the server saw the end");
    });
}

#[test]
fn nobody_listening_is_refused() {
    on_each(async move |mut net: Net| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        drop(listener);
        net.open(A, &peer("127.0.0.1", port));
        assert_eq!(end(&mut net, A).await, (Vec::new(), Cause::Refused));
        nothing(&mut net).await;
    });
}

#[test]
fn an_end_in_order_is_told_from_a_reset() {
    on_each(async move |mut net: Net| {
        let (peer, server) = serve(1, |mut stream| {
            drop(stream.read(&mut [0; 64]));
            stream.write_all(b"bye").expect("writes");
        });
        open(&mut net, A, &peer).await;
        net.send(A, b"go");
        assert_eq!(end(&mut net, A).await, (b"bye".to_vec(), Cause::Ended));
        server.join().expect("served");

        // Closing with unread bytes makes the kernel send a reset.
        let (peer, server) = serve(1, |stream| {
            drop(stream.peek(&mut [0; 1]));
        });
        open(&mut net, A, &peer).await;
        net.send(A, b"unread");
        assert_eq!(end(&mut net, A).await, (Vec::new(), Cause::Reset));
        server.join().expect("served");
    });
}

#[test]
fn a_half_close_delivers_all_bytes_before_the_end() {
    on_each(async move |mut net: Net| {
        let body = pattern(1 << 20);
        let sent = body.clone();
        let (peer, server) = serve(1, move |mut stream| {
            stream.write_all(&sent).expect("writes");
            stream.shutdown(Shutdown::Write).expect("half closed");
            // The other direction still works; it ends when the core closes.
            assert_eq!(stream.read(&mut [0; 64]).expect("an end"), 0);
        });
        open(&mut net, A, &peer).await;
        let (bytes, cause) = end(&mut net, A).await;
        assert_eq!(cause, Cause::Ended);
        assert!(bytes == body);
        server.join().expect("served");
    });
}

#[test]
fn what_the_peer_said_before_a_reset_is_heard() {
    on_each(async move |mut net: Net| {
        let (peer, server) = serve(1, |mut stream| {
            stream.peek(&mut [0; 1]).expect("the request");
            stream.write_all(b"too large").expect("writes");
        });
        open(&mut net, A, &peer).await;
        net.send(A, b"a request");
        // The answer and the reset are both there before the core writes on, and fails.
        server.join().expect("served");
        assert_eq!(net.send(A, b"more of it"), 0);
        net.pause(A);
        nothing(&mut net).await;
        net.resume(A);
        assert_eq!(end(&mut net, A).await, (b"too large".to_vec(), Cause::Reset));
    });
}

#[test]
fn ten_megabytes_pass_a_slow_reader_in_parts() {
    on_each(async move |mut net: Net| {
        let body = pattern(10 << 20);
        let expected = body.clone();
        let (go, wait) = crossbeam_channel::bounded::<()>(1);
        let (peer, server) = serve(1, move |mut stream| {
            // Reads nothing until the core was refused.
            wait.recv().expect("told");
            let mut got = Vec::new();
            stream.read_to_end(&mut got).expect("reads");
            assert!(got == expected);
        });
        open(&mut net, A, &peer).await;
        let taken = net.send(A, &body);
        assert!(taken < body.len(), "the socket cannot hold all of it");
        assert_eq!(net.send(A, &body[taken..]), 0);
        nothing(&mut net).await;
        go.send(()).expect("the server waits");
        assert_eq!(next(&mut net).await, Completion::Writable(A));
        assert_eq!(send_all(&mut net, A, &body[taken..]).await, b"");
        net.close(A);
        server.join().expect("all of it came");
    });
}

#[test]
fn a_paused_connection_reads_nothing_until_resumed() {
    on_each(async move |mut net: Net| {
        let (peer, server) = serve(1, echo);
        open(&mut net, A, &peer).await;
        for pause_first in [true, false] {
            if pause_first {
                net.pause(A);
            }
            net.send(A, b"ping");
            let mut out = Vec::new();
            if pause_first {
                // Long enough for the echo to arrive, which must not be told.
                net.wait(net.now().instant + Duration::from_millis(50), &mut out).await;
                assert_eq!(out, []);
                net.resume(A);
                assert_eq!(read(&mut net, A, 4).await, b"ping");
            } else {
                assert_eq!(read(&mut net, A, 4).await, b"ping");
                net.pause(A);
                net.resume(A);
                nothing(&mut net).await;
            }
        }
        net.close(A);
        server.join().expect("served");
    });
}

#[test]
fn a_deadline_ends_the_wait_and_not_before() {
    on_each(async move |mut net: Net| {
        for wait_us in [0, 1, 300, 1_000, 5_000, 20_000] {
            let deadline = net.now().instant + Duration::from_micros(wait_us);
            let mut out = Vec::new();
            net.wait(deadline, &mut out).await;
            assert_eq!(out, []);
            assert!(net.now().instant >= deadline);
        }
    });
}

#[test]
fn an_idle_core_takes_no_turns() {
    on_each(async move |mut net: Net| {
        let (peer, server) = serve(1, echo);
        open(&mut net, A, &peer).await;
        nothing(&mut net).await;
        let mut out = Vec::new();
        let before = net.turns();
        net.wait(net.now().instant + Duration::from_millis(300), &mut out).await;
        assert_eq!(out, []);
        let turns = net.turns() - before;
        assert!(turns <= 2, "{turns} turns while nothing happened");
        net.close(A);
        nothing(&mut net).await;
        server.join().expect("served");
    });
}

#[test]
fn letters_from_many_threads_all_arrive() {
    const THREADS: usize = 4;
    const EACH: usize = 2_500;
    for runtime in runtimes() {
        let (bell, resolver) = (Bell::new(), Resolver::new());
        let (sender, receiver) = mailbox::<usize>(64, &bell);
        let core = start_core(
            runtime,
            "core",
            None,
            Clock::start(),
            &resolver,
            &bell,
            async move |mut net: Net| {
                let (mut sum, mut count, mut out) = (0, 0, Vec::new());
                while count < THREADS * EACH {
                    net.wait(net.now().instant + PATIENCE, &mut out).await;
                    assert_eq!(out, [Completion::Bell], "after {count} letters");
                    out.clear();
                    while let Some(letter) = receiver.try_recv() {
                        sum += letter;
                        count += 1;
                    }
                }
                assert_eq!(sum, (0..THREADS * EACH).sum::<usize>());
            },
        );
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let sender = sender.clone();
                std::thread::spawn(move || {
                    for number in 0..EACH {
                        let mut letter = thread * EACH + number;
                        while let Err(back) = sender.try_send(letter) {
                            letter = back;
                            std::thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().expect("sent"));
        finish(runtime, core);
    }
}

#[test]
fn every_ring_of_ten_thousand_is_answered() {
    for runtime in runtimes() {
        let (bell, resolver) = (Bell::new(), Resolver::new());
        let (answer, answers) = crossbeam_channel::bounded(1);
        // Rung before there is anybody to hear it.
        bell.ring();
        let core = start_core(
            runtime,
            "core",
            None,
            Clock::start(),
            &resolver,
            &bell,
            async move |mut net: Net| {
                let mut out = Vec::new();
                for number in 0..10_000 {
                    net.wait(Instant::NEVER, &mut out).await;
                    assert_eq!(out, [Completion::Bell]);
                    out.clear();
                    answer.send(number).expect("awaited");
                }
            },
        )
        .expect("starts");
        for number in 0..10_000 {
            assert_eq!(answers.recv_timeout(PATIENCE), Ok(number), "{}", runtime.name());
            bell.ring();
        }
        finish(runtime, Ok(core));
        bell.ring();
    }
}

#[test]
fn a_closed_name_is_free_at_once_and_nothing_old_follows() {
    on_each(async move |mut net: Net| {
        let greet = |text: &'static [u8]| {
            move |mut stream: TcpStream| {
                stream.write_all(text).expect("writes");
                drop(stream.read(&mut [0; 64]));
            }
        };
        let (first, first_server) = serve(40, greet(b"old"));
        let (second, second_server) = serve(20, greet(b"new"));
        for round in 0..20 {
            net.open(A, &first);
            net.open(B, &first);
            // Closed in every state: before it connects, once open, with bytes waiting.
            for _ in 0..round % 5 {
                if let Completion::Closed(..) = next(&mut net).await {
                    panic!("closed");
                }
                if round % 5 == 4 {
                    break;
                }
            }
            net.close(A);
            net.open(A, &second);
            let (mut opened, mut bytes) = (false, Vec::new());
            while bytes.len() < 3 {
                match next(&mut net).await {
                    Completion::Opened(A) => {
                        assert!(!opened);
                        opened = true;
                    }
                    Completion::Read(A, read) => bytes.extend(read),
                    Completion::Opened(B) | Completion::Read(B, _) => {}
                    other => panic!("{other:?}"),
                }
            }
            assert!(opened);
            assert_eq!(bytes, b"new");
            net.close(A);
            net.close(B);
            nothing(&mut net).await;
        }
        // Attempts that were closed early may never have reached the first server.
        for _ in 0..40 {
            drop(TcpStream::connect(("127.0.0.1", first.port)));
        }
        drop((first_server, second_server));
    });
}

#[test]
fn names_resolve_off_the_core_and_every_address_is_tried() {
    on_each(async move |mut net: Net| {
        // Where localhost is also ::1, nobody listens there and the second address is taken.
        let (at, server) = serve(3, echo);
        let by_name = peer("localhost", at.port);
        net.open(A, &by_name);
        net.open(B, &by_name);
        let mut opened = vec![next(&mut net).await, next(&mut net).await];
        opened.sort_by_key(|completion| format!("{completion:?}"));
        assert_eq!(opened, [Completion::Opened(A), Completion::Opened(B)]);
        net.close(A);
        open(&mut net, A, &by_name).await;
        net.send(A, b"x");
        assert_eq!(read(&mut net, A, 1).await, b"x");
        net.close(A);
        net.close(B);
        nothing(&mut net).await;
        server.join().expect("served");
    });
}

#[test]
fn a_name_without_an_address_is_told_with_the_reason() {
    on_each(async move |mut net: Net| {
        for _ in 0..2 {
            net.open(A, &peer("corelane.invalid", 80));
            match end(&mut net, A).await {
                (_, Cause::Resolve(why)) => assert!(!why.is_empty()),
                other => panic!("{other:?}"),
            }
        }
        // Closed while the question is out.
        net.open(A, &peer("two.corelane.invalid", 80));
        net.close(A);
        nothing(&mut net).await;
    });
}

#[test]
fn five_hundred_connections_work_at_once() {
    const COUNT: u32 = 500;
    on_each(async move |mut net: Net| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = peer("127.0.0.1", listener.local_addr().expect("bound").port());
        // One byte comes back on each, in the reverse order of arrival.
        let server = std::thread::spawn(move || {
            let mut streams: Vec<TcpStream> =
                (0..COUNT).map(|_| listener.accept().expect("accepts").0).collect();
            for stream in streams.iter_mut().rev() {
                let mut byte = [0; 4];
                stream.read_exact(&mut byte).expect("reads");
                stream.write_all(&byte).expect("writes");
            }
        });
        for number in 0..COUNT {
            net.open(Conn(number), &at);
        }
        let (mut opened, mut read, mut closed) = (0, 0, 0);
        while closed < COUNT {
            match next(&mut net).await {
                Completion::Opened(conn) => {
                    opened += 1;
                    assert_eq!(net.send(conn, &conn.0.to_le_bytes()), 4);
                }
                Completion::Read(conn, bytes) => {
                    read += 1;
                    assert_eq!(bytes, conn.0.to_le_bytes());
                    net.recycle(bytes);
                }
                Completion::Closed(_, cause) => {
                    closed += 1;
                    assert_eq!(cause, Cause::Ended);
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((opened, read), (COUNT, COUNT));
        server.join().expect("served");
    });
}

#[test]
fn a_flood_does_not_keep_others_from_their_turn() {
    on_each(async move |mut net: Net| {
        let (flood, flood_server) = serve(1, |mut stream| {
            let page = pattern(1 << 20);
            while stream.write_all(&page).is_ok() {}
        });
        let (quiet, quiet_server) = serve(1, echo);
        open(&mut net, B, &quiet).await;
        open(&mut net, A, &flood).await;
        for _ in 0..100 {
            net.send(B, b"?");
            let mut flooded = 0;
            loop {
                match next(&mut net).await {
                    Completion::Read(A, bytes) => {
                        flooded += bytes.len();
                        net.recycle(bytes);
                    }
                    Completion::Read(B, _) => break,
                    other => panic!("{other:?}"),
                }
            }
            assert!(flooded < 1 << 30, "{flooded} bytes before one byte of the other");
        }
        net.close(A);
        net.close(B);
        nothing(&mut net).await;
        drop((flood_server.join(), quiet_server.join()));
    });
}

#[test]
fn a_core_stays_on_its_cpu() {
    for runtime in runtimes() {
        for cpu in available_cpus() {
            let (bell, resolver) = (Bell::new(), Resolver::new());
            let core = start_core(
                runtime,
                "core",
                Some(cpu),
                Clock::start(),
                &resolver,
                &bell,
                async move |_: Net| assert_eq!(available_cpus(), [cpu]),
            );
            finish(runtime, core);
        }
        let nowhere = start_core(
            runtime,
            "core",
            Some(100_000),
            Clock::start(),
            &Resolver::new(),
            &Bell::new(),
            async |_: Net| {},
        );
        assert!(nowhere.is_err(), "{}", runtime.name());
    }
}

/// Serves TLS with a certificate made for it; also gives the configuration that trusts it.
fn serve_tls(
    service: impl Fn(&mut rustls::StreamOwned<rustls::ServerConnection, TcpStream>)
    + Clone
    + Send
    + 'static,
) -> (Peer, JoinHandle<()>, Arc<rustls::ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(["corelane.test".to_owned()]).expect("made");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a root");
    let trusting = rustls::ClientConfig::builder().with_root_certificates(roots);
    let config = rustls::ServerConfig::builder().with_no_client_auth();
    let config = Arc::new(config.with_single_cert(vec![made.cert.into()], key).expect("fits"));
    let (mut peer, server) = serve(1, move |stream| {
        let session = rustls::ServerConnection::new(Arc::clone(&config)).expect("a session");
        service(&mut rustls::StreamOwned::new(session, stream));
    });
    peer.tls = Some(TlsPeer { config: 7, server_name: "corelane.test".to_owned() });
    (peer, server, Arc::new(trusting.with_no_client_auth()))
}

#[test]
fn tls_carries_megabytes_both_ways() {
    on_each(async move |mut net: Net| {
        let (peer, server, trusting) = serve_tls(|stream| {
            let mut buffer = [0; 16 << 10];
            while let Ok(bytes @ 1..) = stream.read(&mut buffer) {
                stream.write_all(&buffer[..bytes]).expect("writes");
            }
            stream.conn.send_close_notify();
            drop(stream.flush());
        });
        net.set_tls(7, trusting);
        open(&mut net, A, &peer).await;
        let body = pattern(3 << 20);
        let mut heard = send_all(&mut net, A, &body).await;
        let rest = body.len() - heard.len();
        heard.extend(read(&mut net, A, rest).await);
        assert!(heard == body);
        net.close(A);
        server.join().expect("served");
    });
}

#[test]
fn tls_tells_an_end_from_a_cut() {
    for orderly in [true, false] {
        on_each(async move |mut net: Net| {
            let (peer, server, trusting) = serve_tls(move |stream| {
                stream.write_all(b"half a body").expect("writes");
                if orderly {
                    stream.conn.send_close_notify();
                }
                stream.flush().expect("flushes");
                stream.sock.shutdown(Shutdown::Write).expect("half closed");
                drop(stream.sock.read_to_end(&mut Vec::new()));
            });
            net.set_tls(7, trusting);
            open(&mut net, A, &peer).await;
            let (bytes, cause) = end(&mut net, A).await;
            assert_eq!(bytes, b"half a body");
            assert_eq!(cause == Cause::Ended, orderly, "{cause}");
            server.join().expect("served");
        });
    }
}

#[test]
fn tls_that_cannot_be_trusted_does_not_open() {
    on_each(async move |mut net: Net| {
        for (config, name) in [(7, "other.test"), (8, "corelane.test"), (7, "not a name")] {
            let (mut peer, server, trusting) = serve_tls(|stream| {
                assert!(stream.read(&mut [0; 1]).is_err());
            });
            net.set_tls(7, trusting);
            net.drop_tls(8);
            peer.tls = Some(TlsPeer { config, server_name: name.to_owned() });
            net.open(A, &peer);
            match end(&mut net, A).await {
                (_, Cause::Tls(why)) => assert!(!why.is_empty()),
                other => panic!("{other:?}"),
            }
            // The server may still wait for somebody to come.
            drop(TcpStream::connect(("127.0.0.1", peer.port)));
            server.join().expect("served");
        }
    });
}

/// Reads a head, answers it and echoes what comes then.
fn proxy(mut stream: TcpStream, answer: &[u8]) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).expect("reads"), 1, "{head:?}");
        head.push(byte[0]);
    }
    assert_eq!(head, b"CONNECT a:1 HTTP/1.1\r\n\r\n");
    // In two pieces, as a slow proxy would.
    let (first, rest) = answer.split_at(answer.len() / 2);
    stream.write_all(first).expect("writes");
    stream.write_all(rest).expect("writes");
    echo(stream);
}

#[test]
fn a_tunnel_is_asked_for_before_anything_else_is_said() {
    on_each(async move |mut net: Net| {
        let through = |peer: &Peer| {
            let tunnel = Some(b"CONNECT a:1 HTTP/1.1\r\n\r\n".to_vec());
            Peer { tunnel, ..peer.clone() }
        };
        let (peer, server) = serve(1, |stream| {
            proxy(stream, b"HTTP/1.1 200 Connection established\r\nA: b\r\n\r\n");
        });
        open(&mut net, A, &through(&peer)).await;
        net.send(A, b"ping");
        assert_eq!(read(&mut net, A, 4).await, b"ping");
        net.close(A);
        server.join().expect("served");

        let (peer, server) = serve(1, |stream| proxy(stream, b"HTTP/1.1 407 Who\r\n\r\n"));
        net.open(A, &through(&peer));
        let why = Cause::Tunnel("it answered 407 Who".to_owned());
        assert_eq!(end(&mut net, A).await, (Vec::new(), why));
        server.join().expect("served");

        let (peer, server) = serve(1, |mut stream| drop(stream.read(&mut [0; 64])));
        net.open(A, &through(&peer));
        let why = Cause::Tunnel("it closed the connection".to_owned());
        assert_eq!(end(&mut net, A).await, (Vec::new(), why));
        server.join().expect("served");
    });
}

#[test]
fn a_unix_socket_is_as_good_as_an_address() {
    let path = std::env::temp_dir().join(format!("corelane-io-{}.sock", std::process::id()));
    drop(std::fs::remove_file(&path));
    let listener = UnixListener::bind(&path).expect("a socket");
    let server = std::thread::spawn(move || {
        for _ in runtimes() {
            let (mut stream, _) = listener.accept().expect("accepts");
            let mut bytes = [0; 4];
            stream.read_exact(&mut bytes).expect("reads");
            stream.write_all(&bytes).expect("writes");
        }
    });
    let socket = path.display().to_string();
    on_each(async move |mut net: Net| {
        let peer = Peer { socket: Some(socket), ..peer("nowhere.invalid", 1) };
        open(&mut net, A, &peer).await;
        net.send(A, b"ping");
        assert_eq!(end(&mut net, A).await, (b"ping".to_vec(), Cause::Ended));
        let missing = Peer { socket: Some("/nowhere/x.sock".to_owned()), ..peer };
        net.open(A, &missing);
        assert!(matches!(next(&mut net).await, Completion::Closed(A, _)));
    });
    server.join().expect("served");
    std::fs::remove_file(&path).expect("removed");
}
