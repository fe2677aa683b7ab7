//! What a master leaves in the kernel: the same as keepalived does with the same file, and nothing afterwards.

use anyhow::{Result, ensure};
use mainstay::lab::{Lab, Node, seconds, wait_until};

use crate::scene::{Kind, LIMIT, Pairing, Scene, priority, program, virtual_address};

/// Much of what people write about addresses, routes and rules.
const CONFIG: &str = "
global_defs {
    vrrp_version 3
    vrrp_garp_master_delay 1
}
static_ipaddress {
    10.1.0.1/24 dev eth1 scope site
}
static_routes {
    10.2.0.0/16 via 10.0.0.254 dev eth0
}
static_rules {
    from 10.2.0.0/16 table 102 priority 1020
}
vrrp_instance V1 {
    interface eth0
    virtual_router_id 51
    priority 150
    advert_int 0.1
    virtual_ipaddress {
        10.0.0.100
        10.0.0.101/24 brd 10.0.0.255 label eth0:vip
        10.7.0.102/24 dev eth1 scope link
    }
    virtual_ipaddress_excluded {
        10.0.0.103/32
        fd00::103/64
    }
    virtual_routes {
        10.3.0.0/16 via 10.0.0.254 dev eth0 metric 30
        10.4.0.0/16 src 10.0.0.100 dev eth0 table 104
        blackhole 10.5.0.0/16
        fd00:6::/64 dev eth0
    }
    virtual_rules {
        from 10.4.0.0/16 table 104 priority 1040
        to 10.5.0.0/16 lookup 104 priority 1050
    }
}
vrrp_instance V6 {
    interface eth0
    virtual_router_id 51
    priority 150
    advert_int 0.1
    virtual_ipaddress {
        fe80::100
        fd00::100/64
    }
}
";

/// Addresses, routes and rules as `ip` shows them. Left out are the routes the kernel makes and counts by itself.
fn picture(node: &Node) -> Result<Vec<String>> {
    let namespace = node.namespace();
    let mut lines = Vec::new();
    for words in [
        "-oneline address show",
        "-4 route show table all",
        "-6 route show table all",
        "-4 rule show",
        "-6 rule show",
    ] {
        let mut shown: Vec<_> =
            namespace.ip(words)?.lines().map(|line| format!("{words}: {}", line.trim())).collect();
        shown.retain(|line| !line.contains("table local") && !line.contains("proto kernel"));
        // DIFFERS: a route without a gateway and without `scope` is of scope link, as `ip route add` makes it, so that
        // other routes may go through its net. keepalived leaves it global.
        for line in shown.iter_mut().filter(|line| line.contains("proto keepalived")) {
            *line = line.replace(" scope link", "");
        }
        shown.sort();
        lines.extend(shown);
    }
    Ok(lines)
}

/// What this daemon makes of the file, and what it leaves when it ends.
fn master_and_after(kind: Kind) -> Result<(Vec<String>, Vec<String>, Vec<String>)> {
    let lab = Lab::new("kernel")?;
    lab.print_logs_at_end();
    let node = lab.node("a", &["10.0.0.1/24", "fd00::1/64"])?;
    node.plug("eth1", mainstay::lab::LAN, &["10.0.1.1/24"])?;
    let before = picture(&node)?;
    let mut daemon = node.start(&program(kind), CONFIG)?;
    let both = || daemon.logged("Entering MASTER STATE") == 2;
    wait_until("both instances are master", LIMIT, both)?;
    std::thread::sleep(seconds(0.5));
    let master = picture(&node)?;
    daemon.terminate(LIMIT)?;
    let after = picture(&node)?;
    Ok((before, master, after))
}

#[test]
fn a_master_looks_to_the_kernel_like_a_master_of_keepalived() -> Result<()> {
    let (before, ours, after) = master_and_after(Kind::Mainstay)?;
    let (_, theirs, _) = master_and_after(Kind::Keepalived)?;
    let only = |some: &[String], others: &[String]| -> Vec<String> {
        some.iter().filter(|line| !others.contains(line)).cloned().collect()
    };
    let (only_ours, only_theirs) = (only(&ours, &theirs), only(&theirs, &ours));
    ensure!(ours.len() > before.len() + 15, "the file asks for something: {ours:#?}");
    ensure!(
        only_ours.is_empty() && only_theirs.is_empty(),
        "only with Mainstay: {only_ours:#?}, only with keepalived: {only_theirs:#?}"
    );
    ensure!(
        after == before,
        "left behind: {:#?}, taken away: {:#?}",
        only(&after, &before),
        only(&before, &after)
    );
    Ok(())
}

#[test]
fn an_address_that_somebody_removes_is_put_back_or_given_to_the_peer() -> Result<()> {
    let mut scene = Scene::new(Pairing::OURS)?;
    scene.start(&priority(150), &priority(100))?;
    scene.a.node.remove_address("eth0", "10.0.0.100/24")?;
    scene.return_to_a()?;
    wait_until("a holds the address", LIMIT, || scene.a.holds() && !scene.b.holds())?;
    scene.answers_alone("a", seconds(0.5))?;
    let address = virtual_address(crate::scene::Family::V4).to_string();
    ensure!(scene.a.log().contains(&address), "the log tells of it");
    scene.finish().map(drop)
}

#[test]
fn an_interface_that_is_deleted_and_made_anew_is_taken_up_again() -> Result<()> {
    let mut scene = Scene::new(Pairing::OURS)?;
    let settings = priority(150).before("global_defs {\n    dynamic_interfaces allow_if_changes\n}");
    scene.start(&settings, &priority(100))?;
    scene.a.node.namespace().ip("link delete eth0")?;
    scene.answers("b")?;
    scene.a.node.plug("eth0", mainstay::lab::LAN, &["10.0.0.1/24", "fd00::1/64"])?;
    scene.return_to_a()?;
    scene.answers_alone("a", seconds(0.5))?;
    scene.finish().map(drop)
}
