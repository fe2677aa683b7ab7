//! `UDP_CHECK` and `PING_CHECK`.

use std::net::{Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use mainstay_core::director::probe::{MaskedByte, UdpQuestion, UdpReply};
use mainstay_core::director::{Probe, ProbeKind, Stage};

use crate::harness::{SHORT, ask, failure, in_new_namespace, own_address, own_socket_address, passes, probe};

fn udp(target: SocketAddr, question: UdpQuestion) -> Probe {
    Probe { timeout: SHORT, ..probe(target, ProbeKind::Udp(question.into())) }
}

/// Answers every datagram by this, if by anything. Tells what it heard.
fn answers(reply: Option<&'static [u8]>) -> (SocketAddr, Receiver<Vec<u8>>) {
    let socket = UdpSocket::bind((own_address(), 0)).expect("a free port");
    let address = socket.local_addr().expect("bound");
    let (told, hears) = mpsc::channel();
    thread::spawn(move || {
        let mut datagram = [0; 1024];
        while let Ok((length, peer)) = socket.recv_from(&mut datagram) {
            if let Some(reply) = reply {
                let _ = socket.send_to(reply, peer);
            }
            let _ = told.send(datagram[..length].to_vec());
        }
    });
    (address, hears)
}

fn wanted(pattern: &[u8], min_length: u16, max_length: u16) -> UdpQuestion {
    let pattern = pattern.iter().map(|&value| MaskedByte { value, mask: 0xFF }).collect();
    UdpQuestion { payload: None, reply: Some(UdpReply { pattern, min_length, max_length }) }
}

#[test]
fn silence_is_good_unless_a_reply_is_wanted() {
    let (silent, hears) = answers(None);
    passes(ask(&udp(silent, UdpQuestion::default())));
    assert!(!hears.recv().expect("something").is_empty());
    passes(ask(&udp(silent, UdpQuestion { payload: Some(b"ping".to_vec()), reply: None })));
    assert_eq!(hears.recv().expect("something"), b"ping");
    let silent = failure(ask(&udp(silent, wanted(b"", 0, 255))));
    assert_eq!((silent.stage, silent.to_string().as_str()), (Stage::Receive, "no answer within 0.3 s"));
}

#[test]
fn a_reply_must_be_the_wanted_one() {
    let (talkative, _hears) = answers(Some(b"pong 17"));
    passes(ask(&udp(talkative, wanted(b"", 0, 255))));
    passes(ask(&udp(talkative, wanted(b"pong", 0, 255))));
    assert_eq!(
        failure(ask(&udp(talkative, wanted(b"pang", 0, 255)))).to_string(),
        "the reply differs at byte 1"
    );
    assert_eq!(failure(ask(&udp(talkative, wanted(b"pong", 0, 6)))).to_string(), "a reply of 7 bytes");
    assert_eq!(failure(ask(&udp(talkative, wanted(b"pong", 8, 255)))).to_string(), "a reply of 7 bytes");
}

#[test]
fn a_host_that_says_nobody_is_there_is_bad() {
    for question in [UdpQuestion::default(), wanted(b"", 0, 255)] {
        let nobody = failure(ask(&udp(own_socket_address(18_007), question)));
        assert_eq!(nobody.errno, Some(libc::ECONNREFUSED));
    }
}

#[test]
fn a_host_that_is_there_answers_a_ping() {
    passes(ask(&probe(SocketAddr::new(own_address().into(), 0), ProbeKind::Ping)));
    passes(ask(&probe(SocketAddr::new(Ipv6Addr::LOCALHOST.into(), 0), ProbeKind::Ping)));
}

#[test]
fn many_pings_at_once_hear_each_their_own_answer() {
    let target = SocketAddr::new(own_address().into(), 0);
    let outcomes = crate::harness::runtime().block_on(async {
        let prober = std::sync::Arc::new(mainstay_system::probe::Prober::start(&Default::default()));
        let pings: Vec<_> = (0..200)
            .map(|_| {
                let prober = std::sync::Arc::clone(&prober);
                tokio::spawn(async move { prober.ask(&probe(target, ProbeKind::Ping)).await })
            })
            .collect();
        let mut outcomes = Vec::new();
        for ping in pings {
            outcomes.push(ping.await.expect("no panic"));
        }
        outcomes
    });
    outcomes.into_iter().for_each(passes);
}

#[test]
fn a_host_that_cannot_be_reached_answers_no_ping() {
    let ping = probe(SocketAddr::new([192, 0, 2, 1].into(), 0), ProbeKind::Ping);
    let failure = in_new_namespace(|| failure(ask(&ping)));
    assert_eq!(failure.errno, Some(libc::ENETUNREACH));
}
