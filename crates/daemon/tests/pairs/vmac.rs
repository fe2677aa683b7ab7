//! Virtual MAC addresses: the links, addresses, settings and frames are keepalived's, and a failover moves the MAC address
//! with the IP address.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mainstay::lab::{Lab, Node, Process, process, seconds, wait_until};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::scene::{Cast, Family, Kind, LIMIT, Pairing, Scene, priority, program, virtual_address};

/// The MAC address of VRID 51, over IPv4 and over IPv6.
const VMAC4: &str = "00:00:5e:00:01:33";
const VMAC6: &str = "00:00:5e:00:02:33";

/// What can be said about virtual MAC addresses, in one file.
const CONFIG: &str = "
global_defs {
    vrrp_version 3
    vrrp_garp_master_delay 1
    vmac_addr_prefix vip
}
vrrp_instance PLAIN {
    interface eth0
    virtual_router_id 51
    priority 150
    advert_int 0.1
    use_vmac
    virtual_ipaddress {
        10.0.0.100
        10.0.0.101/24
        10.0.1.100 dev eth1
    }
    virtual_ipaddress_excluded {
        fd00::103/64
    }
}
vrrp_instance SIX {
    interface eth0
    virtual_router_id 51
    priority 150
    advert_int 0.1
    use_vmac
    virtual_ipaddress {
        fe80::100/64
        fd00::100/64
    }
}
vrrp_instance BASE {
    interface eth0
    virtual_router_id 52
    priority 150
    advert_int 0.1
    use_vmac vm52
    vmac_xmit_base
    virtual_ipaddress {
        10.0.0.120
    }
}
vrrp_instance MINE {
    interface eth1
    virtual_router_id 55
    priority 150
    advert_int 0.1
    use_vmac 02:01:02:03:04
    use_vmac_addr
    virtual_ipaddress {
        10.0.1.121
        10.0.0.121 dev eth0
    }
    virtual_ipaddress_excluded {
        fd01::121/64
    }
}
vrrp_instance ONE {
    interface eth1
    virtual_router_id 54
    priority 150
    advert_int 0.1
    virtual_ipaddress {
        10.0.1.122 use_vmac
        10.0.1.123
    }
}
";

/// Settings of the kernel that a virtual MAC address may need.
const SETTINGS: [&str; 9] = [
    "ipv4.conf.LINK.arp_ignore",
    "ipv4.conf.LINK.arp_filter",
    "ipv4.conf.LINK.arp_announce",
    "ipv4.conf.LINK.rp_filter",
    "ipv4.conf.LINK.accept_local",
    "ipv4.conf.LINK.promote_secondaries",
    "ipv6.conf.LINK.disable_ipv6",
    "ipv6.conf.LINK.addr_gen_mode",
    "ipv6.conf.LINK.accept_dad",
];

