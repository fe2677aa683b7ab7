//! A reload cannot hurt: what did not change is not touched, what is wrong changes nothing.

use std::time::Instant;

use anyhow::{Result, ensure};
use mainstay::lab::{seconds, wait_until};

use crate::scene::{Cast, Family, Kind, LIMIT, Pairing, Scene, priority};

/// Adverts that came too late for comfort: the longest time between two of them from this source.
fn longest_gap(packets: &[mainstay::lab::Packet], source: std::net::IpAddr) -> f64 {
    let times: Vec<_> =
        packets.iter().filter(|packet| packet.source == source).map(|packet| packet.at).collect();
    times.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max)
}

fn an_unchanged_reload_is_not_noticed(b: Kind) -> Result<()> {
    let pairing = Pairing { a: Kind::Mainstay, b, family: Family::V4, cast: Cast::Multicast };
    let mut scene = Scene::new(pairing)?;
    scene.start(&priority(150), &priority(100))?;
    let start = Instant::now();
    let config = scene.a.config(&priority(150));
    let pid = scene.a.daemon()?.vrrp_pid()?;
    for round in 1..=5 {
        scene.a.daemon()?.reload(&config)?;
        wait_until("the reload is done", LIMIT, || {
            scene.a.log().matches("Reload complete").count() == round
        })?;
        scene.nothing_moves(seconds(0.3))?;
    }
    ensure!(scene.a.daemon()?.vrrp_pid()? == pid, "the router is the same process");
    let outage = scene.prober.outage(start);
    ensure!(outage < seconds(0.2), "the client noticed nothing: {outage:?}");
    ensure!(scene.prober.shares(start).keys().eq(["a"]), "a answered all the time");
    ensure!(!scene.b.log().contains("MASTER"), "b saw no reason to act");
    let source = scene.a.source();
    let gap = longest_gap(&scene.finish()?, source);
    ensure!(gap < 0.25, "no advert is missing: {gap:.3} s without one");
    Ok(())
}

#[test]
fn an_unchanged_reload_is_not_noticed_by_mainstay() -> Result<()> {
    an_unchanged_reload_is_not_noticed(Kind::Mainstay)
}

#[test]
fn an_unchanged_reload_is_not_noticed_by_keepalived() -> Result<()> {
    an_unchanged_reload_is_not_noticed(Kind::Keepalived)
}

#[test]
fn a_reload_adds_and_removes_an_address_and_leaves_the_other_alone() -> Result<()> {
    let mut scene = Scene::new(Pairing::OURS)?;
    scene.start(&priority(150), &priority(100))?;
    let before = scene.a.config(&priority(150));
    let after = before.replace("10.0.0.100/24", "10.0.0.100/24\n        10.0.0.101/24");
    let start = Instant::now();
    scene.a.daemon()?.reload(&after)?;
    wait_until("the new address is there", LIMIT, || scene.a.node.holds("10.0.0.101"))?;
    scene.a.daemon()?.reload(&before)?;
    wait_until("the new address is gone", LIMIT, || !scene.a.node.holds("10.0.0.101"))?;
    scene.answers_alone("a", seconds(0.3))?;
    let gone = scene.a.watch.first(crate::scene::virtual_address(Family::V4), false, start);
    ensure!(gone.is_none(), "the address that stays is never taken away");
    ensure!(!scene.b.log().contains("MASTER"), "b saw no reason to act");
    scene.finish().map(drop)
}

#[test]
fn a_reload_with_another_priority_lets_the_better_one_win() -> Result<()> {
    let mut scene = Scene::new(Pairing::OURS)?;
    scene.start(&priority(150), &priority(100))?;
    let config = scene.a.config(&priority(50));
    scene.a.daemon()?.reload(&config)?;
    scene.answers("b")?;
    scene.a.wait_holds(false)?;
    let config = scene.a.config(&priority(150));
    scene.a.daemon()?.reload(&config)?;
    scene.return_to_a()?;
    scene.finish().map(drop)
}

#[test]
fn a_bad_file_changes_nothing_and_is_explained() -> Result<()> {
    let mut scene = Scene::new(Pairing::OURS)?;
    scene.start(&priority(150), &priority(100))?;
    let good = scene.a.config(&priority(150));
    let start = Instant::now();
    let bad = [
        ("an unknown interface", good.replace("interface eth0", "interface eth77")),
        ("an impossible router id", good.replace("virtual_router_id 51", "virtual_router_id 0")),
        ("no address that can be read", good.replace("10.0.0.100/24", "10.0.0.500/24")),
    ];
    for (what, bad) in bad {
        ensure!(bad != good, "{what} is a change");
        let lines = scene.a.log().lines().count();
        scene.a.daemon()?.reload(&bad)?;
        wait_until(&format!("{what} is refused"), LIMIT, || {
            scene.a.log().lines().skip(lines).any(|line| line.contains("Reload") && line.contains("refused"))
        })?;
        scene.nothing_moves(seconds(0.4))?;
    }
    ensure!(scene.prober.outage(start) < seconds(0.2), "the client noticed nothing");
    ensure!(!scene.b.log().contains("MASTER"), "b saw no reason to act");
    // And the next good file is taken.
    let better = scene.a.config(&priority(50));
    scene.a.daemon()?.reload(&better)?;
    scene.answers("b")?;
    scene.finish().map(drop)
}
