//! The checkers of a real server.

use super::shape::{Kind::*, LONGEST, MANY, MOST, Naming::*, Shape::*};
use super::{Block, Contents, Keyword, ours, row};

/// `TCP_CHECK`.
pub(super) static TCP: Block =
    Block { contents: Contents::Keywords(&[CONNECTION, TIMING, RETRY, ours::CHECKING]) };
/// `PING_CHECK`.
pub(super) static PING: Block =
    Block { contents: Contents::Keywords(&[CONNECTION, TIMING, RETRY, ours::CHECKING]) };
/// `UDP_CHECK`.
pub(super) static UDP: Block =
    Block { contents: Contents::Keywords(&[CONNECTION, TIMING, RETRY, UDP_WORDS, ours::CHECKING]) };
/// `SMTP_CHECK`.
pub(super) static SMTP: Block =
    Block { contents: Contents::Keywords(&[CONNECTION, TIMING, RETRY, SMTP_WORDS, ours::CHECKING]) };
/// `DNS_CHECK`.
pub(super) static DNS: Block =
    Block { contents: Contents::Keywords(&[CONNECTION, TIMING, DNS_WORDS, ours::CHECKING]) };
/// `HTTP_GET` and `SSL_GET`.
pub(super) static HTTP: Block =
    Block { contents: Contents::Keywords(&[CONNECTION, TIMING, HTTP_WORDS, ours::HTTP_GET, ours::CHECKING]) };
/// `MISC_CHECK`.
pub(super) static MISC: Block = Block { contents: Contents::Keywords(&[TIMING, MISC_WORDS, ours::CHECKING]) };
/// `GRPC_CHECK`.
pub(super) static GRPC: Block =
    Block { contents: Contents::Keywords(&[CONNECTION, TIMING, RETRY, ours::GRPC, ours::CHECKING]) };
/// `FILE_CHECK`.
pub(super) static FILE: Block = Block { contents: Contents::Keywords(&[FILE_WORDS]) };
/// `BFD_CHECK`.
pub(super) static BFD: Block = Block { contents: Contents::Keywords(&[BFD_WORDS]) };
/// `url` of `HTTP_GET` and `SSL_GET`.
static URL: Block = Block { contents: Contents::Keywords(&[URL_WORDS]) };
/// `host` of `SMTP_CHECK`.
static SMTP_HOST: Block = Block { contents: Contents::Keywords(&[CONNECTION]) };

/// Every checker that connects.
#[rustfmt::skip]
static CONNECTION: &[Keyword] = &[
    row("connect_ip", One(Address), "IP", "RS address", "checkers",
        "Target address"),
    row("connect_port", Number(1, 65_535), "1..65535", "RS port", "checkers",
        "Target port"),
    row("bindto", One(Address), "IP", "any", "checkers",
        "Source address"),
    row("bind_port", Number(1, 65_535), "1..65535", "any", "checkers",
        "Source port"),
    row("bind_if", One(Interface), "IF", "none", "checkers",
        "Source interface (needed for v6 link-local)"),
    row("connect_timeout", Seconds(0, LONGEST), "SECS (us)", "RS value (5)", "checkers",
        "Connect timeout"),
    row("fwmark", Number(0, MOST), "N", "0", "checkers",
        "SO_MARK"),
];

/// Every checker that asks.
#[rustfmt::skip]
static TIMING: &[Keyword] = &[
    row("warmup", Seconds(0, LONGEST), "SECS", "RS value, else delay_loop", "checkers",
        "Random initial delay"),
    row("delay_loop", Seconds(0, LONGEST), "SECS (us)", "RS value (60)", "checkers",
        "Period"),
    row("alpha", Boolean, "[BOOL]", "RS value", "checkers",
        "Start down"),
    row("log_all_failures", Boolean, "[BOOL]", "global", "checkers",
        "Log each failure"),
];

/// Retries of the checkers that only connect or ping.
#[rustfmt::skip]
static RETRY: &[Keyword] = &[
    row("retry", Number(0, MOST), "N>=0", "RS value, else 1", "checkers",
        "Retries before DOWN"),
    row("delay_before_retry", Seconds(0, LONGEST), "SECS", "RS value, else 1", "checkers",
        "Gap between retries"),
];

/// Words of `UDP_CHECK`.
#[rustfmt::skip]
static UDP_WORDS: &[Keyword] = &[
    row("payload", One(Text), "HEX", "random bytes", "checkers/udp",
        "Data to send"),
    row("require_reply", Maybe(Text), "[HEX with x nibble wildcards]", "off", "checkers/udp",
        "Need an answer, optionally matching"),
    row("min_reply_length", Number(0, 65_535), "0..65535", "0", "checkers/udp",
        "Bounds (only applied with a pattern)"),
    row("max_reply_length", Number(0, 65_535), "0..65535", "255", "checkers/udp",
        "Bounds"),
];

/// Words of `SMTP_CHECK`.
#[rustfmt::skip]
static SMTP_WORDS: &[Keyword] = &[
    row("helo_name", One(Text), "STRING", "smtpchecker.keepalived.org", "checkers/smtp",
        "HELO argument"),
    row("host", Opens(Unnamed, &SMTP_HOST), "block of connection keywords", "-", "checkers/smtp",
        "Old multi-host form (build option WITH_HOST_ENTRIES)"),
];