/// Links with their kind, addresses and settings, one line each.
fn picture(node: &Node) -> Result<Vec<String>> {
    let namespace = node.namespace();
    let links: Vec<Value> = serde_json::from_str(&namespace.ip("-json -details link show")?)?;
    let mut lines = Vec::new();
    for link in &links {
        let name = link["ifname"].as_str().context("a link has a name")?;
        let mut flags: Vec<&str> =
            link["flags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        flags.sort_unstable();
        let (info, group) = (&link["linkinfo"], &link["group"]);
        let kind = format!("{} {}", info["info_kind"], info["info_data"]["mode"]);
        let on = if link["link_index"].is_null() { &link["link"] } else { &Value::Null };
        lines.push(format!(
            "link {name} on {on}: {} {kind} group {group} {} {flags:?}",
            link["address"], link["inet6_addr_gen_mode"]
        ));
        for setting in SETTINGS {
            // A dot in a link's name is a slash to sysctl(8).
            let key = setting.replace("LINK", &name.replace('.', "/"));
            let value = namespace.command("sysctl", &format!("-n net.{key}"))?;
            lines.push(format!("setting {key} = {}", value.trim()));
        }
    }
    for line in namespace.ip("-oneline address show")?.lines() {
        // Without the link's number and how long the address will last.
        let words: Vec<&str> =
            line.split_whitespace().skip(1).take_while(|word| *word != "valid_lft").collect();
        lines.push(format!("address {}", words.join(" ")));
    }
    for key in ["all.rp_filter", "default.rp_filter"] {
        let value = namespace.command("sysctl", &format!("-n net.ipv4.conf.{key}"))?;
        lines.push(format!("setting {key} = {}", value.trim()));
    }
    lines.sort();
    Ok(lines)
}

/// DIFFERS: what Mainstay sets and keepalived 2.2.7 does not; system/src/virtual_link/settings.rs says why.
fn is_deliberate(line: &str) -> bool {
    let of_parent = line.contains(".eth0.arp_announce") || line.contains(".eth1.arp_announce");
    let of_ipv6 = line.contains("vrrp6/51.arp_ignore");
    of_parent || of_ipv6
}

/// What this daemon makes of the file, and what there is when it has ended.
fn master_and_after(kind: Kind) -> Result<(Vec<String>, Vec<String>, Vec<String>)> {
    let lab = Lab::new("vmac")?;
    lab.print_logs_at_end();
    let node = lab.node("a", &["10.0.0.1/24", "fd00::1/64"])?;
    node.plug("eth1", mainstay::lab::LAN, &["10.0.1.1/24", "fd01::1/64"])?;
    for link in ["all", "eth1"] {
        node.namespace().sysctl(&format!("net.ipv4.conf.{link}.rp_filter"), "1")?;
    }
    let before = picture(&node)?;
    let mut daemon = node.start(&program(kind), CONFIG)?;
    wait_until("all are master", LIMIT, || daemon.logged("Entering MASTER STATE") == 5)?;
    let all = ["10.0.0.100", "fd00::100", "10.0.0.120", "10.0.1.121", "fd01::121", "10.0.1.123"];
    wait_until("their addresses are there", LIMIT, || all.iter().all(|address| node.holds(address)))?;
    let master = picture(&node)?;
    daemon.terminate(LIMIT)?;
    let after = picture(&node)?;
    let tables = node.namespace().command("nft", "list tables")?;
    ensure!(tables.trim().is_empty(), "tables are left behind: {tables}");
    Ok((before, master, after))
}

#[test]
fn links_addresses_and_settings_are_those_of_keepalived_and_gone_at_the_end() -> Result<()> {
    let (before, ours, after) = master_and_after(Kind::Mainstay)?;
    let (_, theirs, _) = master_and_after(Kind::Keepalived)?;
    let only = |some: &[String], others: &[String]| -> Vec<String> {
        let differs = |line: &&String| !others.contains(line) && !is_deliberate(line);
        some.iter().filter(differs).cloned().collect()
    };
    let (only_ours, only_theirs) = (only(&ours, &theirs), only(&theirs, &ours));
    let links = ours.iter().filter(|line| line.starts_with("link ") && line.contains("macvlan")).count();
    ensure!(links == 6, "six links are made: {ours:#?}");
    ensure!(
        only_ours.is_empty() && only_theirs.is_empty(),
        "only with Mainstay: {only_ours:#?}, only with keepalived: {only_theirs:#?}"
    );
    ensure!(after == before, "left behind: {:#?}", only(&after, &before));
    Ok(())
}

/// Frames that cross a link, as tshark shows them.
struct Frames(Process);

impl Frames {
    /// Those that a capture filter lets through, from now on.
    fn watch(node: &Node, link: &str, filter: &str, fields: &[&str]) -> Result<Self> {
        let mut command = Command::new("tshark");
        command.args(["-i", link, "-n", "-l", "-f", filter, "-T", "fields", "-E", "separator=|"]);
        for field in fields {
            command.args(["-e", field]);
        }
        let process = node.spawn(&mut command)?;
        wait_until("tshark listens", LIMIT, || process.log().contains("Capturing on"))?;
        // It says so a little before it does.
        std::thread::sleep(seconds(0.3));
        Ok(Self(process))
    }

    /// What was seen so far.
    fn lines(&self) -> Vec<String> {
        let log = self.0.log();
        let is_frame = |line: &&str| line.contains('|');
        log.lines().filter(is_frame).map(str::to_owned).collect()
    }

    fn wait_for(&self, what: &str, is_it: impl Fn(&str) -> bool) -> Result<()> {
        wait_until(what, LIMIT, || self.lines().iter().any(|line| is_it(line))).map(drop)
    }
}

/// Source MAC address of a frame, what it is, and whose address it tells of: of adverts and of ARP in the name of the
/// virtual address, while a client asks.
fn frames_of_master(kind: Kind, words: &str) -> Result<BTreeSet<String>> {
    let pairing = Pairing { a: kind, b: kind, family: Family::V4, cast: Cast::Multicast };
    let mut scene = Scene::new(pairing)?;
    let filter = "vrrp or (arp and not ether src 02:00:00:00:00:03)";
    let fields = ["eth.src", "vrrp.prio", "arp.opcode", "arp.src.proto_ipv4", "arp.src.hw_mac"];
    let frames = Frames::watch(&scene.client, "eth0", filter, &fields)?;
    // So that the one that is asked asks nobody itself: see `a_client_is_never_told_another_mac_address`.
    let client = "10.0.0.9 lladdr 02:00:00:00:00:03 nud permanent dev eth0";
    scene.a.node.namespace().ip(&format!("neighbour replace {client}"))?;
    scene.a.start(&priority(150).with(words))?;
    scene.answers("a")?;
    frames.wait_for("an advert", |line| line.contains("|150|"))?;
    frames.wait_for("the second announcement", |_| {
        frames.lines().iter().filter(|line| line.contains("|1|10.0.0.100|")).count() > 5
    })?;
    frames.wait_for("an answer to ARP", |line| line.contains("|2|10.0.0.100|"))?;
    let seen = frames.lines().into_iter().collect();
    scene.a.daemon()?.terminate(LIMIT)?;
    Ok(seen)
}

#[test]
fn frames_come_from_the_virtual_mac_address_as_with_keepalived() -> Result<()> {
    for (words, adverts) in [("use_vmac", VMAC4), ("use_vmac\nvmac_xmit_base", "02:00:00:00:00:01")] {
        let expected: BTreeSet<String> = [
            format!("{adverts}|150|||"),
            format!("{VMAC4}||1|10.0.0.100|{VMAC4}"),
            format!("{VMAC4}||2|10.0.0.100|{VMAC4}"),
        ]
        .into();
        for kind in [Kind::Mainstay, Kind::Keepalived] {
            let seen = frames_of_master(kind, words)?;
            let of_address = |line: &&String| line.contains("10.0.0.100") || line.contains("|150|");
            let seen: BTreeSet<String> = seen.iter().filter(of_address).cloned().collect();
            ensure!(seen == expected, "{kind:?} with {words}: {seen:#?}");
        }
    }
    Ok(())
}

/// The MAC address a client knows for the virtual address.
fn known_mac(scene: &Scene) -> String {
    let shown =
        scene.client.namespace().ip("-oneline neighbour show 10.0.0.100 dev eth0").unwrap_or_default();
    shown.split_whitespace().skip_while(|word| *word != "lladdr").nth(1).unwrap_or("none").to_owned()
}

fn a_failover_leaves_the_arp_entry_as_it_is(b: Kind) -> Result<()> {
    let pairing = Pairing { a: Kind::Mainstay, b, family: Family::V4, cast: Cast::Multicast };
    let mut scene = Scene::new(pairing)?;
    if b == Kind::Keepalived {
        // Else it asks in the name of the virtual address and with another MAC address.
        scene.b.node.namespace().sysctl("net.ipv4.conf.eth0.arp_announce", "2")?;
    }
    let watched = Frames::watch(&scene.client, "eth0", "arp", &["arp.src.proto_ipv4", "arp.src.hw_mac"])?;
    scene.start(&priority(150).with("use_vmac"), &priority(100).with("use_vmac"))?;
    ensure!(known_mac(&scene) == VMAC4, "with a: {}", known_mac(&scene));
    scene.a.daemon()?.kill9();
    scene.answers("b")?;
    ensure!(known_mac(&scene) == VMAC4, "with b: {}", known_mac(&scene));
    scene.a.start(&priority(150).with("use_vmac"))?;
    scene.return_to_a()?;
    scene.answers_alone("a", seconds(0.5))?;
    ensure!(known_mac(&scene) == VMAC4, "with a again: {}", known_mac(&scene));
    let others: Vec<String> = watched
        .lines()
        .into_iter()
        .filter(|line| line.starts_with("10.0.0.100|") && !line.ends_with(VMAC4))
        .collect();
    ensure!(others.is_empty(), "nobody said that it has another: {others:?}");
    scene.finish().map(drop)
}

#[test]
fn a_client_is_never_told_another_mac_address_by_mainstay() -> Result<()> {
    a_failover_leaves_the_arp_entry_as_it_is(Kind::Mainstay)
}

#[test]
fn a_client_keeps_the_mac_address_from_mainstay_to_keepalived_and_back() -> Result<()> {
    a_failover_leaves_the_arp_entry_as_it_is(Kind::Keepalived)
}

/// A switch learns from every frame where a MAC address is: from a backup there must be none. The master has no virtual
/// MAC address here, so that each such frame is the backup's.
fn a_backup_never_shows_it(family: Family, mac: &str) -> Result<()> {
    let pairing = Pairing { a: Kind::Keepalived, b: Kind::Mainstay, family, cast: Cast::Multicast };
    let mut scene = Scene::new(pairing)?;
    let filter = format!("ether src {mac}");
    let shown = Frames::watch(&scene.client, "eth0", &filter, &["eth.src", "frame.protocols"])?;
    let reports =
        Frames::watch(&scene.client, "eth0", "igmp or ip6", &["eth.src", "ip.proto", "icmpv6.type"])?;
    let settings = priority(100).with("use_vmac");
    scene.start(&priority(150), &settings)?;
    // Reports come again after a while.
    std::thread::sleep(seconds(2.0));
    ensure!(shown.lines().is_empty(), "a backup says nothing with it: {:?}", shown.lines());
    let is_report = |line: &String| line.ends_with("|2|") || line.ends_with("|143");
    let report =
        reports.lines().into_iter().find(|line| line.starts_with("02:00:00:00:00:02|") && is_report(line));
    ensure!(report.is_some(), "its groups are reported by the parent: {:?}", reports.lines());
    scene.a.daemon()?.kill9();
    scene.a.node.link_down("eth0")?;
    scene.answers("b")?;
    shown.wait_for("the master shows it", |_| true)
}

#[test]
fn a_backup_never_shows_the_virtual_mac_address_over_ipv4() -> Result<()> {
    a_backup_never_shows_it(Family::V4, VMAC4)
}

#[test]
fn a_backup_never_shows_the_virtual_mac_address_over_ipv6() -> Result<()> {
    a_backup_never_shows_it(Family::V6, VMAC6)
}

fn ours() -> Result<Scene> {
    let mut scene = Scene::new(Pairing::OURS)?;
    scene.start(&priority(150).with("use_vmac"), &priority(100).with("use_vmac"))?;
    Ok(scene)
}

#[test]
fn a_link_that_somebody_deletes_is_a_fault_and_made_again() -> Result<()> {
    let scene = ours()?;
    scene.a.node.namespace().ip("link delete vrrp.51")?;
    wait_until("a is in fault", LIMIT, || scene.a.log().contains("Entering FAULT STATE"))?;
    ensure!(scene.a.log().contains("interface vrrp.51"), "with the reason: {}", scene.a.log());
    let entered = |scene: &Scene| scene.a.log().matches("Entering MASTER STATE").count();
    wait_until("a is master again", LIMIT, || entered(&scene) == 2)?;
    scene.a.wait_holds(true)?;
    scene.return_to_a()?;
    scene.answers_alone("a", seconds(0.5))
}

#[test]
fn a_killed_router_leaves_its_link_and_the_next_one_adopts_it() -> Result<()> {
    let mut scene = ours()?;
    let index = |scene: &Scene| -> Result<String> {
        let shown = scene.a.node.namespace().ip("-oneline link show dev vrrp.51")?;
        shown.split(':').next().map(str::to_owned).context("a link has a number")
    };
    let before = index(&scene)?;
    let daemon = scene.a.daemon()?;
    let pid = daemon.vrrp_pid()?;
    process::send(pid, Signal::SIGKILL);
    wait_until("another router is there", LIMIT, || daemon.vrrp_pid().is_ok_and(|now| now != pid))?;
    scene.answers_alone("a", seconds(1.0))?;
    ensure!(index(&scene)? == before, "the link is the same");
    // All of it at once: what is left is taken up by the next start.
    scene.a.daemon()?.kill9();
    scene.answers("b")?;
    scene.a.start(&priority(150).with("use_vmac"))?;
    scene.return_to_a()?;
    let links = scene.a.node.namespace().ip("-oneline link show type macvlan")?;
    ensure!(links.lines().count() == 1, "there is one link: {links}");
    scene.a.daemon()?.terminate(LIMIT)?;
    let links = scene.a.node.namespace().ip("-oneline link show type macvlan")?;
    ensure!(links.is_empty(), "it is removed at the end: {links}");
    scene.answers("b").map(drop)
}

#[test]
fn a_reload_brings_a_virtual_mac_address_and_takes_it_away() -> Result<()> {
    let mut scene = Scene::new(Pairing::OURS)?;
    scene.a.start(&priority(150))?;
    scene.answers("a")?;
    let macvlans = |scene: &Scene| scene.a.node.namespace().ip("-oneline link show type macvlan");
    let with = scene.a.config(&priority(150).with("use_vmac"));
    scene.a.daemon()?.reload(&with)?;
    wait_until("the address is on it", LIMIT, || {
        scene
            .a
            .node
            .namespace()
            .ip("-oneline address show dev vrrp.51")
            .is_ok_and(|shown| shown.contains("10.0.0.100"))
    })?;
    scene.answers("a")?;
    let without = scene.a.config(&priority(150));
    scene.a.daemon()?.reload(&without)?;
    wait_until("the link is gone", LIMIT, || macvlans(&scene).is_ok_and(|shown| shown.is_empty()))?;
    scene.answers("a")?;
    let settings = scene.a.node.namespace().command("sysctl", "-n net.ipv4.conf.eth0.arp_ignore")?;
    ensure!(settings.trim() == "0", "settings are given back: {settings}");
    Ok(())
}

#[test]
fn the_gate_of_a_frozen_master_closes_on_its_link() -> Result<()> {
    let mut scene = ours()?;
    let held = |scene: &Scene| {
        let set =
            scene.a.node.namespace().command("nft", "list set netdev mainstay held4").unwrap_or_default();
        set.contains("10.0.0.100")
    };
    wait_until("the gate is open", LIMIT, || held(&scene))?;
    let chains = scene.a.node.namespace().command("nft", "list table netdev mainstay")?;
    for chain in ["ingress-vrrp.51", "egress-vrrp.51"] {
        ensure!(chains.contains(chain), "{chain} in {chains}");
    }
    let tree = scene.a.daemon()?.process().tree();
    tree.iter().for_each(|pid| process::send(*pid, Signal::SIGSTOP));
    scene.answers("b")?;
    let closed = !held(&scene);
    tree.iter().rev().for_each(|pid| process::send(*pid, Signal::SIGCONT));
    ensure!(closed, "the address of a frozen master is not answered for");
    scene.return_to_a()?;
    wait_until("b is backup", LIMIT, || !scene.b.holds())?;
    scene.answers_alone("a", Duration::from_millis(500))
}

#[test]
fn a_link_the_kernel_cannot_make_is_a_fault() -> Result<()> {
    let lab = Lab::new("vmac")?;
    lab.print_logs_at_end();
    let node = lab.node("a", &["10.0.0.1/24"])?;
    // Somebody else has the name.
    node.namespace().ip("link add vm type bridge")?;
    let config = "
vrrp_instance V1 {
    interface eth0
    virtual_router_id 51
    use_vmac vm
    virtual_ipaddress {
        10.0.0.100
    }
}
";
    let daemon = node.start(&program(Kind::Mainstay), config)?;
    wait_until("it says why", LIMIT, || daemon.log().contains("make macvlan vm on eth0 (errno 17)"))?;
    ensure!(!node.holds(&virtual_address(Family::V4).to_string()), "it is not master");
    node.namespace().ip("link delete vm")?;
    wait_until("it is master", LIMIT, || node.holds("10.0.0.100")).map(drop)
}
