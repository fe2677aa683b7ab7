//! Connecting: where from, to whom, how long, and how it ends.

use std::io::{Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use mainstay_core::director::plan::TlsMaterial;
use mainstay_core::director::probe::Source;
use mainstay_core::director::{Excuse, Outcome, Probe, ProbeKind, Stage};
use mainstay_system::probe::Prober;
use nix::sys::socket::{Backlog, bind, listen};

use crate::harness::{
    SHORT, ask, failure, get, in_new_namespace, own_address, own_socket_address, passes, probe, read_request,
    request, runtime, server,
};

fn tcp(target: SocketAddr) -> Probe {
    probe(target, ProbeKind::Tcp)
}

#[test]
fn a_listener_is_good_and_a_closed_port_is_not() {
    let listener = TcpListener::bind((own_address(), 0)).expect("a free port");
    let target = listener.local_addr().expect("bound");
    passes(ask(&tcp(target)));
    drop(listener);
    let failure = failure(ask(&tcp(target)));
    assert_eq!((failure.stage, failure.errno), (Stage::Connect, Some(libc::ECONNREFUSED)));
    assert_eq!(failure.to_string(), "connection refused (ECONNREFUSED)");
}

#[test]
fn over_ipv6_too() {
    let listener = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).expect("a free port");
    passes(ask(&tcp(listener.local_addr().expect("bound"))));
}

#[test]
fn a_host_nobody_can_reach_is_bad_and_says_so() {
    // In a namespace without any link that is up.
    let failure = in_new_namespace(|| failure(ask(&tcp(SocketAddr::from(([192, 0, 2, 1], 80))))));
    assert_eq!((failure.stage, failure.errno), (Stage::Connect, Some(libc::ENETUNREACH)));
    assert_eq!(failure.to_string(), "network is unreachable (ENETUNREACH)");
}

#[test]
fn a_host_that_drops_everything_is_bad_after_the_timeout() {
    // A listener whose queue is full drops what comes.
    let (listener, target) = full_listener();
    let silent = Probe { timeout: SHORT, ..tcp(target) };
    let failure = failure(ask(&silent));
    assert_eq!(failure.to_string(), "no connection within 0.3 s");
    assert_eq!(failure.stage, Stage::Connect);
    drop(listener);
}

#[test]
fn a_timeout_is_no_verdict_if_our_own_loop_stood_still() {
    let (listener, target) = full_listener();
    let silent = Probe { timeout: SHORT, ..tcp(target) };
    let outcome = runtime().block_on(async {
        let prober = Prober::start(&TlsMaterial::default());
        let stall = async {
            tokio::task::yield_now().await;
            thread::sleep(SHORT * 2);
        };
        tokio::join!(prober.ask(&silent), stall).0
    });
    assert!(matches!(outcome, Outcome::Inconclusive(Excuse::Late(_))), "{outcome}");
    drop(listener);
}

#[test]
fn an_answer_that_lies_in_the_socket_is_read_before_the_timeout_is_believed() {
    let target = server(|connection| {
        thread::sleep(Duration::from_millis(100));
        drop(connection);
    });
    let outcome = runtime().block_on(async {
        let prober = Prober::start(&TlsMaterial::default());
        // Both the connection and the timeout come while nothing runs here.
        let stall = async { thread::sleep(SHORT * 3) };
        let hurried = Probe { timeout: SHORT, ..tcp(target) };
        tokio::join!(prober.ask(&hurried), stall).0
    });
    passes(outcome);
}

#[test]
fn a_thousand_probes_survive_a_loop_that_stands_still() {
    let listener = TcpListener::bind((own_address(), 0)).expect("a free port");
    let target = listener.local_addr().expect("bound");
    nix::sys::socket::listen(&listener, Backlog::new(1_024).expect("a backlog")).expect("a longer queue");
    let outcomes = runtime().block_on(async {
        let prober = std::sync::Arc::new(Prober::start(&TlsMaterial::default()));
        let probes: Vec<_> = (0..1_000)
            .map(|_| {
                let prober = std::sync::Arc::clone(&prober);
                let probe = Probe { timeout: SHORT, ..tcp(target) };
                tokio::spawn(async move { prober.ask(&probe).await })
            })
            .collect();
        tokio::task::yield_now().await;
        thread::sleep(Duration::from_millis(1_500));
        let mut outcomes = Vec::new();
        for probe in probes {
            outcomes.push(probe.await.expect("no panic"));
        }
        outcomes
    });
    let failed = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Failed(_))).count();
    assert_eq!(failed, 0, "of {}", outcomes.len());
}

