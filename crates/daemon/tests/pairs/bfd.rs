//! BFD with real neighbours: FRR's bfdd, keepalived's bfd and ourselves. Times are the log's: how long the neighbour was
//! silent when its session went down.
//!
//! What must go down is tried at 10 ms x 3; what must stay up at intervals that a busy machine does not miss.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mainstay::lab::{Daemon, Lab, Node, Program, wait_until};
use nix::sys::signal::Signal;

use crate::scene::{Kind, LIMIT, program};

/// Two machines, `a` with Mainstay and an instance that follows a session with `b`.
struct Stage {
    _lab: Lab,
    a: Node,
    b: Node,
}

/// Session and instance of `a`; `words` go into the session.
fn config(neighbour: &str, words: &str, tracker: &str) -> String {
    format!(
        "global_defs {{
    vrrp_version 3
}}
bfd_instance gw {{
    neighbor_ip {neighbour}
    min_rx 10
    min_tx 10
    multiplier 3
    {words}
}}
vrrp_instance V1 {{
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority 100
    advert_int 0.1
    virtual_ipaddress {{
        10.0.0.100/24
    }}
    {tracker}
}}
"
    )
}

/// Intervals for sessions that must stay up.
const SLOW: &str = "min_tx 300\n    min_rx 300";

const TRACKED: &str = "track_bfd {\n        gw\n    }";

/// The same session from the other end, and nothing else.
fn session_alone(neighbour: &str, words: &str) -> String {
    let text = config(neighbour, words, "");
    let end = text.find("vrrp_instance").unwrap_or(text.len());
    text[..end].to_owned()
}

fn frr_config(neighbour: &str, local: &str) -> String {
    format!(
        "bfd\n peer {neighbour} local-address {local}\n  detect-multiplier 3\n  receive-interval 10\n  \
         transmit-interval 10\n !\n"
    )
}

impl Stage {
    fn new() -> Result<Self> {
        let lab = Lab::new("bfd")?;
        lab.print_logs_at_end();
        let a = lab.node("a", &["10.0.0.1/24", "fd00::1/64"])?;
        let b = lab.node("b", &["10.0.0.2/24", "fd00::2/64"])?;
        Ok(Self { _lab: lab, a, b })
    }

    fn ours(&self, node: &Node, config: &str) -> Result<Daemon> {
        node.start(&program(Kind::Mainstay), config)
    }

    /// `a` follows the session: it is in FAULT before it is up, and has the address afterwards.
    fn follows_up_and_down(&self, first: &Daemon, lose: impl FnOnce() -> Result<()>) -> Result<()> {
        waits_for(first, "(gw) Entering Up state", 1)?;
        self.holds(true)?;
        lose()?;
        waits_for(first, "(gw) Entering Down state", 1)?;
        self.holds(false)?;
        ensure!(first.logged("Tracked BFD instance gw is DOWN") >= 1, "the tracker is told");
        ensure!(first.logged("Entering FAULT STATE (BFD session gw") >= 1, "and why the instance fails");
        Ok(())
    }

    fn holds(&self, holds: bool) -> Result<()> {
        let what = format!("a {} the address", if holds { "holds" } else { "gives up" });
        wait_until(&what, LIMIT, || self.a.holds("10.0.0.100") == holds).map(drop)
    }
}

fn waits_for(daemon: &Daemon, text: &str, times: usize) -> Result<()> {
    wait_until(&format!("{times} x {text:?} is logged"), LIMIT, || daemon.logged(text) >= times).map(drop)
}

/// Milliseconds of silence after which the session was given up, from the log.
fn silence(daemon: &Daemon) -> Result<f64> {
    let log = daemon.log();
    let (_, rest) = log.rsplit_once("no packet of the neighbour for ").context("no silence in the log")?;
    let (number, _) = rest.split_once(" ms").context("no milliseconds")?;
    number.parse().context("a number of milliseconds")
}

