//! Alarms between real daemons: a peer that speaks differently, a frozen master whose kernel still answers, a stranger
//! with our address; and none in a healthy pair.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mainstay::lab::{Node, holds_for, seconds, wait_until};
use mainstay_core::address::{Family as AddressFamily, LinkIndex};
use mainstay_system::announce::{Announcement, Announcer};
use mainstay_system::claims::ClaimSocket;
use mainstay_system::vrrp::Inbox;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::scene::{Cast, Family, Kind, LIMIT, Pairing, Scene, Settings, priority, virtual_address};

const WITH_KEEPALIVED: Pairing =
    Pairing { a: Kind::Keepalived, b: Kind::Mainstay, family: Family::V4, cast: Cast::Unicast };

/// Version 2, an advert a second, this password.
fn password(of: Settings, password: &str) -> Settings {
    of.with("version 2\nadvert_int 1")
        .with(&format!("authentication {{\n auth_type PASS\n auth_pass {password}\n}}"))
}

/// keepalived is master and says what we do not accept; the alarm is told once, and `hold` says whether we wait.
fn a_master_we_do_not_understand(theirs: Settings, ours: Settings, alarm: &str, hold: bool) -> Result<()> {
    let mut scene = Scene::new(WITH_KEEPALIVED)?;
    scene.a.start(&theirs)?;
    scene.a.wait_holds(true)?;
    let policy = if hold { "hold" } else { "take" };
    scene.b.start(&ours.with(&format!("@mainstay mismatch_policy {policy}")))?;
    wait_until("b tells of it", LIMIT, || scene.b.log().contains(alarm))?;
    if hold {
        holds_for("b waits", seconds(6.0), || scene.a.holds() && !scene.b.holds())?;
        scene.a.daemon()?.kill9();
        scene.b.wait_holds(true)?;
    } else {
        scene.b.wait_holds(true)?;
        ensure!(scene.a.holds(), "and there are two masters, as with keepalived");
    }
    let told = scene.b.log().matches(&format!("alarm {alarm}")).count();
    ensure!(told == 1, "told {told} times:\n{}", scene.b.log());
    Ok(())
}

#[test]
fn hold_waits_for_a_keepalived_with_another_password() -> Result<()> {
    let (theirs, ours) = (password(priority(150), "theirs"), password(priority(100), "ours"));
    a_master_we_do_not_understand(theirs, ours, "authentication_mismatch: peer 10.0.0.1", true)
}

#[test]
fn take_makes_a_second_master_of_another_password() -> Result<()> {
    let (theirs, ours) = (password(priority(150), "theirs"), password(priority(100), "ours"));
    a_master_we_do_not_understand(theirs, ours, "authentication_mismatch: peer 10.0.0.1", false)
}

#[test]
fn hold_waits_for_a_keepalived_of_another_version() -> Result<()> {
    // (At 0.1 s we would be master before its first advert, and our adverts would silence it: keepalived 2.2.7 puts its
    // own off with every packet that it rejects.)
    let (theirs, ours) = (priority(150).with("version 2\nadvert_int 1"), priority(100).with("advert_int 1"));
    a_master_we_do_not_understand(theirs, ours, "version_mismatch: peer 10.0.0.1", true)
}

#[test]
fn another_list_of_addresses_is_an_alarm_and_no_second_master() -> Result<()> {
    let mut scene = Scene::new(WITH_KEEPALIVED)?;
    let more = priority(150).with("virtual_ipaddress {\n10.0.0.101/24\n}");
    scene.start(&more, &priority(100))?;
    holds_for("b stays backup", seconds(1.5), || !scene.b.holds())?;
    let told = scene.b.log().matches("alarm address_list_mismatch: peer 10.0.0.1").count();
    ensure!(told == 1, "told {told} times:\n{}", scene.b.log());
    Ok(())
}

