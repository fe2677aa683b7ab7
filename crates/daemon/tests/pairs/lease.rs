//! The VIP lease seen from outside: a router that is frozen or killed stops answering for the address before its peer
//! begins to, whatever is left of it, and nothing of this is visible to anybody else's packet filter.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mainstay::lab::{Node, Prober, process, seconds, wait_until};
use nix::sys::signal::Signal;

use crate::auth::with_ah;
use crate::scene::{Cast, Family, Kind, LIMIT, Pairing, Scene, Settings, Side, priority, virtual_address};

/// A firewall of somebody else, on the same hook as ours and on others.
const FOREIGN: &str = "
table inet firewall {
    set friends {
        type ipv4_addr
        elements = { 192.0.2.1, 192.0.2.2 }
    }
    chain input {
        type filter hook input priority filter; policy accept;
        ip saddr @friends counter accept
    }
}
table netdev theirs {
    chain arrival {
        type filter hook ingress device \"eth0\" priority -100; policy accept;
        ether type 0x88cc drop
    }
}
";

/// A pair in which `a` (priority 150) has met `b` (priority 100): `b` was master first. Somebody who never looks at ARP
/// asks `a` all the time.
struct Pair {
    scene: Scene,
    witness: Prober,
    _witness_node: Node,
    foreign: String,
}

impl Pair {
    fn new(b: Kind, family: Family) -> Result<Self> {
        Self::with(b, family, &priority(150))
    }

    fn with(b: Kind, family: Family, a: &Settings) -> Result<Self> {
        Self::between(a, b, &priority(100), family)
    }

    fn between(a: &Settings, b: Kind, of_b: &Settings, family: Family) -> Result<Self> {
        let pairing = Pairing { a: Kind::Mainstay, b, family, cast: Cast::Multicast };
        let mut scene = Scene::new(pairing)?;
        let rules = std::env::temp_dir().join(format!("lease-{}.nft", std::process::id()));
        std::fs::write(&rules, FOREIGN).context("write a firewall")?;
        scene.a.node.namespace().command("nft", &format!("--file {}", rules.display()))?;
        let foreign = ruleset(&scene.a)?;
        scene.b.start(of_b)?;
        scene.answers("b")?;
        scene.a.start(a)?;
        scene.answers("a")?;
        scene.b.wait_holds(false)?;
        // Told by the peer's adverts, and then by the kernel's table.
        std::thread::sleep(seconds(0.3));
        let witness_node = scene.lab.node("witness", &["10.0.0.8/24", "fd00::8/64"])?;
        let mac = format!("02:00:00:00:00:{:02x}", scene.a.node.number());
        let address = virtual_address(family);
        witness_node
            .namespace()
            .ip(&format!("neighbour replace {address} lladdr {mac} dev eth0 nud permanent"))?;
        let witness = witness_node.probe(address, Duration::from_millis(2))?;
        witness.wait_for("a", Instant::now(), LIMIT)?;
        Ok(Self { scene, witness, _witness_node: witness_node, foreign })
    }

    /// From `since` on, `a` stopped answering before `b` began; how long nobody answered in between.
    fn handed_over(&self, since: Instant) -> Result<Duration> {
        self.scene.prober.wait_for("b", since, LIMIT)?;
        let last = self.witness.answers(since).last().map_or(since, |answer| answer.at);
        let answers = self.scene.prober.answers(since);
        let first = answers.iter().find(|answer| answer.by == "b").context("b answers")?.at;
        ensure!(last < first, "a went on answering for {:?} after b had begun", last - first);
        Ok(first - last)
    }

    /// For so long `a` answers nobody, although its address may still be on its link.
    fn a_is_silent_for(&self, period: Duration) -> Result<()> {
        let start = Instant::now();
        std::thread::sleep(period);
        let answers = self.witness.answers(start).len();
        ensure!(answers == 0, "{answers} answers of a within {period:?}");
        Ok(())
    }

    /// What belongs to others is as it was, to the byte.
    fn foreign_rules_are_untouched(&self) -> Result<()> {
        let now = ruleset(&self.scene.a)?;
        ensure!(now == self.foreign, "somebody else's rules changed:\n{}\n{now}", self.foreign);
        Ok(())
    }

