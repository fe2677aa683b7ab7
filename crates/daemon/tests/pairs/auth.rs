//! `auth_type AH` between real daemons: whoever is keepalived, the two understand each other, through a takeover and back.

use std::collections::BTreeMap;
use std::net::IpAddr;

use anyhow::{Result, ensure};
use mainstay::lab::{Packet, holds_for, seconds, wait_until};

use crate::scene::{Cast, Family, Kind, LIMIT, Pairing, Scene, Settings, priority};

/// Version 2, an advert a second in an authentication header with this password.
pub fn with_ah(of: Settings, password: &str) -> Settings {
    of.with("version 2\nadvert_int 1")
        .with(&format!("authentication {{\n auth_type AH\n auth_pass {password}\n}}"))
}

/// Every advert has a header as tshark reads it, and no sender ever repeats a number or goes back, whoever was restarted.
fn numbers_go_up(packets: &[Packet]) -> Result<()> {
    let mut last: BTreeMap<IpAddr, u32> = BTreeMap::new();
    for packet in packets {
        let Some(number) = packet.sequence else { anyhow::bail!("no authentication header: {packet:?}") };
        let before = last.insert(packet.source, number);
        ensure!(before.is_none_or(|before| before < number), "{number} after {before:?}: {packet:?}");
    }
    ensure!(last.len() == 2, "both were master once: {last:?}");
    Ok(())
}

/// `a` is master, ends, begins again as a backup and takes over again.
fn takes_over_and_back(a: Kind, b: Kind, cast: Cast) -> Result<()> {
    let mut scene = Scene::new(Pairing { a, b, family: Family::V4, cast })?;
    scene.start(&with_ah(priority(150), "secret"), &with_ah(priority(100), "secret"))?;
    scene.answers_alone("a", seconds(4.0))?;
    scene.a.daemon()?.terminate(LIMIT)?;
    scene.answers("b")?;
    scene.a.start(&with_ah(priority(150), "secret"))?;
    scene.return_to_a()?;
    scene.answers_alone("a", seconds(2.0))?;
    for side in [&scene.a, &scene.b] {
        ensure!(!side.log().contains("alarm "), "{}:\n{}", side.node.name(), side.log());
    }
    numbers_go_up(&scene.finish()?)
}

#[test]
fn two_mainstays_take_over_with_authentication_headers() -> Result<()> {
    takes_over_and_back(Kind::Mainstay, Kind::Mainstay, Cast::Multicast)
}

#[test]
fn keepalived_takes_over_from_us_with_authentication_headers_and_gives_back() -> Result<()> {
    takes_over_and_back(Kind::Mainstay, Kind::Keepalived, Cast::Multicast)
}

#[test]
fn we_take_over_from_keepalived_with_authentication_headers_and_give_back() -> Result<()> {
    takes_over_and_back(Kind::Keepalived, Kind::Mainstay, Cast::Multicast)
}

#[test]
fn authentication_headers_to_a_unicast_peer_are_understood_by_keepalived() -> Result<()> {
    takes_over_and_back(Kind::Mainstay, Kind::Keepalived, Cast::Unicast)
}

#[test]
fn authentication_headers_from_a_unicast_keepalived_are_understood() -> Result<()> {
    takes_over_and_back(Kind::Keepalived, Kind::Mainstay, Cast::Unicast)
}

#[test]
fn a_keepalived_with_another_password_in_its_headers_is_an_alarm_and_can_be_waited_for() -> Result<()> {
    let pairing = Pairing { a: Kind::Keepalived, b: Kind::Mainstay, family: Family::V4, cast: Cast::Unicast };
    let mut scene = Scene::new(pairing)?;
    scene.a.start(&with_ah(priority(150), "abacus"))?;
    scene.a.wait_holds(true)?;
    scene.b.start(&with_ah(priority(100), "sesame").with("@mainstay mismatch_policy hold"))?;
    let alarm = "alarm authentication_mismatch: peer 10.0.0.1";
    wait_until("b tells of it", LIMIT, || scene.b.log().contains(alarm))?;
    holds_for("b waits", seconds(6.0), || scene.a.holds() && !scene.b.holds())?;
    ensure!(scene.b.log().matches(alarm).count() == 1, "told once:\n{}", scene.b.log());
    ensure!(!scene.b.log().contains("abacus") && !scene.b.log().contains("sesame"), "no password is shown");
    Ok(())
}

#[test]
fn a_stranger_without_a_header_is_refused_with_the_reason() -> Result<()> {
    let mut scene = Scene::new(Pairing::OURS)?;
    scene.a.start(&with_ah(priority(100), "secret"))?;
    scene.answers("a")?;
    let stranger = scene.lab.node("stranger", &["10.0.0.66/24"])?;
    let injector = stranger.injector(IpAddr::from([224, 0, 0, 18]))?;
    // Version 2, our id, priority 254, no authentication, our address.
    let mut packet = [0x21, crate::scene::VRID, 254, 1, 0, 1, 0, 0, 10, 0, 0, 100, 0, 0, 0, 0, 0, 0, 0, 0];
    let sum = packet.chunks(2).fold(0, |sum, word| sum + u32::from(word[0]) * 256 + u32::from(word[1]));
    let sum = !u16::try_from((sum & 0xffff) + (sum >> 16))?;
    packet[6..8].copy_from_slice(&sum.to_be_bytes());
    let refused = "authentication type differs from ours";
    wait_until("a tells why", LIMIT, || injector.send(&packet).is_ok() && scene.a.log().contains(refused))?;
    scene.answers_alone("a", seconds(2.0))
}