#[test]
fn a_frozen_keepalived_is_asked_for_and_waited_for_three_times() -> Result<()> {
    let mut scene = Scene::new(Pairing { cast: Cast::Multicast, ..WITH_KEEPALIVED })?;
    let slow = |priority: Settings| priority.with("advert_int 1");
    scene.start(&slow(priority(150)), &slow(priority(100)).with("@mainstay probe_before_take on"))?;
    let frozen = Pid::from_raw(i32::try_from(scene.a.daemon()?.vrrp_pid()?)?);
    kill(frozen, Signal::SIGSTOP)?;
    let start = Instant::now();
    let taken = scene.b.wait_holds(true);
    let took = start.elapsed();
    kill(frozen, Signal::SIGCONT)?;
    taken?;
    // Its last advert was up to a second old: 2.6 s of silence, and three intervals of waiting for who answers.
    ensure!(took > seconds(2.6 + 3.0), "b took the address after {took:?}");
    let told =
        scene.b.log().matches("alarm address_claimed: 02:00:00:00:00:01 answers for 10.0.0.100").count();
    ensure!(told == 1, "told {told} times:\n{}", scene.b.log());
    Ok(())
}

#[test]
fn a_dead_master_s_address_is_taken_as_soon_as_nobody_answers() -> Result<()> {
    let mut scene = Scene::new(Pairing { cast: Cast::Multicast, ..WITH_KEEPALIVED })?;
    scene.start(&priority(150), &priority(100).with("@mainstay probe_before_take on"))?;
    scene.a.node.cut_port("eth0")?;
    scene.b.wait_holds(true)?;
    ensure!(!scene.b.log().contains("alarm "), "nobody answered:\n{}", scene.b.log());
    Ok(())
}

/// Index of a node's link.
fn link(node: &Node) -> Result<LinkIndex> {
    let index = node.namespace().run(|| nix::net::if_::if_nametoindex("eth0"))?;
    index.map(LinkIndex).context("the link exists")
}

#[test]
fn a_stranger_with_our_address_is_told_once_and_answered_once_in_ten_seconds() -> Result<()> {
    let mut scene = Scene::new(Pairing::OURS)?;
    scene.a.start(&priority(150))?;
    scene.answers("a")?;
    // The announcements of the new master must be over.
    std::thread::sleep(seconds(2.5));
    let address = virtual_address(Family::V4);
    // Not the client, whose own kernel asks for the address and is answered.
    let node = scene.lab.node("stranger", &["10.0.0.8/24"])?;
    let (on, stranger) = (link(&node)?, [2, 0, 0, 0xff, 0, 1]);
    let claim = Announcement { link: on, mac: stranger, address, router: false };
    let defences = node.namespace().run(|| -> Result<usize> {
        let announcer = Announcer::open()?;
        let socket = ClaimSocket::open(on, AddressFamily::V4, &[address])?;
        let (mut inbox, mut defences) = (Inbox::default(), 0);
        let start = Instant::now();
        while start.elapsed() < seconds(12.0) {
            announcer.send(&[claim], |_, error| eprintln!("cannot claim: {error}"));
            std::thread::sleep(Duration::from_millis(200));
            defences += inbox.claims(&socket)?.filter(|heard| heard.mac != stranger).count();
        }
        Ok(defences)
    })??;
    ensure!(defences == 2, "defended {defences} times in 12 s");
    let told = scene.a.log().matches("alarm address_conflict: 02:00:00:ff:00:01 claims 10.0.0.100").count();
    ensure!(told == 1, "told {told} times:\n{}", scene.a.log());
    ensure!(scene.a.holds(), "a keeps the address");
    Ok(())
}

#[test]
fn a_healthy_pair_has_no_alarm_whatever_it_goes_through() -> Result<()> {
    for a in [Kind::Mainstay, Kind::Keepalived] {
        let mut scene = Scene::new(Pairing { a, ..Pairing::OURS })?;
        let ours = || priority(100).with("@mainstay probe_before_take on");
        scene.start(&priority(150), &ours())?;
        scene.a.daemon()?.terminate(LIMIT)?;
        scene.b.wait_holds(true)?;
        scene.a.start(&priority(150))?;
        scene.return_to_a()?;
        std::thread::sleep(seconds(1.5));
        for side in [&scene.a, &scene.b] {
            ensure!(!side.log().contains("alarm "), "{}:\n{}", side.node.name(), side.log());
        }
    }
    Ok(())
}
