//! The answer to `mainstay status`.

use mainstay_control::Status;
use mainstay_control::status::{Check, RealServer, VirtualServer, Vrrp};
use mainstay_core::director::{self, Verdict};

use super::history::now_ms;

/// The state of everything: the router's part, and the director's own.
pub fn status(node: String, vrrp: Option<Vrrp>, report: &director::Report) -> Status {
    Status {
        node,
        version: env!("CARGO_PKG_VERSION").into(),
        at_ms: now_ms(),
        vrrp,
        virtual_servers: report.virtual_servers.iter().map(virtual_server).collect(),
        ipvs: report.table,
    }
}

fn virtual_server(server: &director::report::VirtualServerReport) -> VirtualServer {
    VirtualServer {
        name: server.key.to_string(),
        up: server.up,
        weight: server.weight,
        quorum: server.quorum,
        panic: server.panic,
        suspended: server.suspended,
        real_servers: server.real_servers.iter().map(real_server).collect(),
    }
}

fn real_server(real: &director::report::RealServerReport) -> RealServer {
    let checks = real.checkers.iter().map(|check| Check {
        name: check.question.clone(),
        passed: match check.verdict {
            Verdict::Unknown => None,
            Verdict::Up => Some(true),
            Verdict::Down => Some(false),
        },
        took_us: check.took_us,
        trouble: check.trouble.clone(),
    });
    RealServer { name: real.key.to_string(), up: real.serving, weight: real.weight, checks: checks.collect() }
}
