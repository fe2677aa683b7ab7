//! `auth_hmac` between real daemons, and against a sender of ours that signs, repeats and forges.
//!
//! (Debian's keepalived, 2.2.7, does not know it. The bytes are those of the vectors beside the codec.)

use std::net::IpAddr;
use std::num::NonZeroU8;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use mainstay::lab::{Injector, holds_for, seconds, wait_until};
use mainstay_core::router::plan::{Authentication, Version};
use mainstay_core::vrrp::packet::{Emit, append_signature, emit};
use mainstay_core::vrrp::signature::{AntiReplay, Mode, NumberedKey, SignaturePlan, Signed, Stamp};

use crate::scene::{Cast, Family, Kind, LIMIT, Pairing, Scene, Settings, VRID, priority, virtual_address};

/// Two keys of 32 characters.
const KEYS: [&str; 2] = ["one-key-of-thirty-two-characters", "two-key-of-thirty-two-characters"];

/// With both keys, of which one signs.
fn signed(of: Settings, active: u8, mode: &str) -> Settings {
    let [one, two] = KEYS;
    of.with(&format!("auth_hmac {{\n key 1 {one}\n key 2 {two}\n active_key {active}\n mode {mode}\n}}"))
}

fn takes_over_and_back(family: Family, cast: Cast) -> Result<Scene> {
    let pairing = Pairing { a: Kind::Mainstay, b: Kind::Mainstay, family, cast };
    let mut scene = Scene::new(pairing)?;
    scene.start(&signed(priority(150), 1, "enforce"), &signed(priority(100), 2, "enforce"))?;
    scene.a.daemon()?.terminate(LIMIT)?;
    scene.answers("b")?;
    scene.a.start(&signed(priority(150), 1, "enforce"))?;
    scene.return_to_a()?;
    for side in [&scene.a, &scene.b] {
        ensure!(!side.log().contains("alarm "), "{}:\n{}", side.node.name(), side.log());
        ensure!(KEYS.iter().all(|key| !side.log().contains(key)), "no key is shown");
    }
    Ok(scene)
}

#[test]
fn two_mainstays_that_sign_take_over_from_each_other() -> Result<()> {
    // tshark takes the signature for a part of the message and its checksum for wrong, so it is not asked.
    takes_over_and_back(Family::V4, Cast::Multicast).map(drop)
}

#[test]
fn two_mainstays_that_sign_take_over_from_each_other_over_ipv6() -> Result<()> {
    takes_over_and_back(Family::V6, Cast::Multicast)?.finish().map(drop)
}

#[test]
fn two_mainstays_that_sign_to_each_other_alone_take_over() -> Result<()> {
    takes_over_and_back(Family::V4, Cast::Unicast).map(drop)
}

#[test]
fn signatures_and_their_keys_are_brought_in_by_reloads_that_nobody_notices() -> Result<()> {
    let mut scene = Scene::new(Pairing::OURS)?;
    scene.start(&priority(150), &priority(100))?;
    let mut rounds = 0;
    for (active, mode) in
        [(1, "receive-only"), (1, "permissive"), (1, "enforce"), (2, "enforce"), (2, "permissive")]
    {
        for a_is_first in [false, true] {
            let side = if a_is_first { &mut scene.a } else { &mut scene.b };
            let config = side.config(&signed(priority(if a_is_first { 150 } else { 100 }), active, mode));
            side.daemon()?.reload(&config)?;
            let count = rounds / 2 + 1;
            wait_until("the reload is done", LIMIT, || {
                side.log().matches("Reload complete").count() == count
            })?;
            rounds += 1;
            scene.nothing_moves(seconds(0.6))?;
        }
    }
    for side in [&scene.a, &scene.b] {
        ensure!(!side.log().contains("alarm "), "{}:\n{}", side.node.name(), side.log());
    }
    scene.answers_alone("a", seconds(1.0))
}

