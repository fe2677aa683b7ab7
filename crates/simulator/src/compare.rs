//! The real router and the tiny machine of the RFC's table ([`crate::oracle`]), fed the same packets at the same times,
//! must be in the same states and send the same adverts.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU8;
use std::time::Duration;

use anyhow::{Result, ensure};
use mainstay_core::router::plan::{Authentication, Preempt, RouterPlan, Version, WantedState};
use mainstay_core::router::{self, Action, Input, Packet, Router};
use mainstay_core::time::Instant;
use mainstay_core::vrrp::ah::Envelope;
use mainstay_core::vrrp::packet::{Emit, emit};

use crate::kernel::{INDEX, Kernel};
use crate::oracle::{Advert, Event, Oracle, State};
use crate::random::Random;
use crate::scenario::{NodeSpec, Scenario};

/// Ticks between two packets, at most: a deadline that does not move is not waited for for ever.
const MOST_TICKS: usize = 10_000;

/// Compares the two for one seed.
///
/// # Errors
/// The first difference.
pub fn compare(seed: u64) -> Result<()> {
    let mut random = Random::new(seed);
    let (mut oracle, mut real) = pair(&mut random);
    let mut now_us = 0;
    for turn in 0..60 {
        // Mostly within a few intervals; with a rest now and then, so that no answer is
        // withheld as one to a flood (that is Mainstay's, not the RFC's).
        let span = oracle.interval_us * if turn % 7 == 0 { 8 } else { 2 };
        let rest = if turn % 5 == 0 { oracle.interval_us } else { oracle.interval_us / 4 };
        now_us += rest + random.below(span);
        oracle.advance(now_us);
        real.advance(now_us);
        let advert = advert(&mut random, &oracle);
        if feed(&mut real, now_us, advert, oracle.version2, &mut random) {
            oracle.step(now_us, Event::Advert(advert));
        }
        agree(&oracle, &real)
            .map_err(|e| e.context(format!("seed {seed}, turn {turn}, {now_us} us, {advert:?}")))?;
    }
    oracle.step(now_us, Event::Shutdown);
    real.step(now_us, Input::ShutdownRequested);
    agree(&oracle, &real).map_err(|error| error.context(format!("seed {seed}, shutdown")))
}

fn agree(oracle: &Oracle, real: &Real) -> Result<()> {
    ensure!(
        real.state() == Some(oracle.state()),
        "the router is {:?}, the table says {:?}",
        real.state(),
        oracle.state()
    );
    let tail = |sent: &[(u64, u8)]| sent[sent.len().saturating_sub(4)..].to_vec();
    ensure!(
        real.sent == oracle.sent,
        "(time in us, priority) sent: {:?}, the table says {:?}",
        tail(&real.sent),
        tail(&oracle.sent)
    );
    Ok(())
}

/// The router under test with a log like the oracle's.
struct Real {
    router: Router,
    sent: Vec<(u64, u8)>,
}

impl Real {
    fn step(&mut self, now_us: u64, input: Input<'_>) {
        let mut actions = Vec::new();
        self.router.step(Instant::from_nanos(now_us * 1000), input, &mut actions);
        self.sent.extend(actions.iter().filter_map(|action| match action {
            Action::SendAdvert(advert) => Some((now_us, advert.payload[2])),
            _ => None,
        }));
    }

    fn advance(&mut self, now_us: u64) {
        for _ in 0..MOST_TICKS {
            let Some(deadline) = self.router.next_deadline() else { return };
            let at = deadline.as_nanos().div_ceil(1000);
            if at > now_us {
                return;
            }
            self.step(at, Input::Tick);
        }
    }

    fn state(&self) -> Option<State> {
        match self.router.states().next()?.1 {
            router::State::Init => Some(State::Initialize),
            router::State::Backup => Some(State::Backup),
            router::State::Master => Some(State::Active),
            router::State::Fault => None,
        }
    }
}

