//! Letters against a small relay.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};

use mainstay_config::model::MailLogin;

use super::*;

/// A relay for one connection. It answers each command with what `answer` says and gives what it was told.
fn relay(answer: impl Fn(&str) -> &'static str + Send + 'static) -> (u16, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let talk = move || -> io::Result<Vec<String>> {
        let (mut stream, _) = listener.accept()?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        stream.write_all(b"220 relay\r\n")?;
        let (mut told, mut is_text) = (Vec::new(), false);
        while let Some(Ok(line)) = lines.next() {
            told.push(line.clone());
            if is_text && line != "." {
                continue;
            }
            is_text = line == "DATA";
            stream.write_all(answer(&line).as_bytes())?;
            if line == "QUIT" {
                break;
            }
        }
        Ok(told)
    };
    (port, thread::spawn(move || talk().expect("a conversation")))
}

fn content(line: &str) -> &'static str {
    match line {
        "DATA" => "354 go on\r\n",
        "QUIT" => "221 bye\r\n",
        line if line.starts_with("EHLO") => "250-relay\r\n250 AUTH PLAIN\r\n",
        line if line.starts_with("AUTH") => "235 welcome\r\n",
        _ => "250 fine\r\n",
    }
}

fn mail(port: u16) -> Mail {
    let mailbox = |name: Option<&str>, user: &str, domain: &str| model::Mailbox {
        name: name.map(String::from),
        user: user.into(),
        domain: domain.into(),
    };
    Mail {
        server: "127.0.0.1".into(),
        port,
        security: MailSecurity::None,
        login: None,
        from: mailbox(None, "ka", "lb1.example"),
        to: vec![mailbox(None, "root", ""), mailbox(Some("On Call"), "call", "example.com")],
        helo: "lb1.example".into(),
        host: "lb1".into(),
        timeout: Duration::from_secs(10),
        faults: true,
    }
}

fn letter() -> Letter {
    Letter {
        subject: "[LB1] VRRP Instance VI_1 - Entering MASTER state".into(),
        text: "no advert for 3.6 s\n".into(),
    }
}

#[test]
fn a_relay_gets_envelope_headers_and_text() {
    let (port, talk) = relay(content);
    send(&mail(port), &letter()).expect("it is sent");
    let told = talk.join().expect("the relay");
    let said = |line: &str| assert!(told.iter().any(|heard| heard == line), "{line}: {told:#?}");
    said("EHLO lb1.example");
    assert!(told.iter().any(|line| line.starts_with("MAIL FROM:<ka@lb1.example>")), "{told:#?}");
    said("RCPT TO:<root@lb1>");
    said("RCPT TO:<call@example.com>");
    said("Subject: [LB1] VRRP Instance VI_1 - Entering MASTER state");
    said("From: ka@lb1.example");
    said("Auto-Submitted: auto-generated");
    said("X-Mailer: Mainstay");
    said("no advert for 3.6 s");
    assert!(
        told.iter().any(|line| line.starts_with("Date: "))
            && told.iter().any(|line| line.starts_with("Message-ID: "))
    );
}

#[test]
fn a_login_is_told_when_there_is_one() {
    let (port, talk) = relay(content);
    let login = Some(MailLogin { user: "lb1".into(), password: "geheim".into() });
    send(&Mail { login, ..mail(port) }, &letter()).expect("it is sent");
    let told = talk.join().expect("the relay");
    assert!(told.iter().any(|line| line.starts_with("AUTH PLAIN ")), "{told:#?}");
}

#[test]
fn a_relay_that_will_never_take_it_is_not_asked_again() {
    let refuse =
        |line: &str| if line.starts_with("RCPT") { "550 nobody of that name\r\n" } else { content(line) };
    let (port, talk) = relay(refuse);
    let problem = send(&mail(port), &letter()).expect_err("it is refused");
    assert!(!problem.may_pass && problem.words.contains("nobody of that name"), "{problem:?}");
    drop(talk);
}

#[test]
fn what_may_pass_is_tried_again() {
    let busy = |line: &str| if line.starts_with("MAIL") { "451 try later\r\n" } else { content(line) };
    let (port, talk) = relay(busy);
    let problem = send(&mail(port), &letter()).expect_err("not now");
    assert!(problem.may_pass && problem.words.contains("try later"), "{problem:?}");
    drop(talk);
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address").port();
    let problem = send(&mail(closed), &letter()).expect_err("nobody is there");
    assert!(problem.may_pass && problem.words.contains("refused"), "{problem:?}");
}

#[test]
fn where_tls_is_wanted_nothing_is_said_in_the_clear() {
    let (port, talk) = relay(content);
    let security = MailSecurity::StartTls;
    send(&Mail { security, ..mail(port) }, &letter()).expect_err("the relay offers none");
    let told = talk.join().expect("the relay");
    assert!(!told.iter().any(|line| line.starts_with("MAIL")), "{told:#?}");
}
