//! Parts of a daemon that die or freeze: the crash of one process is no failover, the crash of all leaves no orphan.

use std::time::Instant;

use anyhow::{Result, ensure};
use mainstay::lab::{process, seconds, wait_until};
use nix::sys::signal::Signal;

use crate::scene::{Cast, Family, Kind, LIMIT, Pairing, Scene, priority, virtual_address};

fn a_killed_router_is_replaced_unnoticed(b: Kind) -> Result<()> {
    let pairing = Pairing { a: Kind::Mainstay, b, family: Family::V4, cast: Cast::Multicast };
    let mut scene = Scene::new(pairing)?;
    scene.start(&priority(150), &priority(100))?;
    let before = scene.a.daemon()?.vrrp_pid()?;
    let supervisor = scene.a.daemon()?.process().pid();
    ensure!(before != supervisor, "the router is a process of its own");
    let killed = Instant::now();
    process::send(before, Signal::SIGKILL);
    let daemon = scene.a.daemon()?;
    wait_until("another router is there", LIMIT, || daemon.vrrp_pid().is_ok_and(|pid| pid != before))?;
    std::thread::sleep(seconds(1.0));
    let absence = scene.a.watch.absence(virtual_address(Family::V4), killed);
    ensure!(absence < seconds(0.05), "the address stays where it is: absent for {absence:?}");
    // Other addresses may come late: a link-local one that was tentative.
    let taken = scene.b.watch.first(virtual_address(Family::V4), true, killed);
    ensure!(taken.is_none(), "b does not take the address: {:?}", scene.b.watch.changes());
    ensure!(!scene.b.log().contains("MASTER"), "b saw no reason to act");
    let outage = scene.prober.outage(killed);
    ensure!(outage < seconds(0.2), "the client noticed nothing: {outage:?}");
    // And the new one is a full replacement.
    scene.a.daemon()?.terminate(LIMIT)?;
    scene.answers("b")?;
    scene.finish().map(drop)
}

#[test]
fn a_killed_router_is_replaced_before_mainstay_notices() -> Result<()> {
    a_killed_router_is_replaced_unnoticed(Kind::Mainstay)
}

#[test]
fn a_killed_router_is_replaced_before_keepalived_notices() -> Result<()> {
    a_killed_router_is_replaced_unnoticed(Kind::Keepalived)
}

#[test]
fn a_backup_whose_router_is_killed_stays_a_backup() -> Result<()> {
    let mut scene = Scene::new(Pairing::OURS)?;
    scene.start(&priority(150), &priority(100))?;
    let before = scene.b.daemon()?.vrrp_pid()?;
    let killed = Instant::now();
    process::send(before, Signal::SIGKILL);
    let daemon = scene.b.daemon()?;
    wait_until("another router is there", LIMIT, || daemon.vrrp_pid().is_ok_and(|pid| pid != before))?;
    scene.answers_alone("a", seconds(1.0))?;
    let taken = scene.b.watch.first(virtual_address(Family::V4), true, killed);
    ensure!(taken.is_none(), "b does not take the address: {:?}", scene.b.watch.changes());
    scene.a.daemon()?.kill9();
    scene.answers("b")?;
    scene.finish().map(drop)
}

#[test]
fn without_their_supervisor_the_others_hand_over_and_end() -> Result<()> {
    let mut scene = Scene::new(Pairing::OURS)?;
    scene.start(&priority(150), &priority(100))?;
    let supervisor = scene.a.daemon()?.process().pid();
    let killed = Instant::now();
    process::send(supervisor, Signal::SIGKILL);
    let took = scene.prober.wait_for("b", killed, LIMIT)?;
    ensure!(took < seconds(1.0), "they say goodbye: {took:?}");
    scene.a.wait_holds(false)?;
    wait_until("nothing is left of a's daemon", LIMIT, || {
        scene.a.node.processes().iter().all(|pid| *pid == supervisor)
    })?;
    // It is a zombie until we look; a restart works at once.
    scene.a.start(&priority(150))?;
    scene.return_to_a()?;
    let source = scene.a.source();
    let packets = scene.finish()?;
    ensure!(
        packets.iter().any(|packet| packet.source == source && packet.priority == 0),
        "priority 0 is sent"
    );
    Ok(())
}

#[test]
fn a_frozen_master_that_wakes_up_listens_before_it_speaks() -> Result<()> {
    let mut scene = Scene::new(Pairing::OURS)?;
    scene.start(&priority(100), &priority(150).nopreempt())?;
    let tree = scene.a.daemon()?.process().tree();
    tree.iter().for_each(|pid| process::send(*pid, Signal::SIGSTOP));
    scene.answers("b")?;
    let frozen_until = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs_f64();
    tree.iter().rev().for_each(|pid| process::send(*pid, Signal::SIGCONT));
    scene.a.wait_holds(false)?;
    scene.answers_alone("b", seconds(0.5))?;
    let source = scene.a.source();
    let packets = scene.finish()?;
    let spoken = packets.iter().filter(|packet| packet.source == source && packet.at > frozen_until).count();
    ensure!(spoken == 0, "a heard its better before it said anything: {spoken} adverts");
    Ok(())
}
