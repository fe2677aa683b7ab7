//! Several paths between two Mainstays, and what they know of each other: no second holder while one path carries
//! heartbeats, none for long after a loss in one direction, and no waiting when the master hands over.

use std::process::Command;
use std::time::Instant;

use anyhow::{Result, ensure};
use mainstay::lab::{seconds, wait_until};

use crate::scene::{Cast, Family, Kind, LIMIT, Pairing, Scene, Side, drop_all_of_ours, priority};

const TWO_PATHS: &str =
    "global_defs {\n@mainstay heartbeat_path dev eth1\n@mainstay heartbeat_key between-a-and-b-only\n}";

/// Two routers with a second link between them.
fn two_links() -> Result<Scene> {
    let scene = Scene::new(Pairing::OURS)?;
    scene.lab.lan("second")?;
    scene.a.node.plug("eth1", "second", &["10.1.0.1/24"])?;
    scene.b.node.plug("eth1", "second", &["10.1.0.2/24"])?;
    Ok(scene)
}

/// From now on this side hears no VRRP and no heartbeat on a link; everything else passes.
fn deafen(side: &Side, link: &str) -> Result<()> {
    let rules = drop_all_of_ours(&format!("deaf-{link}"), link);
    side.node.namespace().command("nft", &rules).map(drop)
}

fn heal(side: &Side, link: &str) -> Result<()> {
    side.node.namespace().command("nft", &format!("delete table netdev deaf-{link}")).map(drop)
}

/// Waits until each side has said that it hears the other on this path.
fn hear_each_other(scene: &Scene, path: &str) -> Result<()> {
    let said = |side: &Side| {
        side.log()
            .lines()
            .any(|line| line.contains("heartbeats of") && line.ends_with(&format!("arrive on {path}")))
    };
    wait_until(&format!("both hear each other on {path}"), LIMIT, || said(&scene.a) && said(&scene.b))
        .map(drop)
}

#[test]
fn the_loss_of_the_main_link_makes_no_second_holder() -> Result<()> {
    let mut scene = two_links()?;
    scene.start(&priority(150).before(TWO_PATHS), &priority(100).before(TWO_PATHS))?;
    hear_each_other(&scene, "dev eth1")?;
    deafen(&scene.b, "eth0")?;
    scene.answers_alone("a", seconds(2.0))?;
    deafen(&scene.a, "eth0")?;
    scene.answers_alone("a", seconds(2.0))?;
    ensure!(scene.a.holds() && !scene.b.holds(), "a alone holds the address");
    heal(&scene.b, "eth0")?;
    heal(&scene.a, "eth0")?;
    scene.answers_alone("a", seconds(1.0))?;
    scene.finish().map(drop)
}

#[test]
fn a_master_that_dies_is_replaced_although_there_are_two_paths() -> Result<()> {
    let mut scene = two_links()?;
    scene.start(&priority(150).before(TWO_PATHS), &priority(100).before(TWO_PATHS))?;
    hear_each_other(&scene, "dev eth1")?;
    let killed = Instant::now();
    scene.a.daemon()?.kill9();
    let took = scene.prober.wait_for("b", killed, LIMIT)?;
    ensure!(took < seconds(1.5), "b takes over in about 0.36 s: {took:?}");
    scene.finish().map(drop)
}

#[test]
fn two_masters_after_a_loss_in_one_direction_are_one_again_after_an_interval() -> Result<()> {
    let mut scene = Scene::new(Pairing::OURS)?;
    scene.start(&priority(150), &priority(100))?;
    hear_each_other(&scene, "dev eth0")?;
    deafen(&scene.b, "eth0")?;
    let deaf = Instant::now();
    scene.b.wait_holds(true)?;
    scene.a.wait_holds(false)?;
    let took = deaf.elapsed();
    ensure!(took < seconds(2.0), "b after 0.36 s, and a gives up 0.1 s later: {took:?}");
    wait_until("a says why", LIMIT, || scene.a.log().contains("does not hear us on any path"))?;
    scene.answers("b")?;
    scene.answers_alone("b", seconds(3.0))?;
    ensure!(!scene.a.holds(), "a does not preempt who cannot hear it");
    heal(&scene.b, "eth0")?;
    scene.return_to_a()?;
    scene.answers_alone("a", seconds(0.5))?;
    scene.finish().map(drop)
}