    fn finish(self) -> Result<()> {
        self.foreign_rules_are_untouched()?;
        self.scene.finish().map(drop)
    }
}

/// All rules of a machine but ours.
fn ruleset(side: &Side) -> Result<String> {
    let all = side.node.namespace().command("nft", "--stateless list ruleset")?;
    let mut ours = false;
    let lines = all.lines().filter(|line| {
        ours = *line == "table netdev mainstay {" || ours;
        let is_ours = ours;
        ours = ours && *line != "}";
        !is_ours
    });
    Ok(lines.map(|line| format!("{line}\n")).collect())
}

fn has_table(side: &Side) -> bool {
    side.node.namespace().command("nft", "list table netdev mainstay").is_ok()
}

fn is_frozen_and_thaws(b: Kind, family: Family, everything: bool) -> Result<()> {
    let mut pair = Pair::new(b, family)?;
    let daemon = pair.scene.a.daemon()?;
    let frozen = if everything { daemon.process().tree() } else { vec![daemon.vrrp_pid()?] };
    let since = Instant::now();
    frozen.iter().for_each(|pid| process::send(*pid, Signal::SIGSTOP));
    pair.handed_over(since)?;
    ensure!(pair.scene.a.holds(), "a could not take its address away: it is frozen");
    pair.a_is_silent_for(seconds(0.5))?;
    let thawed = Instant::now();
    frozen.iter().rev().for_each(|pid| process::send(*pid, Signal::SIGCONT));
    // It may take the address again soon after.
    pair.scene.a.watch.wait(virtual_address(family), false, thawed, LIMIT)?;
    let says_why = || pair.scene.a.log().contains("its VIP lease is over");
    wait_until("a says why", LIMIT, says_why)?;
    // Of higher priority, it takes over again as a preempting backup does: after its master-down interval.
    pair.scene.prober.wait_for("a", thawed, LIMIT)?;
    let first = thawed + pair.witness.wait_for("a", thawed, LIMIT)?;
    let late = pair.scene.prober.answers(thawed);
    let last = late.iter().rev().find(|answer| answer.by == "b").map_or(thawed, |answer| answer.at);
    ensure!(first > last, "a answered again {:?} before b had let go", last - first);
    ensure!(first - thawed > seconds(0.3), "a waited only {:?}", first - thawed);
    pair.finish()
}

#[test]
fn a_frozen_router_stops_answering_before_the_backup_begins() -> Result<()> {
    is_frozen_and_thaws(Kind::Mainstay, Family::V4, false)
}

#[test]
fn a_frozen_daemon_stops_answering_before_the_backup_begins() -> Result<()> {
    is_frozen_and_thaws(Kind::Mainstay, Family::V4, true)
}

#[test]
fn a_frozen_daemon_stops_answering_for_its_ipv6_address() -> Result<()> {
    is_frozen_and_thaws(Kind::Mainstay, Family::V6, true)
}

#[test]
fn a_frozen_daemon_stops_answering_before_keepalived_begins() -> Result<()> {
    let mut pair = Pair::new(Kind::Keepalived, Family::V4)?;
    let frozen = pair.scene.a.daemon()?.process().tree();
    let since = Instant::now();
    frozen.iter().for_each(|pid| process::send(*pid, Signal::SIGSTOP));
    pair.handed_over(since)?;
    pair.a_is_silent_for(seconds(0.5))?;
    let thawed = Instant::now();
    frozen.iter().rev().for_each(|pid| process::send(*pid, Signal::SIGCONT));
    pair.scene.a.watch.wait(virtual_address(Family::V4), false, thawed, LIMIT)?;
    pair.finish()
}

