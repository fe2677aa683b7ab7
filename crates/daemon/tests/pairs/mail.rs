//! Mail: the same file makes Mainstay and keepalived write the same letters.

use std::net::TcpListener;

use anyhow::{Context, Result, ensure};
use mainstay::lab::{Lab, Program, seconds, wait_until};

use crate::scene::{Kind, LIMIT, program};

/// Port of the relay: an ordinary user may have it.
const PORT: u16 = 2525;

const CONFIG: &str = "\
global_defs {
    router_id LB1
    smtp_server 127.0.0.1 2525
    smtp_connect_timeout 5
    notification_email {
        admin@example.com
        second@example.com
    }
    notification_email_from ka@lb1.example.com
    smtp_alert_vrrp
}
vrrp_sync_group G {
    group {
        VI_1
    }
}
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 7
    priority 100
    virtual_ipaddress {
        10.0.0.100/24
    }
}
vrrp_instance VI_2 {
    interface eth0
    virtual_router_id 8
    priority 100
    virtual_ipaddress {
        10.0.0.101/24
    }
}
vrrp_instance silent {
    interface eth0
    virtual_router_id 9
    priority 100
    smtp_alert off
    virtual_ipaddress {
        10.0.0.102/24
    }
}
";

/// A life: everything becomes master, loses its link, finds it again, becomes master again, ends. The subjects of the
/// letters about it, and the envelope of one of them.
fn letters_of(program: &Program, flags: &str) -> Result<(Vec<String>, Vec<String>)> {
    let lab = Lab::new("mail")?;
    let node = lab.node("lb1", &["10.0.0.1/24"])?;
    let relay = node.relay(PORT)?;
    let config = CONFIG.replace("smtp_alert_vrrp", &format!("smtp_alert_vrrp\n    {flags}"));
    let mut daemon = node.start(program, &config)?;
    let faults = if flags.contains("no_email_faults") { 0 } else { 3 };
    let master = 6;
    let wait = |what: &str, count: usize| {
        wait_until(what, LIMIT, || relay.letters().len() >= count)
            .with_context(|| format!("{:#?}", relay.subjects()))
    };
    wait("three are backup, then master", master)?;
    node.link_down("eth0")?;
    wait_until("everything is away", LIMIT, || !node.holds("10.0.0.100"))?;
    wait("three are in fault", master + faults)?;
    std::thread::sleep(seconds(0.5));
    node.link_up("eth0")?;
    wait("three are backup and master again", master + faults + 6)?;
    daemon.terminate(seconds(10.0))?;
    let envelope = relay.letters().first().map(|letter| letter.envelope.clone()).unwrap_or_default();
    Ok((relay.subjects(), envelope))
}

fn the_same_as_keepalived(flags: &str) -> Result<Vec<String>> {
    let ours = letters_of(&program(Kind::Mainstay), flags)?;
    let theirs = letters_of(&program(Kind::Keepalived), flags)?;
    ensure!(ours.0 == theirs.0, "ours: {:#?}\ntheirs: {:#?}", ours.0, theirs.0);
    ensure!(ours.1 == theirs.1, "ours: {:#?}\ntheirs: {:#?}", ours.1, theirs.1);
    Ok(ours.0)
}

#[test]
fn a_life_makes_the_letters_that_keepalived_writes() -> Result<()> {
    let subjects = the_same_as_keepalived("")?;
    ensure!(subjects.len() == 15, "{subjects:#?}");
    ensure!(
        subjects.contains(&"[LB1] VRRP Instance VI_1 - Entering FAULT state".to_owned()),
        "{subjects:#?}"
    );
    Ok(())
}

#[test]
fn without_faults_there_are_fewer_as_with_keepalived() -> Result<()> {
    let subjects = the_same_as_keepalived("no_email_faults")?;
    ensure!(subjects.len() == 12, "{subjects:#?}");
    Ok(())
}

#[test]
fn a_relay_that_hangs_does_not_touch_vrrp_and_a_dead_mailer_loses_no_letter() -> Result<()> {
    let lab = Lab::new("hang")?;
    let node = lab.node("lb1", &["10.0.0.1/24"])?;
    // It accepts and never says a word.
    let mute = node.namespace().run(|| TcpListener::bind(("127.0.0.1", PORT)))?.context("listen")?;
    let mut daemon = node.start(&program(Kind::Mainstay), &CONFIG.replace("timeout 5", "timeout 60"))?;
    let mailer = || {
        let command = |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        node.processes().into_iter().find(|pid| command(pid).contains("mailer"))
    };
    wait_until("a mailer is at work", LIMIT, || mailer().is_some()).with_context(|| daemon.log())?;
    wait_until("it is master", LIMIT, || node.holds("10.0.0.100") && node.holds("10.0.0.101"))?;
    let (client, _) = mute.accept().context("the mailer comes")?;
    node.link_down("eth0")?;
    wait_until("the fault is seen while the relay hangs", LIMIT, || !node.holds("10.0.0.100"))?;
    node.link_up("eth0")?;
    wait_until("it is master again", LIMIT, || node.holds("10.0.0.100"))?;
    // The relay is replaced by one that works, and the mailer dies with a letter in its hands.
    drop((mute, client));
    let relay = node.relay(PORT)?;
    if let Some(pid) = mailer() {
        mainstay::lab::process::send(pid, nix::sys::signal::Signal::SIGKILL);
    }
    wait_until("every letter arrives", LIMIT, || relay.letters().len() >= 15)
        .with_context(|| format!("{:#?}\n{}", relay.subjects(), daemon.log()))?;
    daemon.terminate(seconds(10.0))?;
    let mut subjects = relay.subjects();
    subjects.dedup();
    ensure!(subjects.len() == 9, "three states of three objects: {subjects:#?}");
    Ok(())
}
