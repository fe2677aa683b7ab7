//! The scenarios every pairing must play: who is elected, who takes over when, and who comes back.

use std::net::IpAddr;
use std::time::Instant;

use anyhow::{Result, ensure};
use mainstay::lab::{Packet, seconds, wait_until};

use crate::scene::{Family, Kind, LIMIT, Pairing, Scene, priority};

/// A router of higher priority that comes takes over from the one that is there, and then it alone answers.
pub fn the_higher_priority_is_elected(pairing: Pairing) -> Result<()> {
    let mut scene = Scene::new(pairing)?;
    scene.b.start(&priority(100))?;
    scene.answers("b")?;
    scene.a.start(&priority(150))?;
    scene.b.wait_holds(false)?;
    scene.return_to_a()?;
    scene.answers_alone("a", seconds(0.5))?;
    ensure!(scene.a.holds() && !scene.b.holds(), "a alone holds the address");
    let packets = scene.finish()?;
    ensure!(packets.iter().any(|packet| packet.priority == 150), "the master advertises its priority");
    Ok(())
}

/// A master that dies without a word is replaced, although its kernel still answers; restarted, it takes over again.
pub fn a_killed_master_is_replaced_and_comes_back(pairing: Pairing) -> Result<()> {
    let mut scene = Scene::new(pairing)?;
    scene.start(&priority(150), &priority(100))?;
    let killed = Instant::now();
    scene.a.daemon()?.kill9();
    let took = scene.prober.wait_for("b", killed, LIMIT)?;
    ensure!(took < seconds(1.5), "b takes over in about 0.36 s: {took:?}");
    scene.answers_alone("b", seconds(0.3))?;
    scene.a.start(&priority(150))?;
    scene.return_to_a()?;
    scene.answers_alone("a", seconds(0.3))?;
    let sources = (scene.a.source(), scene.b.source());
    let silence = silence_before_takeover(&scene.finish()?, sources);
    // The master-down interval: 3 x 0.1 s + (256 - 100) / 256 x 0.1 s.
    ensure!(silence > 0.3, "b must not take over before it may: {silence:.3} s after the last advert of a");
    Ok(())
}

/// Seconds between the first advert of the second source and the last one of the first source before it.
fn silence_before_takeover(packets: &[Packet], (first, second): (IpAddr, IpAddr)) -> f64 {
    let took_over =
        packets.iter().find(|packet| packet.source == second).map_or(f64::MAX, |packet| packet.at);
    let mut before = packets.iter().rev().filter(|packet| packet.source == first && packet.at < took_over);
    took_over - before.next().map_or(0.0, |packet| packet.at)
}

/// A master that is asked to end says so (priority 0) and leaves no address behind.
pub fn a_terminated_master_hands_over(pairing: Pairing) -> Result<()> {
    let mut scene = Scene::new(pairing)?;
    scene.start(&priority(150), &priority(100))?;
    let asked = Instant::now();
    scene.a.daemon()?.terminate(LIMIT)?;
    let took = scene.prober.wait_for("b", asked, LIMIT)?;
    ensure!(took < seconds(1.0), "b takes over after its skew time, 0.06 s: {took:?}");
    scene.a.wait_holds(false)?;
    let source = scene.a.source();
    let packets = scene.finish()?;
    let goodbye = packets.iter().any(|packet| packet.source == source && packet.priority == 0);
    ensure!(goodbye || pairing.a == Kind::Frr, "a says goodbye with priority 0");
    Ok(())
}

/// A master whose link goes down lets go of the address, and takes it back when the link returns.
pub fn a_master_whose_link_fails_is_replaced_and_comes_back(pairing: Pairing) -> Result<()> {
    let mut scene = Scene::new(pairing)?;
    scene.start(&priority(150), &priority(100))?;
    let down = Instant::now();
    scene.a.node.link_down("eth0")?;
    scene.prober.wait_for("b", down, LIMIT)?;
    scene.a.wait_holds(false)?;
    scene.a.node.link_up("eth0")?;
    scene.return_to_a()?;
    scene.answers_alone("a", seconds(0.3))?;
    scene.finish().map(drop)
}

/// With nopreempt a better router that comes back leaves things as they are, and still takes over when needed.
pub fn nopreempt_leaves_things_as_they_are(pairing: Pairing) -> Result<()> {
    let mut scene = Scene::new(pairing)?;
    let (a, b) = (priority(150).nopreempt(), priority(100).nopreempt());
    scene.b.start(&b)?;
    scene.answers("b")?;
    scene.a.start(&a)?;
    scene.answers_alone("b", seconds(2.0))?;
    scene.a.wait_holds(false)?;
    scene.b.daemon()?.kill9();
    scene.answers("a")?;
    scene.finish().map(drop)
}

/// Of equal routers the one that is master stays it; when both are, the one with the higher address remains.
pub fn equal_priorities_are_settled_by_address(pairing: Pairing) -> Result<()> {
    let mut scene = Scene::new(pairing)?;
    // Deaf to b's adverts, a would take its announcement for a stranger's claim and defend against it: the client would
    // then go to a until keepalived announces again, after five seconds. Defences have tests of their own (alarms).
    let equal = || priority(100).with("@mainstay claim_watch off");
    scene.a.start(&equal())?;
    scene.answers("a")?;
    scene.b.start(&equal())?;
    scene.answers_alone("a", seconds(1.5))?;
    // Deaf to each other, both are masters: their packets are dropped on arrival.
    scene.deafen(true)?;
    scene.b.wait_holds(true)?;
    ensure!(scene.a.holds(), "a cannot know");
    scene.deafen(false)?;
    if pairing.b == Kind::Frr && pairing.family == Family::V6 {
        // FRR 8.4 has not found its own link-local address yet ("Failed to find address to bind") and yields.
        wait_until("exactly one holds the address", LIMIT, || scene.a.holds() != scene.b.holds())?;
    } else {
        scene.a.wait_holds(false)?;
        scene.answers_alone("b", seconds(0.5))?;
    }
    scene.finish().map(drop)
}