/// Up with this end, down within the detection time when its cable is pulled, and up again when it is back.
fn a_session_follows_the_link(stage: &Stage, first: &Daemon) -> Result<()> {
    stage.follows_up_and_down(first, || stage.b.cut_port("eth0"))?;
    let silence = silence(first)?;
    println!("down after {silence} ms of silence (10 ms x 3)");
    // Less would be wrong on any machine; how much more depends on what else runs here.
    ensure!((30.0..1_000.0).contains(&silence), "{silence} ms");
    stage.b.join_port("eth0")?;
    waits_for(first, "(gw) Entering Up state", 2)?;
    stage.holds(true)
}

#[test]
fn a_session_with_frr_follows_the_link() -> Result<()> {
    let stage = Stage::new()?;
    let first = stage.ours(&stage.a, &config("10.0.0.2", "", TRACKED))?;
    waits_for(&first, "(V1) Entering FAULT STATE", 1)?;
    let _frr = stage.b.start(&Program::frr_bfd(), &frr_config("10.0.0.1", "10.0.0.2"))?;
    a_session_follows_the_link(&stage, &first)
}

#[test]
fn a_session_over_ipv6_with_frr_follows_the_link() -> Result<()> {
    let stage = Stage::new()?;
    let first = stage.ours(&stage.a, &config("fd00::2", "source_ip fd00::1", TRACKED))?;
    let _frr = stage.b.start(&Program::frr_bfd(), &frr_config("fd00::1", "fd00::2"))?;
    a_session_follows_the_link(&stage, &first)
}

#[test]
fn a_session_with_keepalived_follows_the_link() -> Result<()> {
    let stage = Stage::new()?;
    let first = stage.ours(&stage.a, &config("10.0.0.2", "", TRACKED))?;
    let second = stage.b.start(&Program::keepalived(), &session_alone("10.0.0.1", ""))?;
    a_session_follows_the_link(&stage, &first)?;
    ensure!(second.logged("(gw) Entering Up state") >= 1, "keepalived sees it as we do");
    Ok(())
}

/// keepalived sends hop limit 64 unless told otherwise, and hears what has 255.
#[test]
fn a_session_over_ipv6_with_keepalived_needs_no_hop_limit_in_the_file() -> Result<()> {
    let stage = Stage::new()?;
    let first = stage.ours(&stage.a, &config("fd00::2", "", TRACKED))?;
    let second = stage.b.start(&Program::keepalived(), &session_alone("fd00::1", ""))?;
    waits_for(&second, "(gw) Entering Up state", 1)?;
    a_session_follows_the_link(&stage, &first)
}

#[test]
fn a_session_between_two_of_ours_follows_the_link() -> Result<()> {
    let stage = Stage::new()?;
    let first = stage.ours(&stage.a, &config("10.0.0.2", "source_ip 10.0.0.1", TRACKED))?;
    let _second = stage.ours(&stage.b, &session_alone("10.0.0.1", "passive"))?;
    a_session_follows_the_link(&stage, &first)
}

#[test]
fn a_session_over_several_hops_has_a_port_of_its_own() -> Result<()> {
    let stage = Stage::new()?;
    let words = "multihop\n    max_hops 3";
    let first = stage.ours(&stage.a, &config("10.0.0.2", words, TRACKED))?;
    let _second = stage.ours(&stage.b, &session_alone("10.0.0.1", words))?;
    a_session_follows_the_link(&stage, &first)
}

/// The neighbour that ends says so: nobody waits for the detection time.
#[test]
fn a_neighbour_that_ends_takes_leave() -> Result<()> {
    let stage = Stage::new()?;
    let first = stage.ours(&stage.a, &config("10.0.0.2", SLOW, TRACKED))?;
    let mut second = stage.ours(&stage.b, &session_alone("10.0.0.1", SLOW))?;
    stage.follows_up_and_down(&first, || second.terminate(LIMIT).map(drop))?;
    let told = "Local diagnostic - Neighbor Signaled Session Down, Remote diagnostic - Administratively Down";
    ensure!(first.logged(told) == 1, "it was told: {}", first.log());
    Ok(())
}

