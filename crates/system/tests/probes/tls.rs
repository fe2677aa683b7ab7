//! `SSL_GET` against nginx with two virtual hosts, and against servers whose TLS is broken.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::Command;
use std::thread;

use mainstay_core::director::plan::TlsMaterial;
use mainstay_core::director::probe::{HttpRequest, HttpVersion, Tls};
use mainstay_core::director::{Excuse, Outcome, Probe, Stage};

use crate::harness::{
    Folder, Running, SHORT, ask, ask_with, certificate, ends_in_time, failure, get, over_tls, own_address,
    own_socket_address, passes, request, server,
};

/// nginx with a page of another name for each server name, and one for clients with a certificate.
struct Nginx {
    address: SocketAddr,
    _running: Running,
    folder: Folder,
}

fn nginx() -> Nginx {
    let (folder, address) = (Folder::new(), own_socket_address(18_443));
    certificate(&folder, "a.example");
    certificate(&folder, "b.example");
    certificate(&folder, "c.example");
    let path = folder.path().display();
    let site = |name: &str, more: &str| {
        format!(
            "server {{ listen {address} ssl; server_name {name}; ssl_certificate {path}/{name}.crt;
             ssl_certificate_key {path}/{name}.key; {more} location / {{ return 200 {name}; }} }}"
        )
    };
    let client = "ssl_verify_client optional_no_ca; location = /client { return 200 '$ssl_client_s_dn'; }";
    let config = folder.file(
        "nginx.conf",
        format!(
            "daemon off; error_log stderr crit; pid {path}/nginx.pid; worker_processes 1;
            events {{ worker_connections 256; }}
            http {{
                access_log off; client_body_temp_path {path}/t1; proxy_temp_path {path}/t2;
                fastcgi_temp_path {path}/t3; uwsgi_temp_path {path}/t4; scgi_temp_path {path}/t5;
                {} {} {}
            }}",
            site("a.example", ""),
            site("b.example", ""),
            site("c.example", client),
        ),
    );
    let mut command = Command::new("nginx");
    command.args(["-c", &config, "-p", &path.to_string()]);
    Nginx { address, _running: Running::start(&mut command, address), folder }
}

fn with(tls: Tls) -> HttpRequest {
    HttpRequest { tls: Some(tls), ..request() }
}

fn named(name: &str) -> Tls {
    Tls { server_name: Some(name.into()), ..Tls::default() }
}

fn page(name: &str) -> Option<mainstay_core::director::probe::BodyRegex> {
    Some(mainstay_core::director::probe::BodyRegex {
        pattern: format!("^{name}$"),
        options: vec![],
        must_not_match: false,
        min_offset: 0,
        max_offset: None,
        stack: None,
    })
}

#[test]
fn nginx_shows_the_site_of_the_server_name() {
    let nginx = nginx();
    // Without SNI it is the first site, with it the named one. (nginx goes by the Host header first, so none is its.)
    for version in [HttpVersion::V10, HttpVersion::V10Close, HttpVersion::V11] {
        for close_notify in [false, true] {
            let tls = |tls: Tls| HttpRequest { version, tls: Some(Tls { close_notify, ..tls }), ..request() };
            passes(ask(&get(nginx.address, HttpRequest { regex: page("a.example"), ..tls(Tls::default()) })));
            let b = HttpRequest {
                regex: page("b.example"),
                host: Some("b.example".into()),
                ..tls(named("b.example"))
            };
            passes(ask(&get(nginx.address, b)));
        }
    }
}

#[test]
fn a_certificate_is_looked_at_only_if_asked_for() {
    let nginx = nginx();
    let path = nginx.folder.path();
    let ca = |name: &str| TlsMaterial {
        ca: Some(path.join(name).to_string_lossy().into_owned()),
        ..TlsMaterial::default()
    };
    let verified = |name| get(nginx.address, with(Tls { verify: true, ..named(name) }));
    passes(ask(&get(nginx.address, with(named("a.example")))));
    passes(ask_with(&ca("a.example.crt"), &verified("a.example")));
    let of_another = failure(ask_with(&ca("b.example.crt"), &verified("a.example")));
    assert_eq!(of_another.stage, Stage::Tls);
    assert!(of_another.to_string().contains("UnknownIssuer"), "{of_another}");
    // The name is that of the host if none is sent, and then nginx shows its first site.
    let by_host =
        HttpRequest { host: Some("b.example".into()), ..with(Tls { verify: true, ..Tls::default() }) };
    let wrong_name = failure(ask_with(&ca("a.example.crt"), &get(nginx.address, by_host)));
    assert!(wrong_name.to_string().contains("not valid for name"), "{wrong_name}");
    let nobody_trusts_it = failure(ask(&verified("a.example")));
    assert_eq!(nobody_trusts_it.stage, Stage::Tls);
}

