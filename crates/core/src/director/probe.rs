//! A probe: one question to one server. One exchange, one [`Outcome`](super::Outcome).
//!
//! A probe is a plain value and says everything that matters for its outcome, so two that are equal need to be asked
//! only once. When it is asked, how often, and what follows from the answer is the checker's business.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::time::Duration;

/// One question to one server.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Probe {
    /// Whom to ask. A ping has no port.
    pub target: SocketAddr,
    /// Where from.
    pub source: Source,
    /// `SO_MARK` of its packets; 0 is none.
    pub fwmark: u32,
    /// `connect_timeout`: how long the connection may take, and then each wait for the server (keepalived's rule).
    /// At least a microsecond.
    pub timeout: Duration,
    /// What to ask.
    pub kind: ProbeKind,
}

/// Where the packets of a probe come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Source {
    /// `bindto`; `None` lets the kernel choose.
    pub address: Option<IpAddr>,
    /// `bind_port`; `None` lets the kernel choose.
    pub port: Option<u16>,
    /// `bind_if`: the link, which also is the scope of an IPv6 link-local target.
    pub interface: Option<Arc<str>>,
}

/// The kinds of questions.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ProbeKind {
    /// `TCP_CHECK`: connect, then close.
    Tcp,
    /// One `url` of `HTTP_GET` or `SSL_GET`.
    Http(Arc<HttpRequest>),
    /// `SMTP_CHECK`: wait for 220, HELO, wait for 250, QUIT.
    Smtp {
        /// What follows HELO.
        helo: Arc<str>,
    },
    /// `DNS_CHECK`: one question over UDP; any answer with rcode 0 is good.
    Dns {
        /// Type of the question.
        record: DnsRecord,
        /// Name of the question, `.` for the root.
        name: Arc<str>,
    },
    /// `UDP_CHECK`: send something; without a wanted reply, silence is good and an ICMP error is not.
    Udp(Arc<UdpQuestion>),
    /// `PING_CHECK`: ICMP echo.
    Ping,
    /// `@mainstay GRPC_CHECK`: `grpc.health.v1.Health/Check`; SERVING is good.
    Grpc {
        /// Name of the service asked for; empty is the server as a whole.
        service: Arc<str>,
        /// Over TLS.
        tls: Option<Tls>,
    },
}

impl ProbeKind {
    /// The keyword that asks so.
    #[must_use]
    pub fn keyword(&self) -> &'static str {
        match self {
            Self::Tcp => "TCP_CHECK",
            Self::Http(request) if request.tls.is_some() => "SSL_GET",
            Self::Http(_) => "HTTP_GET",
            Self::Smtp { .. } => "SMTP_CHECK",
            Self::Dns { .. } => "DNS_CHECK",
            Self::Udp(_) => "UDP_CHECK",
            Self::Ping => "PING_CHECK",
            Self::Grpc { .. } => "GRPC_CHECK",
        }
    }
}

/// One HTTP GET and what its answer must be.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HttpRequest {
    /// Over TLS (`SSL_GET`).
    pub tls: Option<Tls>,
    /// `http_protocol`.
    pub version: HttpVersion,
    /// `path`, as it goes into the request line.
    pub path: String,
    /// `virtualhost`: the `Host` header; `None` is the address and port of the target.
    pub host: Option<String>,
    /// `status_code`: which codes are good, in the order of the file; never empty (200 to 299 unless said).
    pub status: Vec<RangeInclusive<u16>>,
    /// `digest`: MD5 of the body.
    pub digest: Option<[u8; 16]>,
    /// `regex`: what the body must hold.
    pub regex: Option<BodyRegex>,
}

/// How a request is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum HttpVersion {
    /// `1.0`.
    #[default]
    V10,
    /// `1.0C`: 1.0 with `Connection: close`.
    V10Close,
    /// `1.1`, with `Connection: close`.
    V11,
}

/// TLS of one probe. Certificates and keys are the plan's ([`TlsMaterial`](super::plan::TlsMaterial)): one for all.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Tls {
    /// Server name to send (`enable_sni`, `sni_name`).
    pub server_name: Option<Arc<str>>,
    /// `@mainstay tls_verify`: the certificate must be good for the name (or the host, or the address).
    pub verify: bool,
    /// `tls_compliant`: send close_notify at the end.
    pub close_notify: bool,
}

/// A PCRE2 expression for the body of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BodyRegex {
    /// The expression.
    pub pattern: String,
    /// `regex_options`.
    pub options: Vec<RegexOption>,
    /// `regex_no_match`: the body must not match.
    pub must_not_match: bool,
    /// `regex_min_offset`: earliest start of the match in bytes.
    pub min_offset: u32,
    /// `regex_max_offset`: latest start of the match in bytes.
    pub max_offset: Option<u32>,
    /// `regex_stack`: first and greatest size of the JIT stack in bytes.
    pub stack: Option<(u32, u32)>,
}

