//! `DNS_CHECK` against dnsmasq.

use std::net::{SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::thread;

use mainstay_core::director::probe::DnsRecord;
use mainstay_core::director::{Probe, ProbeKind, Stage};

use crate::harness::{Running, SHORT, ask, failure, own_address, own_socket_address, passes, probe};

fn question(target: SocketAddr, record: DnsRecord, name: &str) -> Probe {
    Probe { timeout: SHORT, ..probe(target, ProbeKind::Dns { record, name: name.into() }) }
}

#[test]
fn dnsmasq_answers_every_type() {
    let address = own_socket_address(18_053);
    let mut command = Command::new("dnsmasq");
    command
        .args(["--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--user=root", "--no-resolv"])
        .args(["--no-hosts", "--bind-interfaces", "--log-facility=-"])
        .args([&format!("--listen-address={}", address.ip()), &format!("--port={}", address.port())])
        .args(["--local=/example/", "--host-record=up.example,192.0.2.1,2001:db8::1"])
        .args(["--cname=www.example,up.example", "--mx-host=up.example,mail.example,10"])
        .args([
            "--txt-record=up.example,hello",
            "--auth-zone=zone.example",
            "--auth-server=ns.zone.example,lo",
        ])
        .stderr(Stdio::null());
    let _running = Running::start(&mut command, address);
    for (record, name) in [
        (DnsRecord::A, "up.example"),
        (DnsRecord::Aaaa, "UP.Example."),
        (DnsRecord::Cname, "www.example"),
        (DnsRecord::Mx, "up.example"),
        (DnsRecord::Txt, "up.example"),
        // No such record, but the name is known: code 0.
        (DnsRecord::Ns, "up.example"),
        (DnsRecord::Soa, "up.example"),
    ] {
        passes(ask(&question(address, record, name)));
    }
    let unknown = failure(ask(&question(address, DnsRecord::A, "down.example")));
    assert_eq!((unknown.stage, unknown.to_string().as_str()), (Stage::Answer, "DNS NXDOMAIN"));
    // It was told of nobody to ask.
    assert_eq!(failure(ask(&question(address, DnsRecord::Soa, "."))).to_string(), "DNS REFUSED");
}

#[test]
fn nobody_at_the_port_is_told_by_icmp() {
    let nobody = failure(ask(&question(own_socket_address(18_054), DnsRecord::Soa, ".")));
    assert_eq!((nobody.stage, nobody.errno), (Stage::Receive, Some(libc::ECONNREFUSED)));
}

#[test]
fn answers_to_other_questions_are_not_listened_to() {
    // Noise, a wrong number, another name; and then the answer, or none.
    let answers = |finally: bool| {
        let socket = UdpSocket::bind((own_address(), 0)).expect("a free port");
        let address = socket.local_addr().expect("bound");
        thread::spawn(move || {
            let mut packet = [0; 512];
            let (length, peer) = socket.recv_from(&mut packet).expect("a question");
            let mut answer = packet[..length].to_vec();
            answer[2] |= 0x80;
            let wrong = |place: usize| {
                let mut wrong = answer.clone();
                wrong[place] ^= 1;
                wrong
            };
            for noise in [vec![], vec![1, 2, 3], packet[..length].to_vec(), wrong(0), wrong(13)] {
                socket.send_to(&noise, peer).expect("sent");
            }
            if finally {
                socket.send_to(&answer, peer).expect("sent");
            }
        });
        ask(&question(address, DnsRecord::A, "up.example"))
    };
    passes(answers(true));
    assert_eq!(failure(answers(false)).to_string(), "no answer within 0.3 s");
}