#[test]
fn our_own_certificate_is_shown_to_the_server() {
    let nginx = nginx();
    let path = nginx.folder.path().join("c.example");
    let material = TlsMaterial {
        certificate: Some(format!("{}.crt", path.display())),
        key: Some(format!("{}.key", path.display())),
        ..TlsMaterial::default()
    };
    let by_name = HttpRequest { host: Some("c.example".into()), ..with(named("c.example")) };
    let request = HttpRequest { path: "/client".into(), regex: page("CN=c.example"), ..by_name };
    passes(ask_with(&material, &get(nginx.address, request.clone())));
    failure(ask(&get(nginx.address, request)));
}

#[test]
fn material_that_cannot_be_read_is_nobody_elses_fault() {
    let material = TlsMaterial { certificate: Some("/no/such.crt".into()), ..TlsMaterial::default() };
    let outcome = ask_with(&material, &get(server(drop), over_tls()));
    assert!(
        matches!(&outcome, Outcome::Inconclusive(Excuse::CouldNotAsk { words, .. }) if words.contains("/no/such.crt")),
        "{outcome}"
    );
}

#[test]
fn a_server_that_speaks_http_on_its_tls_port_is_told_so() {
    let target = server(|mut connection| {
        let _ = connection.read(&mut [0; 64]);
        let _ = connection.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let failure = failure(ask(&Probe { timeout: SHORT, ..get(target, over_tls()) }));
    assert_eq!(failure.stage, Stage::Tls, "{failure}");
}

#[test]
fn a_handshake_that_stalls_ends() {
    // The first half of a ServerHello, and then nothing.
    let target = server(|mut connection| {
        let _ = connection.read(&mut [0; 1024]);
        let _ = connection.write_all(&[0x16, 3, 3, 0, 90, 2, 0, 0, 86, 3, 3]);
        thread::sleep(SHORT * 20);
    });
    let probe = Probe { timeout: SHORT, ..get(target, over_tls()) };
    let failure = ends_in_time(|| failure(ask(&probe)));
    assert_eq!(
        (failure.stage, failure.to_string().as_str()),
        (Stage::Tls, "no TLS session: silence for 0.3 s")
    );
}

#[test]
fn a_server_that_ends_without_a_farewell_is_forgiven() {
    // `openssl s_server -WWW` closes the connection and that is all.
    let (folder, address) = (Folder::new(), own_socket_address(18_444));
    certificate(&folder, "a.example");
    folder.file("page", "hello");
    let mut command = Command::new("openssl");
    command
        .current_dir(folder.path())
        .args(["s_server", "-quiet", "-WWW", "-accept", &address.to_string()])
        .args(["-cert", "a.example.crt", "-key", "a.example.key"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    let _running = Running::start(&mut command, address);
    passes(ask(&get(address, HttpRequest { path: "/page".into(), regex: page("hello"), ..over_tls() })));
}

#[test]
fn tls_1_2_is_spoken_and_1_1_is_not() {
    let (folder, address) = (Folder::new(), own_address());
    certificate(&folder, "a.example");
    folder.file("page", "hello");
    let ask_for = |version: &str, port: u16| {
        let address = SocketAddr::new(address.into(), port);
        let mut command = Command::new("openssl");
        command
            .current_dir(folder.path())
            .args(["s_server", "-quiet", "-WWW", version, "-cipher", "DEFAULT@SECLEVEL=0"])
            .args(["-accept", &address.to_string(), "-cert", "a.example.crt", "-key", "a.example.key"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
        let _running = Running::start(&mut command, address);
        ask(&get(address, HttpRequest { path: "/page".into(), ..over_tls() }))
    };
    passes(ask_for("-tls1_2", 18_445));
    // DIFFERS: keepalived may, by OpenSSL.
    let old = failure(ask_for("-tls1_1", 18_446));
    assert_eq!(old.stage, Stage::Tls);
    assert!(old.to_string().contains("TLS"), "{old}");
}