/// Words of `DNS_CHECK`.
#[rustfmt::skip]
static DNS_WORDS: &[Keyword] = &[
    row("retry", Number(0, MOST), "N>=0", "RS value, else 3", "checkers",
        "Retries before DOWN"),
    row("delay_before_retry", Seconds(0, LONGEST), "SECS", "RS value, else delay_loop", "checkers",
        "Gap between retries"),
    row("type", OneOf(&["A", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA"]),
        "A|NS|CNAME|SOA|MX|TXT|AAAA", "SOA", "checkers/dns",
        "Query type"),
    row("name", One(Text), "DOMAIN", ".", "checkers/dns",
        "Query name; only rcode 0 is required"),
];

/// Words of `HTTP_GET`.
#[rustfmt::skip]
static HTTP_WORDS: &[Keyword] = &[
    row("retry", Number(0, MOST), "N>=0", "RS value, else 1", "checkers",
        "Retries before DOWN"),
    row("delay_before_retry", Seconds(0, LONGEST), "SECS", "RS value, else 3", "checkers",
        "Gap between retries"),
    row("nb_get_retry", Number(0, MOST), "N", "-", "checkers/http",
        "Deprecated spelling of retry").deprecated("retry"),
    row("virtualhost", One(Text), "HOST", "RS then VS", "checkers/http",
        "Host header"),
    row("http_protocol", OneOf(&["1.0", "1.0C", "1.1"]), "1.0|1.0C|1.1", "1.0", "checkers/http",
        "Request version; C adds Connection: close"),
    row("enable_sni", Boolean, "[BOOL]", "off", "checkers/http",
        "Send SNI (the host)"),
    row("sni_name", Maybe(Name), "[NAME]", "virtualhost", "checkers/http",
        "Send this SNI (post-2.4.3 HEAD), implies enable_sni"),
    row("fast_recovery", Boolean, "[BOOL]", "off", "checkers/http",
        "No delay between URLs while starting/recovering"),
    row("tls_compliant", Boolean, "[BOOL]", "off", "checkers/http",
        "Send close_notify"),
    row("url", Opens(Unnamed, &URL), "block, repeatable", "at least one", "checkers/http",
        "A page to test"),
];

/// Words of `MISC_CHECK`.
#[rustfmt::skip]
static MISC_WORDS: &[Keyword] = &[
    row("retry", Number(0, MOST), "N>=0", "RS value, else 0", "checkers",
        "Retries before DOWN"),
    row("delay_before_retry", Seconds(0, LONGEST), "SECS", "RS value, else 1", "checkers",
        "Gap between retries"),
    row("misc_path", KeptCommand, "\"CMD args\"", "required", "checkers/misc",
        "Program"),
    row("misc_timeout", Seconds(0, LONGEST), "SECS", "0 = VS delay_loop", "checkers/misc",
        "Kill after"),
    row("misc_dynamic", Empty, "(none)", "off", "checkers/misc",
        "Exit 2..255 sets weight to code-2"),
    row("user", Between(1, 2), "USER [[:]GROUP]", "script_user", "checkers/misc",
        "Identity"),
];

/// Words of `FILE_CHECK`.
#[rustfmt::skip]
static FILE_WORDS: &[Keyword] = &[
    row("track_file", One(Name), "NAME (declared earlier)", "required", "checkers/file",
        "File tracker to use"),
    row("weight", Between(1, 2),
        "-2147483647..2147483647 [reverse|noreverse]", "track_file weight", "checkers/file",
        "Multiplier added to IPVS weight; 0 = nonzero is down"),
    row("dynamic", Empty, "(man page only, no parser entry in 2.4.3)", "-", "checkers/file",
        "Documented but rejected as unknown keyword").only_in_the_manual(),
];

/// Words of `BFD_CHECK`.
#[rustfmt::skip]
static BFD_WORDS: &[Keyword] = &[
    row("name", One(Name), "BFD instance", "required", "checkers/bfd",
        "Session to follow"),
    row("alpha", Boolean, "[BOOL]", "RS value", "checkers/bfd",
        "Start down"),
];

/// Words of `url`.
#[rustfmt::skip]
static URL_WORDS: &[Keyword] = &[
    row("path", One(Path), "PATH", "required", "checkers/http",
        "Request path"),
    row("digest", One(Text), "MD5 hex(32)", "none", "checkers/http",
        "Body digest"),
    row("status_code", Between(1, MANY), "N|A-B ... (100..599)", "200-299", "checkers/http",
        "Accepted codes"),
    row("virtualhost", One(Text), "HOST", "checker, RS, VS", "checkers/http",
        "Host header"),
    row("regex", Regex, "PCRE2", "none", "checkers/http",
        "Body must match"),
    row("regex_no_match", Empty, "(none)", "off", "checkers/http",
        "Body must not match"),
    row("regex_options", Between(1, MANY), "names", "none", "checkers/http",
        "PCRE2 options"),
    row("regex_min_offset", Number(0, MOST), "N", "0", "checkers/http",
        "Earliest match start"),
    row("regex_max_offset", Number(0, MOST), "N", "unlimited", "checkers/http",
        "Latest match start"),
    row("regex_stack", Between(2, 2), "START MAX", "JIT default", "checkers/http",
        "JIT stack size"),
    row("tls_compliant", Boolean, "[BOOL]", "checker", "checkers/http",
        "close_notify"),
];
