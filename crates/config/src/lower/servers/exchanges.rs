//! `TCP_CHECK`, `PING_CHECK`, `UDP_CHECK`, `SMTP_CHECK`, `DNS_CHECK`, `GRPC_CHECK`.

use std::sync::Arc;

use mainstay_core::director::probe::{DnsRecord, MaskedByte, Tls, UdpQuestion, UdpReply};
use mainstay_core::director::{CheckerKind, CheckerPlan, ProbeKind};

use super::super::Lowering;
use super::super::values::{number, required, switch};
use super::checker::{Around, CONNECTING, Connection, finish};
use super::timing::{Customs, Timing};
use crate::tree::{Statement, Word};

/// `helo_name` unless said.
const HELO: &str = "smtpchecker.keepalived.org";
/// `max_reply_length` unless said.
const LONGEST_REPLY: u16 = 255;

/// Lowers one of them.
pub(super) fn lower(
    lowering: &mut Lowering<'_>,
    block: &Statement,
    around: Around<'_>,
    checkers: &mut Vec<CheckerPlan>,
) {
    let mut connection = Connection::default();
    let mut timing = Timing::default();
    let mut words = Words::default();
    let mut hosts = Vec::new();
    for statement in block.children() {
        if connection.word(lowering, statement) || timing.word(&mut lowering.report, statement) {
            continue;
        }
        if statement.keyword() == "host" {
            hosts.push(statement);
        } else {
            words.word(lowering, statement);
        }
    }
    let timing = timing.within(around.timing);
    let (kind, customs) = words.kind(lowering, block, around);
    let mut connections = Vec::new();
    for host in hosts {
        let mut own = Connection::default();
        for statement in host.children() {
            own.word(lowering, statement);
        }
        connections.push(own.or(&connection));
    }
    if connections.is_empty() {
        connections.push(connection);
    }
    for connection in connections {
        let probe = connection.probe(lowering, block, around, &timing, kind.clone());
        checkers.push(finish(lowering, CheckerKind::Exchange(probe), &timing, customs));
    }
}

/// What these kinds say of their own.
#[derive(Debug, Default)]
struct Words {
    helo: Option<String>,
    record: DnsRecord,
    name: Option<String>,
    payload: Option<Vec<u8>>,
    reply: Option<Vec<MaskedByte>>,
    least: u16,
    most: Option<u16>,
    service: String,
    tls: bool,
    verify: bool,
    host: Option<String>,
}

impl Words {
    fn word(&mut self, lowering: &mut Lowering<'_>, statement: &Statement) {
        let first = statement.arguments().first();
        let report = &mut lowering.report;
        match statement.keyword() {
            "helo_name" => {
                if self.helo.is_some() {
                    report
                        .complain("duplicate-keyword", statement.span(), "`helo_name` is given twice")
                        .because("the last one counts");
                }
                self.helo = first.map(|word| word.text.clone());
            }
            "type" => self.record = first.and_then(|word| record(lowering, word)).unwrap_or(self.record),
            "name" => self.name = first.map(|word| word.text.clone()),
            "payload" => self.payload = first.and_then(|word| payload(lowering, word)),
            "require_reply" => {
                self.reply = match first {
                    None => Some(Vec::new()),
                    Some(word) => pattern(lowering, word),
                }
            }
            "min_reply_length" | "max_reply_length" => {
                if let Some(word) = required(report, statement, "a number")
                    && let Some(length) = number(report, word, 0..=65_535)
                {
                    match statement.keyword() {
                        "min_reply_length" => self.least = length,
                        _ => self.most = Some(length),
                    }
                }
            }
            "service" => self.service = first.map(|word| word.text.clone()).unwrap_or_default(),
            "tls" => self.tls = switch(report, statement).unwrap_or(false),
            "tls_verify" => self.verify = switch(report, statement).unwrap_or(false),
            "virtualhost" => self.host = first.map(|word| word.text.clone()),
            _ => {}
        }
    }

