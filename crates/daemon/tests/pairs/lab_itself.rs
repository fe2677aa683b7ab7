//! The lab is what the other tests believe in, so it is tested as well: that it sees what is wrong, and cleans up.

use std::net::IpAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use mainstay::lab::{LAN, Lab, capture, seconds, wait_until};

/// A v3 advert of VRID 10, priority 200, address 192.0.2.1, sent from 192.0.2.251: checksum good, and spoiled.
const GOOD: [u8; 12] = [0x31, 10, 200, 1, 0, 100, 0xa1, 0x03, 192, 0, 2, 1];
const SPOILED: [u8; 12] = [0x31, 10, 200, 1, 0, 100, 0xa1, 0x04, 192, 0, 2, 1];

#[test]
fn what_runs_in_a_lab_dies_with_it() -> Result<()> {
    let lab = Lab::new("mortal")?;
    let folder = lab.folder().to_owned();
    let node = lab.bare_node("a")?;
    // A daemon that leaves its parent, its group and its session.
    let started =
        node.namespace().run(|| Command::new("setsid").args(["--fork", "sleep", "1000"]).status())??;
    ensure!(started.success(), "setsid runs");
    let inode = node.namespace().inode().to_owned();
    let alive = || -> bool {
        let pattern = format!("net:\\[{inode}\\]");
        let words =
            ["-c", "find /proc/[0-9]*/ns/net -maxdepth 0 -lname \"$1\" 2>/dev/null | grep -q .", "sh"];
        Command::new("sh").args(words).arg(pattern).status().is_ok_and(|status| status.success())
    };
    wait_until("the sleeper sleeps", seconds(2.0), alive)?;
    drop((node, lab));
    ensure!(!alive(), "nothing lives in the namespace any more");
    ensure!(!folder.exists(), "the folder is gone");
    Ok(())
}

#[test]
fn a_capture_tells_good_packets_from_spoiled_ones() -> Result<()> {
    let lab = Lab::new("capture")?;
    let sender = lab.node("a", &["192.0.2.251/24"])?;
    let source: IpAddr = "192.0.2.251".parse()?;
    let injector = sender.injector("224.0.0.18".parse()?)?;
    let capture = lab.capture(LAN)?;
    injector.send(&GOOD)?;
    let packets = capture.finish()?;
    ensure!(packets.len() == 1 && packets[0].vrid == 10 && packets[0].priority == 200, "{packets:?}");
    capture::assert_clean(&packets, &[source])?;
    ensure!(capture::assert_clean(&packets, &["192.0.2.1".parse()?]).is_err(), "silence is noticed");

    let capture = lab.capture(LAN)?;
    injector.send(&SPOILED)?;
    injector.send(&GOOD[..10])?;
    let packets = capture.finish()?;
    ensure!(packets.iter().filter(|packet| !packet.complaint.is_empty()).count() == 2, "{packets:?}");
    ensure!(capture::assert_clean(&packets, &[source]).is_err(), "spoiled packets are noticed");
    Ok(())
}

#[test]
fn a_prober_measures_an_outage() -> Result<()> {
    let lab = Lab::new("prober")?;
    let server = lab.node("server", &["10.0.0.1/24", "fd00::1/64"])?;
    let client = lab.node("client", &["10.0.0.9/24", "fd00::9/64"])?;
    let _echo = server.echo()?;
    for address in ["10.0.0.1", "fd00::1"] {
        let prober = client.probe(address.parse()?, Duration::from_millis(2))?;
        prober.wait_for("server", Instant::now(), seconds(5.0))?;
        let start = Instant::now();
        server.cut_port("eth0")?;
        std::thread::sleep(seconds(0.3));
        ensure!(prober.answering(seconds(0.2)).is_none(), "nobody answers while the cable is out");
        server.join_port("eth0")?;
        prober.wait_for("server", Instant::now(), seconds(5.0))?;
        let outage = prober.outage(start);
        ensure!(outage > seconds(0.25) && outage < seconds(3.0), "{address}: {outage:?}");
    }
    Ok(())
}

#[test]
fn an_address_watch_hears_of_both_families() -> Result<()> {
    let lab = Lab::new("watch")?;
    let node = lab.node("a", &["10.0.0.1/24"])?;
    let watch = node.watch_addresses()?;
    for address in ["10.0.0.7/24", "fd00::7/64"] {
        let bare: IpAddr = address.split('/').next().unwrap_or_default().parse()?;
        let start = Instant::now();
        node.add_address("eth0", address)?;
        watch.wait(bare, true, start, seconds(2.0))?;
        ensure!(node.holds(&bare.to_string()), "it is there");
        let start = Instant::now();
        node.remove_address("eth0", address)?;
        watch.wait(bare, false, start, seconds(2.0))?;
        ensure!(!node.holds(&bare.to_string()), "it is gone");
        std::thread::sleep(seconds(0.1));
        ensure!(watch.absence(bare, start) > seconds(0.1), "an absence lasts until it ends");
    }
    Ok(())
}