#[test]
fn adverts_in_authentication_headers_renew_the_lease_and_their_end_ends_it() -> Result<()> {
    let (a, b) = (with_ah(priority(150), "secret"), with_ah(priority(100), "secret"));
    let mut pair = Pair::between(&a, Kind::Keepalived, &b, Family::V4)?;
    wait_until("the lease counts", LIMIT, || pair.scene.a.log().contains("VIP lease"))?;
    // Longer than a lease.
    pair.scene.answers_alone("a", seconds(4.0))?;
    let frozen = pair.scene.a.daemon()?.process().tree();
    let since = Instant::now();
    frozen.iter().for_each(|pid| process::send(*pid, Signal::SIGSTOP));
    pair.handed_over(since)?;
    pair.a_is_silent_for(seconds(0.5))?;
    frozen.iter().rev().for_each(|pid| process::send(*pid, Signal::SIGCONT));
    pair.scene.a.watch.wait(virtual_address(Family::V4), false, since, LIMIT)?;
    pair.finish()
}

fn is_killed_at_once(b: Kind) -> Result<()> {
    let mut pair = Pair::new(b, Family::V4)?;
    let since = Instant::now();
    pair.scene.a.daemon()?.kill9();
    pair.handed_over(since)?;
    ensure!(pair.scene.a.holds(), "nobody was left to take the address away");
    pair.a_is_silent_for(seconds(0.5))?;
    ensure!(has_table(&pair.scene.a), "the gate stays, and closed");
    // Started again, it begins as a backup and cleans up.
    pair.scene.a.start(&priority(50))?;
    pair.scene.a.wait_holds(false)?;
    pair.scene.answers_alone("b", seconds(0.5))?;
    pair.scene.a.daemon()?.terminate(LIMIT)?;
    ensure!(!has_table(&pair.scene.a), "an orderly end leaves no table");
    pair.finish()
}

#[test]
fn a_daemon_killed_at_once_stops_answering_before_the_backup_begins() -> Result<()> {
    is_killed_at_once(Kind::Mainstay)
}

#[test]
fn a_daemon_killed_at_once_stops_answering_before_keepalived_begins() -> Result<()> {
    is_killed_at_once(Kind::Keepalived)
}

#[test]
fn a_lone_node_keeps_answering_when_it_is_killed() -> Result<()> {
    let mut scene = Scene::new(Pairing::OURS)?;
    scene.a.start(&priority(150))?;
    scene.answers("a")?;
    scene.a.daemon()?.kill9();
    scene.answers_alone("a", seconds(1.5))?;
    ensure!(scene.prober.outage(Instant::now()) < seconds(0.1), "without a gap");
    Ok(())
}

#[test]
fn a_lone_node_that_wants_the_lease_in_any_case_is_closed_when_it_is_killed() -> Result<()> {
    let mut scene = Scene::new(Pairing::OURS)?;
    scene.a.start(&priority(150).with("only_if_peer_seen off"))?;
    scene.answers("a")?;
    scene.a.daemon()?.kill9();
    wait_until("a falls silent", LIMIT, || scene.prober.answering(seconds(0.2)).is_none())?;
    ensure!(scene.a.holds(), "the address is still there");
    Ok(())
}

#[test]
fn a_restarted_router_keeps_its_gate_open() -> Result<()> {
    let mut pair = Pair::new(Kind::Mainstay, Family::V4)?;
    let before = pair.scene.a.daemon()?.vrrp_pid()?;
    let killed = Instant::now();
    process::send(before, Signal::SIGKILL);
    let daemon = pair.scene.a.daemon()?;
    wait_until("another router is there", LIMIT, || daemon.vrrp_pid().is_ok_and(|pid| pid != before))?;
    std::thread::sleep(seconds(1.0));
    let outage = pair.scene.prober.outage(killed);
    ensure!(outage < seconds(0.2), "the client noticed nothing: {outage:?}");
    // And the new one's adverts renew it: without them it closes.
    let since = Instant::now();
    let frozen = pair.scene.a.daemon()?.process().tree();
    frozen.iter().for_each(|pid| process::send(*pid, Signal::SIGSTOP));
    pair.handed_over(since)?;
    frozen.iter().rev().for_each(|pid| process::send(*pid, Signal::SIGCONT));
    pair.finish()
}

