//! What a router follows: scripts, and the other members of its sync group.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use anyhow::{Result, ensure};
use mainstay::lab::{LAN, Lab, capture, holds_for, seconds, wait_until};

use crate::scene::{Cast, Family, Kind, LIMIT, Pairing, Scene, Settings, priority, program};

const fn pairing(a: Kind, b: Kind) -> Pairing {
    Pairing { a, b, family: Family::V4, cast: Cast::Multicast }
}

/// An instance that follows whether a file exists.
fn following(base: Settings, file: &Path, weight: i32) -> Settings {
    let weight = if weight == 0 { String::new() } else { format!("weight {weight}") };
    let script = format!(
        "vrrp_script chk_file {{
    script \"/usr/bin/test -e {}\"
    interval 1
    timeout 1
    {weight}
}}",
        file.display()
    );
    base.before(&script).with("track_script {\n        chk_file\n    }")
}

/// While the script fails the priority is lower than the peer's, and when it succeeds again it is not.
fn a_script_moves_the_address(pairing: Pairing, weight: i32) -> Result<()> {
    let mut scene = Scene::new(pairing)?;
    let file = scene.lab.folder().join("healthy");
    fs::write(&file, "")?;
    scene.start(&following(priority(150), &file, weight), &priority(100))?;
    fs::remove_file(&file)?;
    scene.answers("b")?;
    scene.a.wait_holds(false)?;
    fs::write(&file, "")?;
    scene.return_to_a()?;
    scene.finish().map(drop)
}

#[test]
fn a_script_with_weight_gives_the_address_to_mainstay_and_back() -> Result<()> {
    a_script_moves_the_address(pairing(Kind::Mainstay, Kind::Mainstay), -60)
}

#[test]
fn a_script_with_weight_gives_the_address_to_keepalived_and_back() -> Result<()> {
    a_script_moves_the_address(pairing(Kind::Mainstay, Kind::Keepalived), -60)
}

#[test]
fn a_script_with_weight_of_keepalived_gives_the_address_to_mainstay_and_back() -> Result<()> {
    a_script_moves_the_address(pairing(Kind::Keepalived, Kind::Mainstay), -60)
}

#[test]
fn a_script_without_weight_is_a_fault_while_it_fails() -> Result<()> {
    a_script_moves_the_address(Pairing::OURS, 0)
}

/// Two instances on two links, in one group.
fn group_config(priority: u8) -> String {
    let instance = |number: u8| {
        format!(
            "vrrp_instance V{number} {{
    state BACKUP
    interface eth{}
    virtual_router_id 5{number}
    priority {priority}
    advert_int 0.1
    virtual_ipaddress {{
        10.0.{}.100/24
    }}
}}
",
            number - 1,
            number - 1
        )
    };
    format!(
        "global_defs {{
    vrrp_version 3
}}
vrrp_sync_group G1 {{
    group {{
        V1
        V2
    }}
}}
{}{}",
        instance(1),
        instance(2)
    )
}

/// When one link of the master fails, both addresses move; when it is back, both come back.
fn a_group_moves_together(a_kind: Kind, b_kind: Kind) -> Result<()> {
    let lab = Lab::new("group")?;
    lab.print_logs_at_end();
    lab.lan("lan2")?;
    let a = lab.node("a", &["10.0.0.1/24"])?;
    let b = lab.node("b", &["10.0.0.2/24"])?;
    a.plug("eth1", "lan2", &["10.0.1.1/24"])?;
    b.plug("eth1", "lan2", &["10.0.1.2/24"])?;
    let captures = [(lab.capture(LAN)?, 0), (lab.capture("lan2")?, 1)];
    let _first = a.start(&program(a_kind), &group_config(150))?;
    let _second = b.start(&program(b_kind), &group_config(100))?;
    let both = |node: &mainstay::lab::Node, hold: bool| {
        ["10.0.0.100", "10.0.1.100"].iter().all(|address| node.holds(address) == hold)
    };
    lab.wait_until("a holds both addresses alone", LIMIT, || both(&a, true) && both(&b, false))?;
    a.cut_port("eth1")?;
    lab.wait_until("b holds both addresses alone", LIMIT, || both(&b, true) && both(&a, false))?;
    holds_for("b keeps both addresses", seconds(0.5), || both(&b, true))?;
    a.join_port("eth1")?;
    lab.wait_until("a holds both addresses alone again", LIMIT, || both(&a, true) && both(&b, false))?;
    for (capture, lan) in captures {
        let ours = [(a_kind, 1), (b_kind, 2)].into_iter().filter(|(kind, _)| *kind == Kind::Mainstay);
        let sources: Vec<IpAddr> = ours.map(|(_, host)| IpAddr::from([10, 0, lan, host])).collect();
        capture::assert_clean(&capture.finish()?, &sources)?;
    }
    Ok(())
}

#[test]
fn a_sync_group_of_two_mainstays_moves_together() -> Result<()> {
    a_group_moves_together(Kind::Mainstay, Kind::Mainstay)
}

#[test]
fn a_sync_group_hands_over_to_keepalived_together() -> Result<()> {
    a_group_moves_together(Kind::Mainstay, Kind::Keepalived)
}

#[test]
fn a_sync_group_takes_over_from_keepalived_together() -> Result<()> {
    a_group_moves_together(Kind::Keepalived, Kind::Mainstay)
}

#[test]
fn a_link_that_is_tracked_without_weight_is_a_fault_while_it_is_down() -> Result<()> {
    let mut scene = Scene::new(Pairing::OURS)?;
    scene.lab.lan("lan2")?;
    scene.a.node.plug("eth1", "lan2", &[])?;
    scene.start(&priority(150).with("track_interface {\n        eth1\n    }"), &priority(100))?;
    scene.a.node.cut_port("eth1")?;
    scene.answers("b")?;
    wait_until("a says FAULT", LIMIT, || scene.a.log().contains("Entering FAULT STATE"))?;
    ensure!(!scene.a.holds(), "a has let go");
    scene.a.node.join_port("eth1")?;
    scene.return_to_a()?;
    scene.finish().map(drop)
}
