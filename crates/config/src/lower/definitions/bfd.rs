//! `bfd_instance`: a session that can be tracked.

use std::net::IpAddr;
use std::num::NonZeroU8;
use std::time::Duration;

use mainstay_core::address::Family;
use mainstay_core::bfd::{Audience, Intervals, SessionPlan};

use super::super::values::{address, bad_address, milliseconds, number, required, switch};
use super::super::{Lowering, named_block};
use super::{Definition, WEIGHT, weight};
use crate::tree::Statement;

/// Longest name keepalived takes, in bytes.
const LONGEST_NAME: usize = 31;

/// keepalived's default of all intervals but the idle one.
const INTERVAL: Duration = Duration::from_millis(10);

/// keepalived's default, and the shortest there is (RFC 5880 section 6.8.3).
const IDLE: Duration = Duration::from_secs(1);

/// The longest interval keepalived takes.
const LONGEST: Duration = Duration::from_millis(4_294_967);

/// A session and what is said of it where it is tracked.
#[derive(Debug)]
pub(super) struct Bfd {
    pub(super) definition: Definition,
    pub(super) audience: Audience,
}

/// What the words of a block come to.
struct Words {
    neighbour: Option<IpAddr>,
    source: Option<IpAddr>,
    intervals: Intervals,
    idle_tx: Duration,
    multiplier: NonZeroU8,
    passive: bool,
    hop_limit: Option<u8>,
    /// How much lower a received TTL may be; -1 and 255: however much.
    max_hops: i16,
    multihop: bool,
    vrrp: bool,
    checkers: bool,
}

impl Words {
    const fn new() -> Self {
        Self {
            neighbour: None,
            source: None,
            intervals: Intervals { desired_min_tx: INTERVAL, required_min_rx: INTERVAL },
            idle_tx: IDLE,
            multiplier: NonZeroU8::new(5).expect("5 is not 0"),
            passive: false,
            hop_limit: None,
            max_hops: 0,
            multihop: false,
            vrrp: false,
            checkers: false,
        }
    }

    fn take(&mut self, lowering: &mut Lowering<'_>, statement: &Statement) {
        let report = &mut lowering.report;
        match statement.keyword() {
            "neighbor_ip" | "neighbour_ip" | "source_ip" => {
                let Some(word) = required(report, statement, "an address") else { return };
                let found = address(&word.text);
                if found.is_none() {
                    bad_address(report, word);
                }
                match statement.keyword() {
                    "source_ip" => self.source = found,
                    _ => self.neighbour = found,
                }
            }
            "min_rx" | "min_tx" | "idle_tx" => {
                let Some(word) = required(report, statement, "milliseconds") else { return };
                let (shortest, place) = match statement.keyword() {
                    "min_rx" => (Duration::from_millis(1), &mut self.intervals.required_min_rx),
                    "min_tx" => (Duration::from_millis(1), &mut self.intervals.desired_min_tx),
                    _ => (IDLE, &mut self.idle_tx),
                };
                *place = milliseconds(report, word, shortest..=LONGEST).unwrap_or(*place);
            }
            "multiplier" => {
                if let Some(word) = required(report, statement, "a number") {
                    let said = number::<u8>(report, word, 1..=255).and_then(NonZeroU8::new);
                    self.multiplier = said.unwrap_or(self.multiplier);
                }
            }
            // keepalived takes either for either family.
            "ttl" | "hoplimit" => {
                if let Some(word) = required(report, statement, "a number") {
                    self.hop_limit = number(report, word, 1..=255).or(self.hop_limit);
                }
            }
            "max_hops" => {
                if let Some(word) = required(report, statement, "a number") {
                    self.max_hops = number(report, word, -1..=255).unwrap_or(self.max_hops);
                }
            }
            "multihop" => self.multihop = switch(report, statement).unwrap_or(self.multihop),
            "passive" => self.passive = true,
            "vrrp" => self.vrrp = true,
            "checker" => self.checkers = true,
            _ => {}
        }
    }

