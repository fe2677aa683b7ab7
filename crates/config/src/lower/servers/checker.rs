//! One checker of a real server: whom it asks, from where, and which kind it is.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use mainstay_core::address::Family;
use mainstay_core::director::probe::Source;
use mainstay_core::director::{CheckerKind, CheckerPlan, Probe, ProbeKind, RealServerPlan};

use super::super::Lowering;
use super::super::definitions::Kind;
use super::super::values::{address, bad_address, link_name, number, required};
use super::timing::{Customs, Timing};
use super::{exchanges, http, scripts};
use crate::suggest;
use crate::tree::{Statement, Word};

/// Where a checker stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around<'s> {
    /// Address and port of the real server, as written.
    pub(super) real: SocketAddr,
    /// Timing of the real server and the virtual server.
    pub(super) timing: Timing,
    /// `virtualhost` of the real server or the virtual server.
    pub(super) host: Option<&'s str>,
    /// Which block of the file the virtual server is, counted.
    pub(super) order: usize,
}

/// Customs of checkers that only connect.
pub(super) const CONNECTING: Customs =
    Customs { retry: 1, delay_before_retry: Some(std::time::Duration::from_secs(1)) };

/// What came of the words of a check that may be impossible.
pub(super) enum Checked {
    /// This is asked.
    With(CheckerPlan),
    /// Nothing is asked: the check is left out.
    Without,
    /// Nothing can be asked, and with `alpha` nothing is believed without asking.
    Never,
}

/// Lowers one checker; an old `SMTP_CHECK` with several hosts is several.
pub(super) fn lower(
    lowering: &mut Lowering<'_>,
    block: &Statement,
    around: Around<'_>,
    plan: &mut RealServerPlan,
) {
    let checkers = &mut plan.checkers;
    match block.keyword() {
        "TCP_CHECK" | "PING_CHECK" | "UDP_CHECK" | "SMTP_CHECK" | "DNS_CHECK" | "GRPC_CHECK" => {
            exchanges::lower(lowering, block, around, checkers);
        }
        "HTTP_GET" | "SSL_GET" => checkers.extend(http::lower(lowering, block, around)),
        "MISC_CHECK" => match scripts::check(lowering, block, around) {
            Checked::With(checker) => checkers.push(checker),
            Checked::Without => {}
            Checked::Never => plan.unprovable = true,
        },
        "FILE_CHECK" => checkers.extend(file(lowering, block, around)),
        "BFD_CHECK" => checkers.extend(bfd(lowering, block, around)),
        _ => {}
    }
}

/// What checkers that connect say about the connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Connection {
    address: Option<IpAddr>,
    port: Option<u16>,
    source: Source,
    mark: u32,
    /// The first word, for what is said about the whole.
    place: Option<Word>,
}

impl Connection {
    /// Takes in one statement; says whether it was one about the connection.
    pub(super) fn word(&mut self, lowering: &mut Lowering<'_>, statement: &Statement) -> bool {
        let report = &mut lowering.report;
        match statement.keyword() {
            "connect_ip" => {
                if let Some(word) = required(report, statement, "an address") {
                    self.address = address(&word.text);
                    if self.address.is_none() {
                        bad_address(report, word);
                    }
                    self.place = Some(word.clone());
                }
            }
            "connect_port" | "bind_port" => {
                if let Some(word) = required(report, statement, "a port")
                    && let Some(port) = number(report, word, 1..=65_535)
                {
                    match statement.keyword() {
                        "bind_port" => self.source.port = Some(port),
                        _ => self.port = Some(port),
                    }
                }
            }
            "bindto" => {
                if let Some(word) = required(report, statement, "an address") {
                    self.source.address = address(&word.text);
                    if self.source.address.is_none() {
                        bad_address(report, word);
                    }
                }
            }
            "bind_if" => {
                if let Some(word) = required(report, statement, "an interface")
                    && let Some(link) = link_name(report, word)
                {
                    self.source.interface = Some(lowering.servers.name(&link));
                }
            }
            "fwmark" => {
                if let Some(word) = required(report, statement, "a number") {
                    self.mark = number(report, word, 0..=i64::from(u32::MAX)).unwrap_or(self.mark);
                }
            }
            _ => return false,
        }
        true
    }

    /// What this says, and for the rest what `other` says (the host block of an old `SMTP_CHECK`).
    pub(super) fn or(self, other: &Self) -> Self {
        Self {
            address: self.address.or(other.address),
            port: self.port.or(other.port),
            source: Source {
                address: self.source.address.or(other.source.address),
                port: self.source.port.or(other.source.port),
                interface: self.source.interface.or_else(|| other.source.interface.clone()),
            },
            mark: if self.mark == 0 { other.mark } else { self.mark },
            place: self.place.or_else(|| other.place.clone()),
        }
    }