#[test]
fn the_connection_comes_from_where_it_should() {
    let (told, hears) = mpsc::channel();
    let target = server(move |mut connection| {
        if !read_request(&mut connection).is_empty() {
            told.send(connection.peer_addr().expect("connected")).expect("somebody listens");
            connection.write_all(b"HTTP/1.0 200 OK\r\n\r\n").expect("written");
        }
    });
    let address = own_address();
    let port = 20_000 + (std::process::id() % 10_000) as u16;
    let from = Source { address: Some(address.into()), port: Some(port), interface: Some("lo".into()) };
    // Twice: a source port of one's own must be free again at once.
    for _ in 0..2 {
        passes(ask(&Probe { source: from.clone(), fwmark: 7, ..get(target, request()) }));
        assert_eq!(hears.recv().expect("a connection"), SocketAddr::new(address.into(), port));
        passes(ask(&Probe { source: from.clone(), ..tcp(target) }));
    }
    let only_address = Source { port: None, ..from };
    passes(ask(&Probe { source: only_address, ..get(target, request()) }));
    assert_eq!(hears.recv().expect("a connection").ip(), address);
}

#[test]
fn what_this_machine_lacks_is_not_the_servers_fault() {
    let target = own_socket_address(18_080);
    for source in [
        Source { address: Some([192, 0, 2, 99].into()), ..Source::default() },
        Source { interface: Some("nosuchlink".into()), ..Source::default() },
    ] {
        let outcome = ask(&Probe { source: source.clone(), ..tcp(target) });
        assert!(
            matches!(outcome, Outcome::Inconclusive(Excuse::CouldNotAsk { .. })),
            "{source:?}: {outcome}"
        );
    }
}

#[test]
fn checks_leave_only_so_many_connections_in_time_wait() {
    let (few, many) = in_new_namespace(|| {
        let status = Command::new("ip").args(["link", "set", "lo", "up"]).status().expect("iproute2");
        assert!(status.success());
        // Otherwise the kernel uses ports of connections within the machine again before their minute is over.
        std::fs::write("/proc/sys/net/ipv4/tcp_tw_reuse", "0").expect("our own namespace");
        let listener = TcpListener::bind("127.0.0.1:18080").expect("our own namespace");
        let probe = tcp(listener.local_addr().expect("bound"));
        // The server waits for us to close.
        thread::spawn(move || listener.incoming().flatten().for_each(|mut from| drop(from.read(&mut [0]))));
        runtime().block_on(async {
            let prober = Prober::start(&TlsMaterial::default());
            let mut left = Vec::new();
            for _ in 0..2 {
                for _ in 0..4_000 {
                    passes(prober.ask(&probe).await);
                }
                left.push(in_time_wait());
            }
            (left[0], left[1])
        })
    });
    // The server may be a little behind.
    assert!((3_000..=4_000).contains(&few), "as keepalived closes: {few}");
    assert!((4_000..=5_000).contains(&many), "and not without end: {many}");
}

/// How many connections of this namespace are in `TIME_WAIT`.
fn in_time_wait() -> usize {
    let table = std::fs::read_to_string("/proc/thread-self/net/sockstat").expect("procfs");
    let words: Vec<_> = table.split_whitespace().collect();
    let place = words.iter().position(|&word| word == "tw").expect("TIME_WAIT has a number");
    words[place + 1].parse().expect("a number")
}

/// A listener that takes no connection any more.
fn full_listener() -> (std::os::fd::OwnedFd, SocketAddr) {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, getsockname, socket};
    let listener =
        socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).expect("a socket");
    let address = std::net::SocketAddrV4::new(own_address(), 0);
    bind(std::os::fd::AsRawFd::as_raw_fd(&listener), &SockaddrIn::from(address)).expect("a free port");
    listen(&listener, Backlog::new(0).expect("a backlog")).expect("listens");
    let bound: SockaddrIn = getsockname(std::os::fd::AsRawFd::as_raw_fd(&listener)).expect("bound");
    let target = SocketAddr::from((bound.ip(), bound.port()));
    // One connection fits into a queue of length zero.
    let first = TcpStream::connect(target).expect("the first one");
    std::mem::drop(thread::spawn(move || {
        let _keep = first;
        thread::sleep(Duration::from_secs(30));
    }));
    (listener, target)
}
