//! `GRPC_CHECK` against a server made with Debian's gRPC for Python, and against ones that are none.

use std::net::SocketAddr;
use std::process::Command;

use mainstay_core::director::plan::TlsMaterial;
use mainstay_core::director::probe::Tls;
use mainstay_core::director::{Outcome, Probe, ProbeKind};

use crate::harness::{
    Folder, Running, ask, ask_with, certificate, failure, own_address, own_socket_address, passes, probe,
    says,
};

/// `grpc.health.v1.Health/Check`, with messages as bytes: `up` serves, `down` does not, `slow` is never heard of again.
const SERVER: &str = r#"
import sys, time, grpc
from concurrent import futures

def check(request, context):
    service = request[2:].decode()
    if service == "slow": time.sleep(5)
    if service in ("", "up"): return b"\x08\x01"
    if service == "down": return b"\x08\x02"
    context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")

server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
if sys.argv[2] == "health":
    method = grpc.unary_unary_rpc_method_handler(check)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": method})])
if len(sys.argv) > 3:
    pair = [open(f"{sys.argv[3]}.{kind}", "rb").read() for kind in ("key", "crt")]
    server.add_secure_port(sys.argv[1], grpc.ssl_server_credentials([pair]))
else:
    server.add_insecure_port(sys.argv[1])
server.start()
server.wait_for_termination()
"#;

struct Server {
    address: SocketAddr,
    _running: Running,
    folder: Folder,
}

fn server(kind: &str, with_tls: bool) -> Server {
    let (folder, address) = (Folder::new(), own_socket_address(18_050));
    certificate(&folder, "grpc.example");
    let script = folder.file("server.py", SERVER);
    let mut command = Command::new("/usr/bin/python3");
    command.arg(script).arg(address.to_string()).arg(kind);
    if with_tls {
        command.arg(folder.path().join("grpc.example"));
    }
    Server { address, _running: Running::start(&mut command, address), folder }
}

fn health(target: SocketAddr, service: &str, tls: Option<Tls>) -> Probe {
    probe(target, ProbeKind::Grpc { service: service.into(), tls })
}

#[test]
fn a_service_that_serves_is_good_and_no_other() {
    let server = server("health", false);
    let check = |service| ask(&health(server.address, service, None));
    passes(check(""));
    passes(check("up"));
    assert_eq!(failure(check("down")).to_string(), "health NOT_SERVING");
    let unknown = failure(check("unknown"));
    assert_eq!(unknown.to_string(), "gRPC status 5 (NOT_FOUND): the server knows no such service");
    let slow = Probe { timeout: crate::harness::SHORT, ..health(server.address, "slow", None) };
    assert_eq!(failure(ask(&slow)).to_string(), "no answer within 0.3 s");
}

#[test]
fn over_tls_too() {
    let server = server("health", true);
    let named = Tls { server_name: Some("grpc.example".into()), ..Tls::default() };
    passes(ask(&health(server.address, "up", Some(Tls::default()))));
    passes(ask(&health(server.address, "up", Some(named.clone()))));
    let verified = health(server.address, "up", Some(Tls { verify: true, ..named }));
    let ca = server.folder.path().join("grpc.example.crt").to_string_lossy().into_owned();
    passes(ask_with(&TlsMaterial { ca: Some(ca), ..TlsMaterial::default() }, &verified));
    failure(ask(&verified));
    // Without TLS the server does not understand a word.
    failure(ask(&health(server.address, "up", None)));
}

#[test]
fn a_server_without_a_health_service_is_told_so() {
    let server = server("other", false);
    let words = failure(ask(&health(server.address, "", None))).to_string();
    assert_eq!(words, "gRPC status 12 (UNIMPLEMENTED): the server has no health service");
}

#[test]
fn a_server_of_http_1_is_no_grpc_server() {
    failure(ask(&health(says("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"), "", None)));
}

#[test]
fn nobody_is_there() {
    let outcome = ask(&health(SocketAddr::new(own_address().into(), 18_051), "", None));
    assert!(
        matches!(&outcome, Outcome::Failed(failure) if failure.errno == Some(libc::ECONNREFUSED)),
        "{outcome}"
    );
}
