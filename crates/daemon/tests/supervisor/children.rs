//! Deaths: of one child, of the supervisor, of everybody in good order.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mainstay::lab::{holds_for, seconds};
use nix::sys::signal::Signal;

use crate::stage::{ADDRESS, LIMIT, Stage, configuration, lives};

fn address() -> IpAddr {
    ADDRESS.parse().expect("an address")
}

#[test]
fn a_killed_router_is_back_at_once_and_its_address_never_leaves() -> Result<()> {
    let stage = Stage::new("router")?;
    let daemon = stage.start(&configuration("", ""))?;
    let watch = stage.node.watch_addresses()?;
    let (old, killed) = (stage.pid("router"), Instant::now());
    stage.signal("router", Signal::SIGKILL)?;
    let back = stage.until("the router is back", || {
        stage.pid("router").is_some_and(|pid| Some(pid) != old) && daemon.log().contains("took up its state")
    })?;
    // The promise is 50 ms; a test machine has other things to do.
    ensure!(back < Duration::from_secs(1), "back after {back:?}");
    holds_for("the address stays", seconds(0.5), || stage.node.holds(ADDRESS))?;
    ensure!(watch.absence(address(), killed) == Duration::ZERO, "{}", daemon.log());
    Ok(())
}

#[test]
fn a_router_that_dies_again_and_again_is_restarted_more_slowly() -> Result<()> {
    let stage = Stage::new("again")?;
    let daemon = stage.start(&configuration("", ""))?;
    for _ in 0..3 {
        stage.until("a router runs", || stage.pid("router").is_some_and(lives))?;
        stage.signal("router", Signal::SIGKILL)?;
        let dead = stage.pid("router");
        stage.until("its death is seen", || stage.pid("router") != dead)?;
    }
    for wait in ["restarted at once", "restarted in 1 s", "restarted in 2 s"] {
        stage.until(wait, || daemon.log().contains(wait)).with_context(|| daemon.log())?;
    }
    Ok(())
}

#[test]
fn a_killed_director_leaves_the_router_alone() -> Result<()> {
    let stage = Stage::new("director")?;
    let daemon = stage.start(&configuration("", ""))?;
    let (router, director) = (stage.pid("router"), stage.pid("director"));
    ensure!(director.is_some_and(lives), "{}", daemon.log());
    stage.signal("director", Signal::SIGKILL)?;
    stage.until("the director is back", || {
        stage.pid("director").is_some_and(|pid| Some(pid) != director && lives(pid))
    })?;
    ensure!(stage.pid("router") == router && stage.node.holds(ADDRESS), "{}", daemon.log());
    Ok(())
}

#[test]
fn a_signal_to_a_child_alone_does_not_end_it() -> Result<()> {
    let stage = Stage::new("signal")?;
    let _daemon = stage.start(&configuration("", ""))?;
    let children = [stage.pid("router"), stage.pid("director")];
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        stage.signal("router", signal)?;
        stage.signal("director", signal)?;
    }
    holds_for("both live on", seconds(0.5), || {
        children == [stage.pid("router"), stage.pid("director")]
            && children.iter().flatten().all(|pid| lives(*pid))
    })
}

#[test]
fn when_the_supervisor_is_killed_the_children_hand_over_and_a_restart_works_at_once() -> Result<()> {
    let stage = Stage::new("orphans")?;
    let daemon = stage.start(&configuration("", ""))?;
    let children: Vec<i32> = ["router", "director"].iter().filter_map(|role| stage.pid(role)).collect();
    ensure!(children.len() == 2, "{}", daemon.log());
    stage.signal("supervisor", Signal::SIGKILL)?;
    stage.until("the children end", || !children.iter().any(|pid| lives(*pid)))?;
    ensure!(!stage.node.holds(ADDRESS), "{}", daemon.log());
    // Its process id files were left behind.
    ensure!(stage.pid("supervisor").is_some());
    let again = stage.start(&configuration("", ""))?;
    ensure!(stage.pid("supervisor") == Some(again.pid().cast_signed()));
    Ok(())
}

