//! Servers that misbehave: each is a failure in words, in bounded time, with bounded memory.

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use mainstay_core::director::probe::HttpRequest;
use mainstay_core::director::{Failure, Probe, ProbeKind, Stage};
use socket2::SockRef;

use crate::harness::{
    SHORT, ask, ends_in_time, failure, get, over_tls, probe, read_request, request, says, server,
};

/// Every kind of question that goes over TCP and waits for an answer.
fn questions(target: SocketAddr) -> Vec<Probe> {
    let kinds = [
        ProbeKind::Http(request().into()),
        ProbeKind::Http(over_tls().into()),
        ProbeKind::Smtp { helo: "mainstay.test".into() },
        ProbeKind::Grpc { service: "".into(), tls: None },
        ProbeKind::Grpc { service: "".into(), tls: Some(Default::default()) },
    ];
    kinds.into_iter().map(|kind| Probe { timeout: SHORT, ..probe(target, kind) }).collect()
}

/// Asks every kind of question; what each came to.
fn failures(target: SocketAddr) -> Vec<(&'static str, Failure)> {
    questions(target)
        .into_iter()
        .map(|probe| (probe.kind.keyword(), ends_in_time(|| failure(ask(&probe)))))
        .collect()
}

#[track_caller]
fn get_fails(target: SocketAddr, words: &str) {
    let failure = ends_in_time(|| failure(ask(&Probe { timeout: SHORT, ..get(target, request()) })));
    assert_eq!(failure.to_string(), words);
}

#[test]
fn accepts_and_says_nothing() {
    let target = server(|connection| {
        thread::sleep(Duration::from_secs(10));
        drop(connection);
    });
    for (keyword, failure) in failures(target) {
        assert!(failure.to_string().contains("0.3 s"), "{keyword}: {failure}");
        assert!(matches!(failure.stage, Stage::Receive | Stage::Tls), "{keyword}: {failure:?}");
    }
}

#[test]
fn closes_at_once() {
    let target = server(drop);
    for (keyword, failure) in failures(target) {
        // What we had already sent when it closed is answered by a reset.
        assert!(
            failure.to_string().contains("closed") || failure.to_string().contains("reset"),
            "{keyword}: {failure}"
        );
    }
}

#[test]
fn resets_at_once() {
    let target = server(|connection| {
        SockRef::from(&connection).set_linger(Some(Duration::ZERO)).expect("set");
    });
    for (keyword, failure) in failures(target) {
        // TCP may have been quick enough to be connected, or not.
        assert!(
            failure.to_string().contains("reset") || failure.to_string().contains("closed"),
            "{keyword}: {failure}"
        );
    }
}

#[test]
fn answers_with_noise() {
    let target = server(|mut connection| {
        let _ = connection.write_all(&[0x9D; 4096]);
        thread::sleep(Duration::from_secs(1));
    });
    for (keyword, failure) in failures(target) {
        assert!(
            matches!(failure.stage, Stage::Answer | Stage::Tls | Stage::Receive),
            "{keyword}: {failure:?}"
        );
    }
}

#[test]
fn speaks_http_0_9() {
    get_fails(says("<html>I am old</html>"), "the answer is not HTTP");
}

#[test]
fn sends_one_byte_now_and_then() {
    let target = server(|mut connection| {
        read_request(&mut connection);
        for byte in b"HTTP/1.0 200 OK\r\n".iter().cycle() {
            if connection.write_all(&[*byte]).is_err() {
                return;
            }
            thread::sleep(SHORT / 10);
        }
    });
    get_fails(target, "not finished within 1.8 s");
}

#[test]
fn begins_an_answer_and_stops() {
    let target = server(|mut connection| {
        read_request(&mut connection);
        connection.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\nhal").expect("written");
        thread::sleep(Duration::from_secs(10));
    });
    get_fails(target, "no answer within 0.3 s");
}

#[test]
fn resets_in_the_middle_of_its_answer() {
    let target = server(|mut connection| {
        read_request(&mut connection);
        connection.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\nhal").expect("written");
        thread::sleep(Duration::from_millis(50));
        SockRef::from(&connection).set_linger(Some(Duration::ZERO)).expect("set");
    });
    get_fails(target, "connection reset by peer (ECONNRESET)");
}

#[test]
fn closes_in_the_middle_of_its_head() {
    get_fails(says("HTTP/1.0 200 OK\r\nContent-Le"), "the server closed the connection");
    get_fails(says(""), "the server closed the connection without an answer");
}

#[test]
fn sends_a_head_of_ten_megabytes() {
    let target = server(|mut connection| {
        read_request(&mut connection);
        let _ = connection.write_all(b"HTTP/1.0 200 OK\r\n");
        let line = [b"X-Filler: ".to_vec(), vec![b'x'; 1_000], b"\r\n".to_vec()].concat();
        for _ in 0..10_000 {
            if connection.write_all(&line).is_err() {
                return;
            }
        }
    });
    get_fails(target, "the head of the answer is longer than 64 KiB");
}

#[test]
fn sends_a_body_without_end() {
    let target = server(endless);
    let before = resident_kib();
    let failure = ends_in_time(|| failure(ask(&get(target, request()))));
    assert_eq!(failure.to_string(), "the body is longer than 32 MiB");
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < 4 * 1024, "{grown} KiB more than before");
}

#[test]
fn sends_interim_answers_without_end() {
    let target = says("HTTP/1.1 100 Continue\r\n\r\n".repeat(1_000));
    get_fails(target, "interim answers without end");
}

#[test]
fn cannot_count_its_chunks() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    get_fails(says(format!("{chunked}fffffffffffffffff\r\n")), "the answer has a bad chunk size");
    get_fails(says(format!("{chunked}-1\r\n")), "the answer has a bad chunk size");
    get_fails(says(format!("{chunked}3\r\nhello")), "a chunk of the answer does not end where it should");
    get_fails(
        says(format!("{chunked}3;{}\r\n", "x".repeat(9_000))),
        "a line between the chunks of the answer is too long",
    );
}

#[test]
fn says_two_different_lengths() {
    get_fails(
        says("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nhell"),
        "the answer has a bad Content-Length",
    );
}

#[test]
fn never_finishes_its_smtp_reply() {
    let target = server(|mut connection| while connection.write_all(b"220-more to come\r\n").is_ok() {});
    let smtp = Probe { timeout: SHORT, ..probe(target, ProbeKind::Smtp { helo: "mainstay.test".into() }) };
    let failure = ends_in_time(|| failure(ask(&smtp)));
    assert_eq!(failure.to_string(), "the SMTP reply is longer than 16 KiB");
}

#[test]
fn takes_the_connection_but_no_request() {
    // Nobody reads, and the request is longer than all buffers.
    let target = server(|connection| {
        SockRef::from(&connection).set_recv_buffer_size(4096).expect("set");
        thread::sleep(Duration::from_secs(10));
    });
    let long = HttpRequest { path: format!("/{}", "x".repeat(16 * 1024 * 1024)), ..request() };
    let failure = ends_in_time(|| failure(ask(&Probe { timeout: SHORT, ..get(target, long) })));
    assert_eq!(failure.stage, Stage::Send);
    assert_eq!(failure.to_string(), "it took nothing for 0.3 s");
}

fn endless(mut connection: TcpStream) {
    read_request(&mut connection);
    let _ = connection.write_all(b"HTTP/1.0 200 OK\r\n\r\n");
    let piece = [b'x'; 64 * 1024];
    while connection.write_all(&piece).is_ok() {}
    let _ = connection.shutdown(Shutdown::Both);
}

fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("procfs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line");
    line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).expect("a number")
}
