//! `virtual_server`, `real_server`, `virtual_server_group`, `SSL`.

use super::shape::{Kind::*, LONGEST, MANY, MOST, Naming::*, Shape::*};
use super::{Block, Contents, Keyword, checkers, option, ours, row};

/// `virtual_server`.
pub(super) static BLOCK: Block =
    Block { contents: Contents::Keywords(&[VIRTUAL, CHECKING, ours::VIRTUAL_SERVER, ours::CHECKING]) };
/// `real_server`.
static REAL_SERVER: Block =
    Block { contents: Contents::Keywords(&[REAL, CHECKING, ours::REAL_SERVER, ours::CHECKING]) };
/// `virtual_server_group`.
pub(super) static GROUP: Block = Block { contents: Contents::Lines(&[GROUP_LINES]) };
/// `SSL`.
pub(super) static SSL: Block = Block { contents: Contents::Keywords(&[SSL_WORDS]) };

/// Words of a virtual server.
#[rustfmt::skip]
static VIRTUAL: &[Keyword] = &[
    row("ip_family", OneOf(&["inet", "inet6"]), "inet|inet6", "inet", "lvs",
        "Family of a fwmark service"),
    row("inhibit_on_failure", Empty, "(none)", "off", "lvs",
        "Weight 0 instead of removal"),
    row("lb_algo", One(Name), "SCHED", "wlc", "lvs",
        "Scheduler (old name)").synonym_of("lvs_sched"),
    row("lvs_sched",
        OneOf(&["rr", "wrr", "lc", "wlc", "lblc", "sh", "mh", "dh", "fo", "ovf", "lblcr", "sed", "nq", "twos"]),
        "rr|wrr|lc|wlc|lblc|sh|mh|dh|fo|ovf|lblcr|sed|nq|twos", "wlc", "lvs",
        "Scheduler"),
    row("hashed", Empty, "(none)", "-", "lvs",
        "Accepted, no effect (legacy)"),
    row("ops", Empty, "(none)", "off", "lvs",
        "One-packet scheduling, UDP/fwmark only"),
    row("flag-1", Empty, "(none)", "off", "lvs",
        "Scheduler flag 1"),
    row("flag-2", Empty, "(none)", "off", "lvs",
        "Scheduler flag 2"),
    row("flag-3", Empty, "(none)", "off", "lvs",
        "Scheduler flag 3"),
    row("sh-port", Empty, "(none)", "off", "lvs",
        "sh: include port; scheduler must be set earlier"),
    row("sh-fallback", Empty, "(none)", "off", "lvs",
        "sh: fall back"),
    row("mh-port", Empty, "(none)", "off", "lvs",
        "mh: include port"),
    row("mh-fallback", Empty, "(none)", "off", "lvs",
        "mh: fall back"),
    row("lb_kind", Between(1, MANY),
        "NAT|DR|TUN [type ipip|gue|gre] [port N] [nocsum|csum|remcsum]", "NAT", "lvs",
        "Forwarding (old name)").synonym_of("lvs_method"),
    row("lvs_method", Between(1, MANY),
        "NAT|DR|TUN [type ipip|gue port N|gre] [nocsum|csum|remcsum]", "NAT", "lvs",
        "Forwarding"),
    row("persistence_engine", One(Name), "NAME", "none", "lvs",
        "e.g. sip"),
    row("persistence_timeout", Maybe(Text), "[SECS 1..2678400]", "off; bare=360", "lvs",
        "Persistence"),
    row("persistence_granularity", One(Text), "NETMASK | prefix(v6)", "/32, /128", "lvs",
        "Persistence mask, turns persistence on"),
    row("protocol", One(Text), "TCP|UDP|SCTP (case-insensitive)", "UDP with warning", "lvs",
        "L4 protocol"),
    row("ha_suspend", Empty, "(none)", "off", "checkers",
        "Check only while the VS address is on this host; not with fwmark (and ineffective with groups)"),
    row("smtp_alert", Boolean, "[BOOL]", "global", "smtp",
        "Mail on quorum change"),
    row("virtualhost", One(Text), "HOST", "-", "checkers/http",
        "Default Host header"),
    row("alpha", Empty, "(none)", "off", "checkers",
        "Start with all checkers down"),
    row("omega", Empty, "(none)", "off", "notify",
        "Run down-notifiers at shutdown"),
    row("quorum_up", Command, "\"CMD\" [user [[:]group]]", "-", "notify",
        "Script on quorum gain"),
    row("quorum_down", Command, "\"CMD\" [user [[:]group]]", "-", "notify",
        "Script on quorum loss"),
    row("quorum", Number(1, MOST), "N>=1", "1 (reduced to total weight if higher)", "lvs",
        "Needed sum of live weights"),
    row("hysteresis", Number(0, MOST), "N<quorum", "0", "lvs",
        "Quorum dead band"),
    row("weight", Number(1, 2_147_483_647), "1..2147483647", "1", "lvs",
        "Default real-server weight (not in man page)"),
    row("sorry_server", Between(1, 2), "IP [PORT]", "none", "lvs",
        "Used when quorum lost"),
    row("sorry_server_inhibit", Empty, "(none)", "off", "lvs",
        "Keep sorry server at weight 0 when idle; must follow sorry_server"),
    row("sorry_server_lvs_method", Between(1, MANY), "as lvs_method", "VS method", "lvs",
        "Forwarding of sorry server"),
    row("real_server", Opens(Service, &REAL_SERVER), "IP [PORT] block", "port of VS", "lvs",
        "A destination"),
];