fn pair(random: &mut Random) -> (Oracle, Real) {
    let version2 = random.percent(30);
    let priority = random.pick(&[1, 2, 99, 100, 100, 101, 200, 253, 254, 255]);
    let interval_cs = if version2 { 100 * (1 + random.below(5)) } else { 1 + random.below(300) };
    let preempt = random.percent(60);
    let interval = Duration::from_millis(10 * interval_cs);
    let node = NodeSpec {
        priorities: vec![priority],
        preempt: if preempt { Preempt::After(Duration::ZERO) } else { Preempt::Never },
        ..NodeSpec::default()
    };
    let mut scenario = Scenario::quiet(1, vec![node]);
    scenario.version = if version2 { Version::V2 } else { Version::V3 };
    scenario.interval = interval;
    let mut plan: RouterPlan = scenario.plan(0, &[]);
    plan.instances[0].strict = true;
    plan.instances[0].wanted = if priority == 255 { WantedState::Master } else { WantedState::Backup };
    let own = Ipv4Addr::new(10, 0, 0, 100);
    let mut real =
        Real { router: Router::new(Instant::ZERO, Duration::from_secs(60), plan, None), sent: Vec::new() };
    let (links, addresses) = Kernel::new([2, 0, 0, 0, 0, 1], vec![own.into()]).listing();
    real.step(0, Input::KernelListed { links, addresses });
    let interval_us = interval.as_micros() as u64;
    let mut oracle = Oracle::new(priority, interval_us, preempt, own.to_bits(), version2);
    oracle.step(0, Event::Startup);
    (oracle, real)
}

/// An advert as a neighbour might send it, mostly one of a few that matter.
fn advert(random: &mut Random, oracle: &Oracle) -> Advert {
    let near = [oracle.priority.saturating_sub(1), oracle.priority, oracle.priority.saturating_add(1)];
    let mut priority = match random.below(4) {
        0 => 0,
        1 | 2 => random.pick(&near),
        _ => random.below(256) as u8,
    };
    if oracle.priority == 255 && priority == 255 {
        // Two owners are keepalived's case, not the RFC's: the stubborn rival wins after a while.
        priority = 254;
    }
    let interval_us = match random.below(3) {
        0 => oracle.interval_us,
        _ if oracle.version2 => 1_000_000 * (1 + random.below(4)),
        _ => 10_000 * (1 + random.below(400)),
    };
    let (third, fourth) = random.pick(&[(0, 9), (0, 99), (0, 101), (0, 200), (1, 0), (3, 7)]);
    let source = Ipv4Addr::new(10, 0, third, fourth).to_bits();
    Advert { priority, interval_us, source }
}

fn feed(real: &mut Real, now_us: u64, advert: Advert, version2: bool, random: &mut Random) -> bool {
    let source: IpAddr = Ipv4Addr::from_bits(advert.source).into();
    let destination = IpAddr::from([224, 0, 0, 18]);
    let payload = emit(&Emit {
        version: if version2 { Version::V2 } else { Version::V3 },
        vrid: NonZeroU8::MIN.get() + 9,
        priority: advert.priority,
        interval: Duration::from_micros(advert.interval_us),
        addresses: &[IpAddr::from([10, 0, 100, 1])],
        authentication: &Authentication::None,
        source,
        destination,
        without_pseudo_header: random.percent(20),
    });
    let mut payload = payload;
    if !version2 && random.percent(20) {
        set_reserved_bits(&mut payload);
    }
    let mut ttl = 255;
    let damaged = random.percent(10);
    match random.below(3) {
        _ if !damaged => {}
        0 => ttl = 254,
        1 => {
            let at = random.index(payload.len());
            payload[at] ^= 1 << random.below(8);
        }
        _ => payload.truncate(random.index(payload.len())),
    }
    real.step(
        now_us,
        Input::PacketReceived(Packet {
            link: INDEX,
            source,
            destination,
            ttl,
            envelope: Envelope::Bare,
            payload: &payload,
        }),
    );
    !damaged
}

/// Sets the four bits beside the interval, which a receiver has to ignore, and makes the checksum right again.
fn set_reserved_bits(payload: &mut [u8]) {
    let [_, _, _, _, fifth, _, high, low, ..] = payload else { return };
    *fifth |= 0xf0;
    // RFC 1624: the complement of the sum grows by what was added to a word, with the carry brought round.
    let sum = u32::from(!u16::from_be_bytes([*high, *low])) + 0xf000;
    [*high, *low] = (!((sum & 0xffff) + (sum >> 16)) as u16).to_be_bytes();
}