#[test]
fn a_router_that_is_frozen_and_then_killed_is_followed_by_a_backup() -> Result<()> {
    let mut pair = Pair::new(Kind::Mainstay, Family::V4)?;
    let router = pair.scene.a.daemon()?.vrrp_pid()?;
    let since = Instant::now();
    process::send(router, Signal::SIGSTOP);
    pair.handed_over(since)?;
    let killed = Instant::now();
    process::send(router, Signal::SIGKILL);
    pair.scene.a.watch.wait(virtual_address(Family::V4), false, killed, LIMIT)?;
    // It preempts later, as a backup does.
    pair.scene.prober.wait_for("a", killed, LIMIT)?;
    let waited = pair.witness.wait_for("a", killed, LIMIT)?;
    ensure!(waited > seconds(0.3), "it went on as master after {waited:?}");
    pair.finish()
}

#[test]
fn a_stop_right_after_the_death_of_the_router_leaves_nothing() -> Result<()> {
    let mut pair = Pair::new(Kind::Mainstay, Family::V4)?;
    let daemon = pair.scene.a.daemon()?;
    process::send(daemon.vrrp_pid()?, Signal::SIGKILL);
    daemon.terminate(LIMIT)?;
    ensure!(!pair.scene.a.holds(), "no address is left");
    ensure!(!has_table(&pair.scene.a), "and no table");
    pair.finish()
}

#[test]
fn an_orderly_end_hands_over_and_leaves_no_table() -> Result<()> {
    let mut pair = Pair::new(Kind::Mainstay, Family::V4)?;
    ensure!(has_table(&pair.scene.a), "there is a gate");
    pair.foreign_rules_are_untouched()?;
    let since = Instant::now();
    pair.scene.a.daemon()?.terminate(LIMIT)?;
    pair.handed_over(since)?;
    ensure!(!has_table(&pair.scene.a), "an orderly end leaves no table");
    ensure!(!pair.scene.a.holds());
    pair.finish()
}

#[test]
fn a_reload_that_turns_the_lease_off_takes_the_gate_away() -> Result<()> {
    let mut pair = Pair::new(Kind::Mainstay, Family::V4)?;
    let config = pair.scene.a.config(&priority(150).with("@mainstay vip_lease off"));
    pair.scene.a.daemon()?.reload(&config)?;
    wait_until("the table goes", LIMIT, || !has_table(&pair.scene.a))?;
    pair.scene.answers_alone("a", seconds(0.5))?;
    let config = pair.scene.a.config(&priority(150));
    pair.scene.a.daemon()?.reload(&config)?;
    wait_until("the table comes", LIMIT, || has_table(&pair.scene.a))?;
    pair.scene.answers_alone("a", seconds(0.5))?;
    pair.finish()
}

#[test]
fn whoever_preempts_answers_after_the_other_has_let_go() -> Result<()> {
    let mut pair = Pair::new(Kind::Mainstay, Family::V4)?;
    let start = Instant::now();
    pair.scene.a.daemon()?.terminate(LIMIT)?;
    pair.scene.prober.wait_for("b", start, LIMIT)?;
    // The witness knows no ARP: what it hears is a's alone. b is asked in the same way from now on.
    let mac = format!("02:00:00:00:00:{:02x}", pair.scene.b.node.number());
    let other = pair.scene.lab.node("other", &["10.0.0.7/24", "fd00::7/64"])?;
    let address = virtual_address(Family::V4);
    other.namespace().ip(&format!("neighbour replace {address} lladdr {mac} dev eth0 nud permanent"))?;
    let asks_b = other.probe(address, Duration::from_millis(1))?;
    asks_b.wait_for("b", Instant::now(), LIMIT)?;
    let again = Instant::now();
    pair.scene.a.start(&priority(150))?;
    let first = again + pair.witness.wait_for("a", again, LIMIT)?;
    std::thread::sleep(seconds(0.2));
    let last = asks_b.answers(again).last().context("b answered")?.at;
    ensure!(last < first, "b answered for {:?} after a had begun", last - first);
    ensure!(first - last < seconds(0.1), "nobody answered for {:?}", first - last);
    pair.finish()
}