/// Words of a real server.
#[rustfmt::skip]
static REAL: &[Keyword] = &[
    row("weight", Number(0, 2_147_483_647), "0..2147483647", "VS weight (1)", "lvs",
        "IPVS weight"),
    row("lvs_method", Between(1, MANY), "as VS", "VS", "lvs",
        "Forwarding"),
    row("uthreshold", Number(0, MOST), "N", "0", "lvs",
        "Upper connection threshold"),
    row("lthreshold", Number(0, MOST), "N", "0", "lvs",
        "Lower connection threshold"),
    row("inhibit_on_failure", Boolean, "[BOOL]", "VS", "lvs",
        "Weight 0 instead of removal"),
    row("notify_up", Command, "\"CMD\" [user [[:]group]]", "-", "notify",
        "Script when RS comes up"),
    row("notify_down", Command, "\"CMD\" [user [[:]group]]", "-", "notify",
        "Script when RS goes down"),
    row("alpha", Boolean, "[BOOL]", "VS", "checkers",
        "Start down"),
    row("smtp_alert", Boolean, "[BOOL]", "global, else ON", "smtp",
        "Mail on RS change"),
    row("virtualhost", One(Text), "HOST", "VS", "checkers/http",
        "Host header"),
    row("MISC_CHECK", Opens(Unnamed, &checkers::MISC), "block", "-", "checkers/misc",
        "External program"),
    row("SMTP_CHECK", Opens(Unnamed, &checkers::SMTP), "block", "-", "checkers/smtp",
        "SMTP dialogue"),
    row("TCP_CHECK", Opens(Unnamed, &checkers::TCP), "block", "-", "checkers/tcp",
        "TCP connect"),
    row("PING_CHECK", Opens(Unnamed, &checkers::PING), "block", "-", "checkers/ping",
        "ICMP echo"),
    row("UDP_CHECK", Opens(Unnamed, &checkers::UDP), "block", "-", "checkers/udp",
        "UDP probe"),
    row("HTTP_GET", Opens(Unnamed, &checkers::HTTP), "block", "-", "checkers/http",
        "HTTP GET"),
    row("SSL_GET", Opens(Unnamed, &checkers::HTTP), "block", "-", "checkers/http",
        "HTTPS GET"),
    row("DNS_CHECK", Opens(Unnamed, &checkers::DNS), "block", "-", "checkers/dns",
        "DNS query over UDP"),
    row("FILE_CHECK", Opens(Unnamed, &checkers::FILE), "block", "-", "checkers/file",
        "Value of a track_file"),
    row("BFD_CHECK", Opens(Unnamed, &checkers::BFD), "block", "-", "checkers/bfd",
        "State of a BFD session"),
];

/// Words of both: defaults of the checkers below them.
#[rustfmt::skip]
static CHECKING: &[Keyword] = &[
    row("retry", Number(0, MOST), "N", "checker default", "checkers",
        "Retries before DOWN"),
    row("delay_before_retry", Seconds(0, LONGEST), "SECS", "checker default", "checkers",
        "Gap between retries"),
    row("warmup", Seconds(0, LONGEST), "SECS", "delay_loop", "checkers",
        "Random initial delay upper bound, 0 = none"),
    row("connect_timeout", Seconds(0, LONGEST), "SECS (us)", "5", "checkers",
        "Connect timeout"),
    row("delay_loop", Seconds(0, LONGEST), "SECS (us)", "60", "checkers",
        "Check period"),
    row("snmp_name", One(Text), "STRING", "-", "snmp",
        "Label in SNMP"),
];

/// Lines of `virtual_server_group`.
#[rustfmt::skip]
static GROUP_LINES: &[Keyword] = &[
    option("<IPADDR>", "IP [PORT]", "port 0 needs persistence", "lvs", "One address"),
    option("<RANGE>", "A.B.C.D-E | A-B | NET/LEN [PORT]", "-", "lvs", "Address range (v4 or v6)"),
    option("fwmark", "N [inet|inet6]", "-", "lvs", "Firewall mark member"),
];

/// Words of `SSL`.
#[rustfmt::skip]
static SSL_WORDS: &[Keyword] = &[
    row("password", One(Text), "STRING", "-", "checkers/http",
        "Key password"),
    row("ca", One(Path), "FILE", "-", "checkers/http",
        "CA file"),
    row("certificate", One(Path), "FILE", "-", "checkers/http",
        "Client certificate"),
    row("key", One(Path), "FILE", "-", "checkers/http",
        "Client key"),
];