#[test]
fn an_orderly_end_takes_everything_away_and_succeeds() -> Result<()> {
    let stage = Stage::new("end")?;
    let mut daemon = stage.start(&configuration("", ""))?;
    let children: Vec<i32> = ["router", "director"].iter().filter_map(|role| stage.pid(role)).collect();
    let status = daemon.terminate(LIMIT)?;
    ensure!(status.success(), "{status}: {}", daemon.log());
    ensure!(!stage.node.holds(ADDRESS) && !children.iter().any(|pid| lives(*pid)));
    for role in ["supervisor", "router", "director"] {
        ensure!(!stage.path(&format!("{role}.pid")).exists(), "{role}.pid is left");
    }
    Ok(())
}

#[test]
fn when_the_router_dies_instead_of_handing_over_its_address_is_taken_away_all_the_same() -> Result<()> {
    let stage = Stage::new("twice")?;
    let mut daemon = stage.start(&configuration("", ""))?;
    stage.signal("router", Signal::SIGSTOP)?;
    daemon.signal(Signal::SIGTERM);
    stage.until("the end begins", || daemon.log().contains("Stopping"))?;
    stage.signal("router", Signal::SIGKILL)?;
    ensure!(daemon.wait(LIMIT)?.success(), "{}", daemon.log());
    ensure!(!stage.node.holds(ADDRESS), "{}", daemon.log());
    Ok(())
}

#[test]
fn an_end_while_a_dead_router_waits_for_its_restart_takes_its_address_away() -> Result<()> {
    let stage = Stage::new("waiting")?;
    // Slow enough for the address to stay until then.
    let slow = configuration("", "").replace("advert_int 0.1", "advert_int 1");
    let mut daemon = stage.start(&slow)?;
    for wait in ["restarted at once", "restarted in 1 s"] {
        stage.until("a router works", || stage.pid("router").is_some_and(lives))?;
        stage.signal("router", Signal::SIGKILL)?;
        stage.until(wait, || daemon.log().contains(wait))?;
    }
    ensure!(stage.node.holds(ADDRESS));
    ensure!(daemon.terminate(LIMIT)?.success(), "{}", daemon.log());
    ensure!(!stage.node.holds(ADDRESS), "{}", daemon.log());
    Ok(())
}

#[test]
fn an_address_does_not_wait_for_a_router_that_is_not_back_before_the_peers_miss_it() -> Result<()> {
    let stage = Stage::new("withdrawn")?;
    let daemon = stage.start(&configuration("", ""))?;
    for wait in ["restarted at once", "restarted in 1 s"] {
        stage.until("a router works", || stage.pid("router").is_some_and(lives))?;
        stage.signal("router", Signal::SIGKILL)?;
        stage.until(wait, || daemon.log().contains(wait))?;
    }
    // At 0.1 s a peer takes over after 0.3 s and the skew; the next router comes after a second.
    let gone =
        stage.until("the address goes", || !stage.node.holds(ADDRESS)).with_context(|| daemon.log())?;
    ensure!(gone < Duration::from_millis(800), "{gone:?}\n{}", daemon.log());
    let begun = |log: &str| log.rfind("Entering BACKUP STATE (init)") > log.rfind("are taken away");
    stage.until("the next router listens first", || begun(&daemon.log())).with_context(|| daemon.log())?;
    stage.until("it is back", || stage.node.holds(ADDRESS)).with_context(|| daemon.log())?;
    Ok(())
}

#[test]
fn without_respawn_the_death_of_the_router_ends_everything() -> Result<()> {
    let stage = Stage::new("respawn")?;
    stage.write("conf", &configuration("", ""))?;
    let mut daemon = stage.node.spawn(stage.command().arg("--dont-respawn"))?;
    stage.until("a router runs", || stage.pid("router").is_some_and(lives))?;
    stage.signal("router", Signal::SIGKILL)?;
    let status = daemon.wait(LIMIT).with_context(|| daemon.log())?;
    ensure!(status.code() == Some(1), "{status}");
    Ok(())
}