    /// The probe of a kind over this connection.
    pub(super) fn probe(
        self,
        lowering: &mut Lowering<'_>,
        block: &Statement,
        around: Around<'_>,
        timing: &Timing,
        kind: ProbeKind,
    ) -> Arc<Probe> {
        let target = SocketAddr::new(
            self.address.unwrap_or(around.real.ip()),
            self.port.unwrap_or(around.real.port()),
        );
        let span = self.place.as_ref().map_or(block.span(), |word| word.span);
        if self.source.address.is_some_and(|source| Family::of(source) != Family::of(target.ip())) {
            lowering
                .report
                .warn("mixed-families", span, format!("`bindto` is not of the family of {}", target.ip()))
                .because("the check cannot succeed");
        }
        let link_local = matches!(target.ip(), IpAddr::V6(address) if address.is_unicast_link_local());
        if link_local && self.source.interface.is_none() {
            lowering
                .report
                .warn("link-local", span, format!("{} is link-local", target.ip()))
                .because("say on which link, with `bind_if`");
        }
        if target.port() == 0 && kind != ProbeKind::Ping {
            lowering
                .report
                .warn("no-port", span, format!("`{}` has no port to ask", block.keyword()))
                .because("the real server has none; say `connect_port`");
        }
        let timeout = timing.connect_timeout();
        Arc::new(Probe { target, source: self.source, fwmark: self.mark, timeout, kind })
    }
}

/// A finished checker.
pub(super) fn finish(
    lowering: &mut Lowering<'_>,
    kind: CheckerKind,
    timing: &Timing,
    customs: Customs,
) -> CheckerPlan {
    let judgement = timing.judgement(customs, lowering.servers.log_all_failures);
    CheckerPlan { kind, judgement: lowering.servers.judgement(judgement) }
}

/// `FILE_CHECK`.
fn file(lowering: &mut Lowering<'_>, block: &Statement, around: Around<'_>) -> Option<CheckerPlan> {
    let mut name = None;
    let mut said = None;
    for statement in block.children() {
        match statement.keyword() {
            "track_file" => name = required(&mut lowering.report, statement, "a name"),
            "weight" => said = weight(lowering, statement),
            _ => {}
        }
    }
    let word = named(lowering, block, name, "track_file")?;
    let Some(definition) = lowering.definitions.find(Kind::File, &word.text) else {
        unknown(lowering, Kind::File, "track_file", word);
        return None;
    };
    if definition.order > around.order {
        lowering
            .report
            .complain("defined-later", word.span, format!("track_file `{word}` is defined further down"))
            .because("Mainstay follows it; keepalived ignores it. Put the definition first");
    }
    let (weight, reverse) = said.unwrap_or((definition.weight, definition.reverse));
    let kind = CheckerKind::File { file: lowering.servers.name(&word.text), weight, reverse };
    Some(finish(lowering, kind, &around.timing, CONNECTING))
}

/// `weight N [reverse|noreverse]`.
fn weight(lowering: &mut Lowering<'_>, statement: &Statement) -> Option<(i32, bool)> {
    let word = required(&mut lowering.report, statement, "a number")?;
    let most = i64::from(i32::MAX);
    let weight = number(&mut lowering.report, word, -most..=most)?;
    let reverse = match statement.arguments().get(1) {
        None => false,
        Some(word) => match word.text.as_str() {
            "reverse" => true,
            "noreverse" => false,
            _ => {
                lowering
                    .report
                    .complain("unknown-option", word.span, format!("`{word}` is not an option of weight"))
                    .because("expected `reverse` or `noreverse`");
                false
            }
        },
    };
    Some((weight, reverse))
}

/// `BFD_CHECK`.
fn bfd(lowering: &mut Lowering<'_>, block: &Statement, around: Around<'_>) -> Option<CheckerPlan> {
    let mut name = None;
    let mut timing = Timing::default();
    for statement in block.children() {
        if statement.keyword() == "name" {
            name = required(&mut lowering.report, statement, "a name");
        } else {
            timing.word(&mut lowering.report, statement);
        }
    }
    let word = named(lowering, block, name, "name")?;
    if lowering.definitions.find(Kind::BfdOfCheckers, &word.text).is_none() {
        if lowering.definitions.has_session_for_others(&word.text) {
            lowering
                .report
                .refuse(
                    "bfd-for-vrrp",
                    word.span,
                    format!("bfd_instance `{word}` is for virtual routers only"),
                )
                .because("it says `vrrp` and not `checker`; the check is left out");
            return None;
        }
        unknown(lowering, Kind::BfdOfCheckers, "bfd_instance", word);
        return None;
    }
    let kind = CheckerKind::Bfd { session: lowering.servers.name(&word.text) };
    let timing = timing.within(around.timing);
    Some(finish(lowering, kind, &timing, CONNECTING))
}

fn named<'s>(
    lowering: &mut Lowering<'_>,
    block: &Statement,
    name: Option<&'s Word>,
    keyword: &str,
) -> Option<&'s Word> {
    if name.is_none() {
        left_out(lowering, block, &format!("has no `{keyword}`"));
    }
    name
}

/// A checker that cannot be: keepalived removes it, too.
pub(super) fn left_out(lowering: &mut Lowering<'_>, block: &Statement, why: &str) {
    lowering
        .report
        .refuse("incomplete-check", block.span(), format!("`{}` {why}", block.keyword()))
        .because("it is left out");
}

fn unknown(lowering: &mut Lowering<'_>, kind: Kind, what: &str, word: &Word) {
    let near = suggest::nearest(&word.text, lowering.definitions.names(kind)).map(str::to_owned);
    let said = lowering
        .report
        .refuse("unknown-tracker", word.span, format!("there is no {what} `{word}`"))
        .because("the check is left out");
    if let Some(near) = near {
        said.suggest(near);
    }
}