    /// Hop limit of what we send, and the lowest that is accepted.
    ///
    /// DIFFERS: keepalived sends IPv6 packets with 64 unless told otherwise, which no other system accepts (RFC 5881
    /// section 5 wants 255). We send 255, and go on accepting what a keepalived sends.
    fn hop_limits(&self, family: Family) -> (u8, u8) {
        let expected = self.hop_limit.unwrap_or(match family {
            Family::V4 => 255,
            Family::V6 => 64,
        });
        let least = match u8::try_from(self.max_hops) {
            Err(_) | Ok(255) => 0,
            Ok(hops) => expected.saturating_sub(hops),
        };
        (self.hop_limit.unwrap_or(255), least)
    }

    /// Neither word means both.
    fn audience(&self) -> Audience {
        match (self.vrrp, self.checkers) {
            (false, false) => Audience::default(),
            (vrrp, checkers) => Audience { vrrp, checkers },
        }
    }
}

/// Lowers one `bfd_instance`.
pub(crate) fn bfd(lowering: &mut Lowering<'_>, block: &Statement, order: usize) {
    let Some(name) = named_block(lowering, block) else { return };
    if name.len() > LONGEST_NAME {
        lowering
            .report
            .complain("long-name", block.span(), format!("the name of bfd_instance `{name}` is too long"))
            .because(format!(
                "keepalived takes {LONGEST_NAME} bytes at most and leaves it out; so does Mainstay"
            ));
        return;
    }
    if lowering.definitions.bfd.contains_key(&name) {
        lowering
            .report
            .complain("duplicate-definition", block.span(), format!("bfd_instance `{name}` is defined twice"))
            .because("the first one counts");
        return;
    }
    let mut definition =
        Definition { weight: 0, reverse: false, said_weight: false, span: block.span(), order };
    let mut words = Words::new();
    for statement in block.children() {
        match statement.keyword() {
            "weight" => weight(lowering, statement, WEIGHT, &mut definition),
            _ => words.take(lowering, statement),
        }
    }
    let Some(neighbour) = words.neighbour else {
        lowering
            .report
            .refuse(
                "bfd-without-neighbor",
                block.span(),
                format!("bfd_instance `{name}` has no `neighbor_ip`"),
            )
            .because("it is left out");
        return;
    };
    let Some(plan) = plan(lowering, block, &name, neighbour, &words) else { return };
    let audience = plan.audience;
    lowering.model.router.bfd.push(plan);
    lowering.definitions.bfd.insert(name, Bfd { definition, audience });
}

fn plan(
    lowering: &mut Lowering<'_>,
    block: &Statement,
    name: &str,
    neighbour: IpAddr,
    words: &Words,
) -> Option<SessionPlan> {
    let report = &mut lowering.report;
    let family = Family::of(neighbour);
    if let Some(source) = words.source
        && Family::of(source) != family
    {
        report
            .complain(
                "mixed-families",
                block.span(),
                format!("bfd_instance `{name}`: {source} and {neighbour} are of different families"),
            )
            .because("it is left out");
        return None;
    }
    let same = lowering.model.router.bfd.iter().find(|other| {
        other.neighbour == neighbour && other.source == words.source && other.multihop == words.multihop
    });
    if let Some(same) = same {
        report
            .complain(
                "duplicate-session",
                block.span(),
                format!("bfd_instance `{name}` has the same two ends as `{}`", same.name),
            )
            .because("it is left out");
        return None;
    }
    if matches!(neighbour, IpAddr::V6(address) if address.is_unicast_link_local()) {
        report
            .warn("link-local", block.span(), format!("{neighbour} is link-local"))
            .because("bfd_instance has no word for the link, so no packet can be sent there");
    }
    let (ttl, least_ttl) = words.hop_limits(family);
    Some(SessionPlan {
        name: name.into(),
        neighbour,
        source: words.source,
        multihop: words.multihop,
        intervals: words.intervals,
        idle_tx: words.idle_tx,
        multiplier: words.multiplier,
        passive: words.passive,
        ttl,
        least_ttl,
        audience: words.audience(),
    })
}