macro_rules! regex_options {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// `regex_options`: options of PCRE2 by keepalived's names.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum RegexOption {
            $($(#[$doc])* $variant,)*
        }

        impl RegexOption {
            /// Every option.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// keepalived's name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

regex_options! {
    /// `PCRE2_ALLOW_EMPTY_CLASS`.
    AllowEmptyClass = "allow_empty_class",
    /// `PCRE2_ALT_BSUX`.
    AltBsux = "alt_bsux",
    /// `PCRE2_ALT_CIRCUMFLEX`.
    AltCircumflex = "alt_circumflex",
    /// `PCRE2_ALT_VERBNAMES`.
    AltVerbnames = "alt_verbnames",
    /// `PCRE2_AUTO_CALLOUT`.
    AutoCallout = "auto_callout",
    /// `PCRE2_CASELESS`.
    Caseless = "caseless",
    /// `PCRE2_DOLLAR_ENDONLY`.
    DollarEndonly = "dollar_endonly",
    /// `PCRE2_DOTALL`.
    Dotall = "dotall",
    /// `PCRE2_DUPNAMES`.
    Dupnames = "dupnames",
    /// `PCRE2_EXTENDED`.
    Extended = "extended",
    /// `PCRE2_FIRSTLINE`.
    Firstline = "firstline",
    /// `PCRE2_MATCH_UNSET_BACKREF`.
    MatchUnsetBackref = "match_unset_backref",
    /// `PCRE2_MULTILINE`.
    Multiline = "multiline",
    /// `PCRE2_NEVER_BACKSLASH_C`.
    NeverBackslashC = "never_backslash_c",
    /// `PCRE2_NEVER_UCP`.
    NeverUcp = "never_ucp",
    /// `PCRE2_NEVER_UTF`.
    NeverUtf = "never_utf",
    /// `PCRE2_NO_AUTO_CAPTURE`.
    NoAutoCapture = "no_auto_capture",
    /// `PCRE2_NO_AUTO_POSSESS`.
    NoAutoPossess = "no_auto_possess",
    /// `PCRE2_NO_DOTSTAR_ANCHOR`.
    NoDotstarAnchor = "no_dotstar_anchor",
    /// `PCRE2_NO_START_OPTIMIZE`.
    NoStartOptimize = "no_start_optimize",
    /// `PCRE2_UCP`.
    Ucp = "ucp",
    /// `PCRE2_UNGREEDY`.
    Ungreedy = "ungreedy",
    /// `PCRE2_USE_OFFSET_LIMIT`.
    UseOffsetLimit = "use_offset_limit",
    /// `PCRE2_UTF`.
    Utf = "utf",
}

/// What `DNS_CHECK` may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum DnsRecord {
    /// An IPv4 address.
    A,
    /// A name server.
    Ns,
    /// An alias.
    Cname,
    /// Start of authority, the default.
    #[default]
    Soa,
    /// A mail exchanger.
    Mx,
    /// Text.
    Txt,
    /// An IPv6 address.
    Aaaa,
}

impl DnsRecord {
    /// Number in the question (RFC 1035 section 3.2.2, RFC 3596).
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::A => 1,
            Self::Ns => 2,
            Self::Cname => 5,
            Self::Soa => 6,
            Self::Mx => 15,
            Self::Txt => 16,
            Self::Aaaa => 28,
        }
    }
}

/// What `UDP_CHECK` sends and waits for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct UdpQuestion {
    /// `payload`; `None` is random bytes.
    pub payload: Option<Vec<u8>>,
    /// `require_reply`; `None` is content with silence.
    pub reply: Option<UdpReply>,
}

/// The reply a `UDP_CHECK` needs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct UdpReply {
    /// The bytes it begins with; empty is anything, of any length.
    pub pattern: Vec<MaskedByte>,
    /// `min_reply_length`; counts only with a pattern, as in keepalived.
    pub min_length: u16,
    /// `max_reply_length`; counts only with a pattern, as in keepalived.
    pub max_length: u16,
}

/// A byte of which only some bits count (`x` in the pattern is four bits that do not).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MaskedByte {
    /// The bits.
    pub value: u8,
    /// Which of them count.
    pub mask: u8,
}

impl fmt::Display for Probe {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ", self.kind.keyword())?;
        match &self.kind {
            ProbeKind::Ping => write!(formatter, "[{}]", self.target.ip()),
            ProbeKind::Http(request) => {
                write!(formatter, "[{}]:{} {}", self.target.ip(), self.target.port(), request.path)
            }
            _ => write!(formatter, "[{}]:{}", self.target.ip(), self.target.port()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_shows_whom_it_asks_and_for_what() {
        let probe = Probe {
            target: SocketAddr::new([192, 0, 2, 1].into(), 80),
            source: Source::default(),
            fwmark: 0,
            timeout: Duration::from_secs(5),
            kind: ProbeKind::Http(Arc::new(HttpRequest {
                tls: Some(Tls::default()),
                version: HttpVersion::V11,
                path: "/ready".into(),
                host: None,
                status: alloc::vec![200..=299],
                digest: None,
                regex: None,
            })),
        };
        assert_eq!(alloc::format!("{probe}"), "SSL_GET [192.0.2.1]:80 /ready");
        let ping = Probe { kind: ProbeKind::Ping, ..probe };
        assert_eq!(alloc::format!("{ping}"), "PING_CHECK [192.0.2.1]");
    }
}