#[test]
fn a_peer_with_another_key_is_an_alarm_and_can_be_waited_for() -> Result<()> {
    let pairing = Pairing { cast: Cast::Unicast, ..Pairing::OURS };
    let mut scene = Scene::new(pairing)?;
    let only = |key: &str| format!("auth_hmac {{\n key 1 {key}\n active_key 1\n}}");
    scene.a.start(&priority(150).with(&only(KEYS[0])))?;
    scene.a.wait_holds(true)?;
    scene.b.start(&priority(100).with(&only(KEYS[1])).with("mismatch_policy hold"))?;
    let alarm = "alarm authentication_mismatch: peer 10.0.0.1";
    wait_until("b tells of it", LIMIT, || scene.b.log().contains(alarm))?;
    holds_for("b waits", seconds(2.0), || scene.a.holds() && !scene.b.holds())
}

/// Somebody with the address of `a` and the first key.
struct Author {
    injector: Injector,
    plan: SignaturePlan,
}

impl Author {
    fn new(scene: &Scene) -> Result<Self> {
        let plan = SignaturePlan {
            keys: vec![NumberedKey { id: NonZeroU8::MIN, secret: KEYS[0].as_bytes().to_vec().into() }],
            active: NonZeroU8::MIN,
            window: Duration::from_secs(5),
            anti_replay: AntiReplay::Time,
            mode: Mode::Enforce,
        };
        Ok(Self { injector: scene.a.node.injector(group())?, plan })
    }

    /// An advert of priority 150, signed now or not at all.
    fn advert(&self, is_signed: bool) -> Result<Vec<u8>> {
        let source = IpAddr::from([10, 0, 0, 1]);
        let message = emit(&Emit {
            version: Version::V3,
            vrid: VRID,
            priority: 150,
            interval: Duration::from_millis(100),
            addresses: &[virtual_address(Family::V4)],
            authentication: &Authentication::None,
            source,
            destination: group(),
            without_pseudo_header: false,
        });
        if !is_signed {
            return Ok(message);
        }
        let stamp = Stamp::of(SystemTime::now().duration_since(UNIX_EPOCH)?);
        let signed = Signed { version: Version::V3, vrid: VRID, source, message: &message };
        Ok(append_signature(&message, &self.plan.sign(signed, stamp), (source, group())))
    }

    /// Says this until something is logged by `b`.
    fn says_until(
        &self,
        scene: &Scene,
        logged: &str,
        times: usize,
        packet: impl Fn() -> Result<Vec<u8>>,
    ) -> Result<()> {
        wait_until(logged, LIMIT, || {
            packet().and_then(|packet| self.injector.send(&packet)).is_ok()
                && scene.b.log().matches(logged).count() >= times
        })
        .map(drop)
    }
}

fn group() -> IpAddr {
    IpAddr::from([224, 0, 0, 18])
}

#[test]
fn a_signed_advert_is_believed_once_and_a_recorded_one_never_again_not_after_a_reload_either() -> Result<()> {
    let mut scene = Scene::new(Pairing::OURS)?;
    let settings = || signed(priority(100), 2, "enforce").with("vip_lease off");
    scene.b.start(&settings())?;
    scene.answers("b")?;
    let author = Author::new(&scene)?;
    author.says_until(&scene, "not signed", 1, || author.advert(false))?;
    scene.answers_alone("b", seconds(0.5))?;
    // What is signed now is a master of higher priority.
    author.says_until(&scene, "Entering BACKUP STATE", 2, || author.advert(true))?;
    let recorded = author.advert(true)?;
    author.injector.send(&recorded)?;
    scene.b.wait_holds(true)?;
    author.says_until(
        &scene,
        "not signed after the last advert of its sender",
        1,
        || Ok(recorded.clone()),
    )?;
    let config = scene.b.config(&settings().with("garp_master_refresh 60"));
    scene.b.daemon()?.reload(&config)?;
    wait_until("the reload is done", LIMIT, || scene.b.log().contains("Reload complete"))?;
    holds_for("b stays", seconds(1.0), || author.injector.send(&recorded).is_ok() && scene.b.holds())?;
    let backups = scene.b.log().matches("Entering BACKUP STATE").count();
    ensure!(backups == 2, "at the start, and for the living one:\n{}", scene.b.log());
    Ok(())
}
