//! `SMTP_CHECK` against Exim, and against servers that refuse.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use mainstay_core::director::{Probe, ProbeKind};

use crate::harness::{Folder, Running, ask, failure, own_socket_address, passes, probe, server};

fn smtp(target: SocketAddr) -> Probe {
    probe(target, ProbeKind::Smtp { helo: "smtpchecker.keepalived.org".into() })
}

#[test]
fn exim_is_good() {
    let (folder, address) = (Folder::new(), own_socket_address(18_025));
    let path = folder.path().display();
    let config = folder.file(
        "exim.conf",
        format!(
            "primary_hostname = mail.example\nspool_directory = {path}/spool\nlog_file_path = {path}/%s.log\n\
             pid_file_path = {path}/pid\ndaemon_smtp_ports = {}\nlocal_interfaces = {}\ntls_advertise_hosts =\n\
             keep_environment =\nbegin acl\nbegin routers\nbegin transports\n",
            address.port(),
            address.ip()
        ),
    );
    // It becomes another user to write its log.
    let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(folder.path(), everybody).expect("our folder");
    let mut command = Command::new("exim4");
    command.args(["-C", &config, "-bdf", "-oP", &format!("{path}/pid")]).stderr(Stdio::null());
    let _running = Running::start(&mut command, address);
    passes(ask(&smtp(address)));
}

#[test]
fn the_dialogue_is_greeting_helo_quit() {
    let (told, hears) = std::sync::mpsc::channel();
    let target = server(move |mut connection| {
        let mut lines = BufReader::new(connection.try_clone().expect("a second handle")).lines();
        connection.write_all(b"220-mail.example\r\n220 ready\r\n").expect("written");
        told.send(lines.next().expect("a line").expect("text")).expect("heard");
        connection.write_all(b"250-mail.example\r\n250 OK\r\n").expect("written");
        told.send(lines.next().expect("a line").expect("text")).expect("heard");
        connection.write_all(b"221 bye\r\n").expect("written");
    });
    passes(ask(&smtp(target)));
    assert_eq!(hears.recv().as_deref(), Ok("HELO smtpchecker.keepalived.org"));
    assert_eq!(hears.recv().as_deref(), Ok("QUIT"));
}

#[test]
fn a_refusal_is_told_with_its_code() {
    let says = |lines: &'static [&'static str]| {
        server(move |mut connection| {
            let mut heard = BufReader::new(connection.try_clone().expect("a second handle")).lines();
            for line in lines {
                let _ = connection.write_all(line.as_bytes());
                let _ = heard.next();
            }
        })
    };
    let refused = failure(ask(&smtp(says(&["554 no service here\r\n"]))));
    assert_eq!(refused.to_string(), "SMTP 554 to greeting");
    let refused = failure(ask(&smtp(says(&["220 hi\r\n", "550-go\r\n550 away\r\n"]))));
    assert_eq!(refused.to_string(), "SMTP 550 to HELO");
    let noise = failure(ask(&smtp(says(&["HTTP/1.1 400 Bad Request\r\n"]))));
    assert_eq!(noise.to_string(), "the answer is not SMTP");
    // What it says to QUIT, or whether it says anything, is no part of the check.
    passes(ask(&smtp(says(&["220 hi\r\n", "250 hello\r\n"]))));
}