#[test]
fn a_deaf_master_with_a_backup_that_hears_it_changes_nothing() -> Result<()> {
    let mut scene = Scene::new(Pairing::OURS)?;
    scene.start(&priority(150), &priority(100))?;
    deafen(&scene.a, "eth0")?;
    scene.nothing_moves(seconds(4.0))?;
    scene.answers_alone("a", seconds(0.5))?;
    scene.finish().map(drop)
}

/// keepalived's backup would wait for its skew, 0.61 s at an interval of a second.
#[test]
fn a_terminated_master_hands_over_without_waiting_for_the_skew() -> Result<()> {
    for (family, cast) in [
        (Family::V4, Cast::Multicast),
        (Family::V4, Cast::Unicast),
        (Family::V6, Cast::Multicast),
        (Family::V6, Cast::Unicast),
    ] {
        let mut scene = Scene::new(Pairing { family, cast, ..Pairing::OURS })?;
        scene.start(&priority(150).with("advert_int 1"), &priority(100).with("advert_int 1"))?;
        let path = match (family, cast) {
            (_, Cast::Multicast) => "dev eth0",
            (Family::V4, Cast::Unicast) => "dev eth0 peer",
            (Family::V6, Cast::Unicast) => "dev eth0 peer fd00::",
        };
        let said = |side: &Side| side.log().contains(&format!("arrive on {path}"));
        wait_until("both hear each other", LIMIT, || said(&scene.a) && said(&scene.b))?;
        std::thread::sleep(seconds(1.5));
        let asked = Instant::now();
        scene.a.daemon()?.terminate(LIMIT)?;
        scene.prober.wait_for("b", asked, LIMIT)?;
        let outage = scene.prober.outage(asked);
        println!("{family:?} {cast:?}: the client had no answer for {outage:?}");
        ensure!(outage < seconds(0.3), "{family:?} {cast:?}: no answer for {outage:?}");
        scene.finish()?;
    }
    Ok(())
}

#[test]
fn a_keepalived_peer_sees_nothing_unusual() -> Result<()> {
    let pairing = Pairing { b: Kind::Keepalived, ..Pairing::OURS };
    let mut scene = Scene::new(pairing)?;
    scene.start(&priority(150), &priority(100))?;
    let namespace = scene.b.node.namespace();
    let seen = namespace.run(|| {
        let arguments = "30 tcpdump -i eth0 -nn -v -c 3 -l --immediate-mode -Z root (udp port 10112) or icmp";
        Command::new("timeout").args(arguments.split(' ')).output()
    })??;
    let seen = String::from_utf8_lossy(&seen.stdout).into_owned();
    ensure!(seen.contains("ttl 255") && seen.contains("proto UDP"), "heartbeats are ordinary UDP: {seen}");
    ensure!(!seen.contains("ICMP") && !seen.contains("unreachable"), "nobody complains of them: {seen}");
    let strange = ["rror", "nvalid", "eject", "nexpected", "warn"];
    let log = scene.b.log();
    let complaint = log.lines().find(|line| strange.iter().any(|word| line.contains(word)));
    ensure!(complaint.is_none(), "keepalived complains: {complaint:?}");
    scene.finish().map(drop)
}

#[test]
fn a_keepalived_peer_takes_over_as_fast_as_from_its_like() -> Result<()> {
    let pairing = Pairing { b: Kind::Keepalived, ..Pairing::OURS };
    let mut scene = Scene::new(pairing)?;
    scene.start(&priority(150).with("advert_int 1"), &priority(200).nopreempt().with("advert_int 1"))?;
    let asked = Instant::now();
    scene.a.daemon()?.terminate(LIMIT)?;
    scene.prober.wait_for("b", asked, LIMIT)?;
    let outage = scene.prober.outage(asked);
    ensure!(outage < seconds(0.7), "its skew is 0.22 s: {outage:?}");
    scene.finish().map(drop)
}