    fn kind(
        self,
        lowering: &mut Lowering<'_>,
        block: &Statement,
        around: Around<'_>,
    ) -> (ProbeKind, Customs) {
        let kind = match block.keyword() {
            "PING_CHECK" => ProbeKind::Ping,
            "SMTP_CHECK" => {
                ProbeKind::Smtp { helo: lowering.servers.name(self.helo.as_deref().unwrap_or(HELO)) }
            }
            "DNS_CHECK" => {
                let name = lowering.servers.name(self.name.as_deref().unwrap_or("."));
                return (
                    ProbeKind::Dns { record: self.record, name },
                    Customs { retry: 3, delay_before_retry: None },
                );
            }
            "UDP_CHECK" => {
                let reply = self.reply.map(|pattern| UdpReply {
                    pattern,
                    min_length: self.least,
                    max_length: self.most.unwrap_or(LONGEST_REPLY),
                });
                ProbeKind::Udp(Arc::new(UdpQuestion { payload: self.payload, reply }))
            }
            "GRPC_CHECK" => {
                let host = self.host.as_deref().or(around.host);
                let server_name = host.map(|host| lowering.servers.name(host));
                let tls = (self.tls || self.verify).then_some(Tls {
                    server_name,
                    verify: self.verify,
                    close_notify: true,
                });
                ProbeKind::Grpc { service: lowering.servers.name(&self.service), tls }
            }
            _ => ProbeKind::Tcp,
        };
        (kind, CONNECTING)
    }
}

/// `type` of a `DNS_CHECK`.
fn record(lowering: &mut Lowering<'_>, word: &Word) -> Option<DnsRecord> {
    Some(match word.text.to_ascii_uppercase().as_str() {
        "A" => DnsRecord::A,
        "NS" => DnsRecord::Ns,
        "CNAME" => DnsRecord::Cname,
        "SOA" => DnsRecord::Soa,
        "MX" => DnsRecord::Mx,
        "TXT" => DnsRecord::Txt,
        "AAAA" => DnsRecord::Aaaa,
        _ => {
            lowering
                .report
                .complain("unknown-record", word.span, format!("`{word}` is not a type of DNS_CHECK"))
                .because("expected A, NS, CNAME, SOA, MX, TXT or AAAA; SOA is asked for");
            return None;
        }
    })
}

/// Bytes in hexadecimal.
fn payload(lowering: &mut Lowering<'_>, word: &Word) -> Option<Vec<u8>> {
    let bytes = nibbles(&word.text).filter(|bytes| bytes.iter().all(|byte| byte.mask == 0xff));
    if bytes.is_none() {
        not_hexadecimal(
            lowering,
            word,
            "expected two hexadecimal digits for each byte; random bytes are sent",
        );
    }
    Some(bytes?.into_iter().map(|byte| byte.value).collect())
}

/// Bytes in hexadecimal, with `x` for four bits that do not count.
fn pattern(lowering: &mut Lowering<'_>, word: &Word) -> Option<Vec<MaskedByte>> {
    let bytes = nibbles(&word.text);
    if bytes.is_none() {
        not_hexadecimal(
            lowering,
            word,
            "expected two hexadecimal digits (or x) for each byte; no reply is required",
        );
    }
    bytes
}

fn not_hexadecimal(lowering: &mut Lowering<'_>, word: &Word, expected: &str) {
    lowering
        .report
        .complain("bad-hexadecimal", word.span, format!("`{word}` is not hexadecimal"))
        .because(expected);
}

fn nibbles(text: &str) -> Option<Vec<MaskedByte>> {
    let nibble = |digit: u8| match digit {
        b'x' | b'X' => Some((0, 0)),
        digit => char::from(digit)
            .to_digit(16)
            .and_then(|value| u8::try_from(value).ok())
            .map(|value| (value, 0xf)),
    };
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    pairs
        .iter()
        .map(|[high, low]| {
            let ((high, high_mask), (low, low_mask)) = (nibble(*high)?, nibble(*low)?);
            Some(MaskedByte { value: high << 4 | low, mask: high_mask << 4 | low_mask })
        })
        .collect()
}
