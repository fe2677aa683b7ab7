//! Words of Mainstay's own, written `@mainstay WORD ...` or bare.
//!
//! keepalived skips a line that starts with `@mainstay`, so one file serves both daemons.

use super::shape::{Kind::*, LONGEST, MOST, Naming::*, Shape::*};
use super::{Keyword, checkers, row};

/// In `global_defs`.
#[rustfmt::skip]
pub(super) static GLOBAL: &[Keyword] = &[
    row("realtime", One(Text), "on|off|1..99", "off", "core/scheduling",
        "Run the router with SCHED_RR and locked memory; `on` takes priority 50").ours(),
    row("vip_lease", Maybe(Text), "[on|off|SECONDS]", "on", "vrrp/lease",
        "The kernel stops answering for the addresses when no advert has left for so long; default 2.5 intervals").ours(),
    row("only_if_peer_seen", Boolean, "[BOOL]", "on", "vrrp/lease",
        "The lease counts only while a living peer is known, which could take over").ours(),
    row("mismatch_policy", OneOf(&["take", "hold"]), "take|hold", "take", "vrrp",
        "Whether a backup takes over from a known peer that is alive but speaks differently").ours(),
    row("probe_before_take", Boolean, "[BOOL]", "off", "vrrp",
        "Ask the link for another holder of the addresses before taking them over from silence").ours(),
    row("claim_watch", Boolean, "[BOOL]", "on", "vrrp",
        "Tell of others on the link who claim an address of ours, and defend it").ours(),
    row("peer_view", Boolean, "[BOOL]", "on", "vrrp/heartbeats",
        "Heartbeats to the peers beside the adverts: who lives, and who hears whom").ours(),
    row("heartbeat_path", Between(1, 4), "dev IF [peer ADDR]", "none", "vrrp/heartbeats",
        "A further path to the peers for all instances; taking over needs silence on every path").ours(),
    row("heartbeat_key", One(Text), "TEXT", "none", "vrrp/heartbeats",
        "What all nodes know: a heartbeat signed with another key is not believed").ours(),
    row("heartbeat_port", Number(1, 65535), "1..65535", "10112", "vrrp/heartbeats",
        "UDP port of heartbeats").ours(),
    row("metrics_listen", One(Text), "ADDR:PORT|PATH|off", "off", "metrics",
        "Serve metrics for Prometheus here: an address and a port, or a Unix socket").ours(),
    row("event_file", One(Path), "PATH", "off", "core",
        "Append what happens to this file, a line of JSON for each event; it survives a restart").ours(),
    row("web_listen", One(Text), "ADDR:PORT", "off", "web",
        "Serve the status page here").planned(),
    row("record", One(Path), "PATH", "off", "core",
        "Record every input, to replay an incident in the simulator").ours(),
    row("smtp_security", OneOf(&["none", "starttls", "tls"]), "none|starttls|tls", "none", "smtp",
        "How the mail relay is spoken to; the port is 25, 587 or 465 unless smtp_server says").ours(),
    row("smtp_login", Between(2, 2), "USER PASSWORD", "none", "smtp",
        "Who we are for the mail relay").ours(),
    row("panic_threshold", Number(0, 100), "0..100", "0", "checkers",
        "Below this share of good real servers (in %) those that fail stay in service").ours(),
    row("drain", Seconds(0, LONGEST), "SECS", "0", "lvs",
        "A real or virtual server that left the file keeps its connections for so long").ours(),
];

/// In `vrrp_instance`.
#[rustfmt::skip]
pub(super) static INSTANCE: &[Keyword] = &[
    row("vip_lease", Maybe(Text), "[on|off|SECONDS]", "global", "vrrp/lease",
        "The kernel stops answering for the addresses when no advert has left for so long").ours(),
    row("only_if_peer_seen", Boolean, "[BOOL]", "global", "vrrp/lease",
        "The lease counts only while a living peer is known, which could take over").ours(),
    row("heartbeat_path", Between(1, 4), "dev IF [peer ADDR]", "none", "vrrp/heartbeats",
        "A further path to the peers; taking over needs silence on every path").ours(),
    row("mismatch_policy", OneOf(&["take", "hold"]), "take|hold", "global", "vrrp",
        "Whether a backup takes over from a known peer that is alive but speaks differently").ours(),
    row("probe_before_take", Boolean, "[BOOL]", "global", "vrrp",
        "Ask the link for another holder of the addresses before taking them over from silence").ours(),
    row("claim_watch", Boolean, "[BOOL]", "global", "vrrp",
        "Tell of others on the link who claim an address of ours, and defend it").ours(),
];

/// In `virtual_server`.
#[rustfmt::skip]
pub(super) static VIRTUAL_SERVER: &[Keyword] = &[
    row("panic_threshold", Number(0, 100), "0..100", "global", "checkers",
        "Below this share of good real servers (in %) those that fail stay in service").ours(),
    row("drain", Seconds(0, LONGEST), "SECS", "global", "lvs",
        "A real or virtual server that left the file keeps its connections for so long").ours(),
];

/// In `virtual_server`, `real_server` and every checker that asks.
#[rustfmt::skip]
pub(super) static CHECKING: &[Keyword] = &[
    row("rise", Number(1, MOST), "N>=1", "1", "checkers",
        "Successes in a row needed to come up").ours(),
    row("jitter", Number(0, 50), "0..50", "0", "checkers",
        "Up to this share of the period (in %) a question comes late").ours(),
];

/// In `real_server`.
#[rustfmt::skip]
pub(super) static REAL_SERVER: &[Keyword] = &[
    row("GRPC_CHECK", Opens(Unnamed, &checkers::GRPC), "block", "-", "checkers/grpc",
        "grpc.health.v1").ours(),
];

/// In `GRPC_CHECK`.
#[rustfmt::skip]
pub(super) static GRPC: &[Keyword] = &[
    row("service", One(Text), "NAME", "the server as a whole", "checkers/grpc",
        "Service whose health is asked for").ours(),
    row("tls", Boolean, "[BOOL]", "off", "checkers/grpc",
        "Over TLS").ours(),
    row("tls_verify", Boolean, "[BOOL]", "off", "checkers/grpc",
        "Check the server's certificate").ours(),
    row("virtualhost", One(Text), "HOST", "RS then VS", "checkers/grpc",
        "Name of the server, for TLS and the request").ours(),
];

/// In `SSL_GET`.
#[rustfmt::skip]
pub(super) static HTTP_GET: &[Keyword] = &[
    row("tls_verify", Boolean, "[BOOL]", "off", "checkers/http",
        "Check the server's certificate").ours(),
];