#[test]
fn a_reload_keeps_sessions_and_tells_the_neighbour_of_other_intervals() -> Result<()> {
    let stage = Stage::new()?;
    let mut first = stage.ours(&stage.a, &config("10.0.0.2", SLOW, TRACKED))?;
    let second = stage.ours(&stage.b, &session_alone("10.0.0.1", SLOW))?;
    waits_for(&first, "(gw) Entering Up state", 1)?;
    waits_for(&second, "(gw) Entering Up state", 1)?;
    stage.holds(true)?;
    // The same session, another one beside it, and a longer detection time.
    let more = "bfd_instance other {\n    neighbor_ip 10.0.0.77\n}\n".to_owned();
    for (number, words) in [SLOW, "min_tx 400\n    min_rx 400"].into_iter().enumerate() {
        first.reload(&(more.clone() + &config("10.0.0.2", words, TRACKED)))?;
        waits_for(&first, "Reload complete", number + 1)?;
    }
    std::thread::sleep(Duration::from_secs(1));
    for daemon in [&first, &second] {
        ensure!(daemon.logged("(gw) Entering Down state") == 0, "it never went down: {}", daemon.log());
    }
    ensure!(stage.a.holds("10.0.0.100"), "nothing moved");
    // The peer counts by what it was told: silence is noticed after 3 x 400 ms now.
    stage.a.cut_port("eth0")?;
    waits_for(&second, "(gw) Entering Down state", 1)?;
    let silence = silence(&second)?;
    ensure!((1_200.0..5_000.0).contains(&silence), "{silence} ms");
    Ok(())
}

/// A router process that dies is followed by one that takes up the address; the session has time to come up again.
#[test]
fn a_crash_of_our_router_is_no_reason_to_give_up_the_address() -> Result<()> {
    let stage = Stage::new()?;
    let first = stage.ours(&stage.a, &config("10.0.0.2", SLOW, TRACKED))?;
    let second = stage.ours(&stage.b, &session_alone("10.0.0.1", SLOW))?;
    waits_for(&first, "(gw) Entering Up state", 1)?;
    stage.holds(true)?;
    let watch = stage.a.watch_addresses()?;
    mainstay::lab::process::send(first.vrrp_pid()?, Signal::SIGKILL);
    waits_for(&first, "(gw) Entering Up state", 2)?;
    waits_for(&second, "(gw) Entering Up state", 2)?;
    ensure!(stage.a.holds("10.0.0.100") && watch.changes().is_empty(), "the address never moved");
    Ok(())
}

/// What is no BFD packet is counted, told once, and takes no session down.
#[test]
fn garbage_on_the_port_is_told_once_and_loses_nothing() -> Result<()> {
    let stage = Stage::new()?;
    let first = stage.ours(&stage.a, &config("10.0.0.2", SLOW, TRACKED))?;
    let _second = stage.ours(&stage.b, &session_alone("10.0.0.1", SLOW))?;
    waits_for(&first, "(gw) Entering Up state", 1)?;
    let garbage = stage.b.namespace().run(|| -> Result<()> {
        let socket = std::net::UdpSocket::bind("10.0.0.2:0")?;
        for number in 0..20_000_u32 {
            let mut bytes = [0x20; 32];
            bytes[..4].copy_from_slice(&number.to_be_bytes());
            socket.send_to(&bytes[..number as usize % 33], "10.0.0.1:3784")?;
        }
        Ok(())
    })?;
    garbage?;
    waits_for(&first, "BFD packets of 10.0.0.2 discarded: truncated", 1)?;
    std::thread::sleep(Duration::from_secs(1));
    ensure!(first.logged("(gw) Entering Down state") == 0, "{}", first.log());
    ensure!(first.logged("discarded: truncated") == 1, "once a minute");
    Ok(())
}
