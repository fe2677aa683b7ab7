//! Two nodes that do their work, and an attacker on the same segment.

use std::net::{IpAddr, Ipv4Addr};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mainstay::lab::{AddressWatch, Daemon, Injector, Lab, Node, Program};

use super::common::usage;
use super::packets::Kind;

/// The group of VRRP.
pub const VRRP_GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// What the nodes hold.
pub const VIRTUAL_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);
/// The attacker.
pub const ATTACKER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 3);
/// Virtual router of the nodes.
pub const VRID: u8 = 51;
/// Password of the nodes where they speak version 2.
pub const PASSWORD: &[u8; 8] = b"mainstay";

/// How the nodes are set up and how they are attacked.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// VRRP version.
    pub version: u8,
    /// Their advert interval.
    pub advert: Duration,
    /// Bad packets a second.
    pub rate: u32,
    /// How long they come.
    pub length: Duration,
}

/// What a flood did to two nodes.
#[derive(Debug, Clone, Copy)]
pub struct Damage {
    /// Times the backup took the address.
    pub takeovers: usize,
    /// State changes both logged.
    pub changes: usize,
    /// Lines both logged.
    pub lines: usize,
    /// CPU of both, in percent of one core.
    pub cpu: f64,
}

/// Master, backup, attacker.
pub struct Arena {
    setting: Setting,
    daemons: [Daemon; 2],
    watch: AddressWatch,
    nodes: [Node; 2],
    injector: Injector,
    _attacker: Node,
    lab: Lab,
}

impl Arena {
    /// Starts the nodes and waits until they have settled.
    pub fn new(name: &str, program: &Program, setting: Setting) -> Result<Self> {
        let lab = Lab::new(name)?;
        let nodes = [lab.node("a", &["10.0.0.1/24"])?, lab.node("b", &["10.0.0.2/24"])?];
        let attacker = lab.node("attacker", &[&format!("{ATTACKER}/24")])?;
        let watch = nodes[1].watch_addresses()?;
        let daemons = [
            nodes[0].start(program, &configuration(setting, 150))?,
            nodes[1].start(program, &configuration(setting, 100))?,
        ];
        let injector = attacker.injector(IpAddr::V4(VRRP_GROUP))?;
        let arena = Self { setting, daemons, watch, nodes, injector, _attacker: attacker, lab };
        arena.settle()?;
        Ok(arena)
    }

    /// Waits until the first node alone has the address.
    fn settle(&self) -> Result<()> {
        let address = VIRTUAL_ADDRESS.to_string();
        let settled = || self.nodes[0].holds(&address) && !self.nodes[1].holds(&address);
        if settled() {
            return Ok(());
        }
        let patience = self.setting.advert * 8 + Duration::from_secs(10);
        self.lab
            .wait_until("a alone is master", patience, settled)
            .with_context(|| self.daemons.each_ref().map(Daemon::log).join("---\n"))?;
        thread::sleep(self.setting.advert * 2);
        Ok(())
    }

    /// Floods the segment with packets of this kind and says what came of it.
    pub fn flood(&mut self, kind: Kind) -> Result<Damage> {
        self.settle()?;
        let processes: Vec<u32> =
            self.daemons.iter_mut().flat_map(|daemon| daemon.process().tree()).collect();
        let (lines, changes) = (self.lines(), self.changes());
        let (cpu, start) = (usage::cpu_time(&processes), Instant::now());
        let sent = self.send(kind)?;
        let (cpu, elapsed) = (usage::cpu_time(&processes).saturating_sub(cpu), start.elapsed());
        // A takeover that was provoked at the very end shows now.
        thread::sleep(self.setting.advert * 4);
        ensure!(sent > 0, "no packet was sent");
        Ok(Damage {
            takeovers: self.takeovers(start),
            changes: self.changes() - changes,
            lines: self.lines() - lines,
            cpu: cpu.as_secs_f64() / elapsed.as_secs_f64() * 100.0,
        })
    }

    /// Sends at the rate of the setting, in bursts of at most fifty a second.
    fn send(&self, kind: Kind) -> Result<u32> {
        let bursts_a_second = self.setting.rate.min(50);
        let (pause, burst) = (Duration::from_secs(1) / bursts_a_second, self.setting.rate / bursts_a_second);
        let interval_cs = u16::try_from(self.setting.advert.as_millis() / 10).context("a short interval")?;
        self.injector.ttl(kind.ttl())?;
        let (start, mut sent) = (Instant::now(), 0);
        for number in 0.. {
            let due = start + pause * number;
            if due >= start + self.setting.length {
                break;
            }
            thread::sleep(due.saturating_duration_since(Instant::now()));
            for _ in 0..burst {
                self.injector.send(&kind.packet(self.setting.version, interval_cs, sent))?;
                sent += 1;
            }
        }
        Ok(sent)
    }

    fn takeovers(&self, since: Instant) -> usize {
        let ours = |address| address == IpAddr::V4(VIRTUAL_ADDRESS);
        self.watch.changes().iter().filter(|c| c.at >= since && c.present && ours(c.address)).count()
    }

    fn lines(&self) -> usize {
        self.daemons.iter().map(|daemon| daemon.log().lines().count()).sum()
    }

    fn changes(&self) -> usize {
        self.daemons.iter().map(|daemon| daemon.logged(" STATE")).sum()
    }

    /// Ends both daemons.
    pub fn end(mut self) -> Result<()> {
        for daemon in &mut self.daemons {
            daemon.terminate(Duration::from_secs(10))?;
        }
        Ok(())
    }
}

fn configuration(setting: Setting, priority: u8) -> String {
    let password = String::from_utf8_lossy(PASSWORD);
    let authentication = if setting.version == 2 {
        format!("authentication {{\n        auth_type PASS\n        auth_pass {password}\n    }}")
    } else {
        String::new()
    };
    format!(
        "vrrp_instance V {{
    version {version}
    state {state}
    interface eth0
    virtual_router_id {VRID}
    priority {priority}
    advert_int {advert}
    {authentication}
    virtual_ipaddress {{
        {VIRTUAL_ADDRESS}/24
    }}
}}
",
        version = setting.version,
        state = if priority > 100 { "MASTER" } else { "BACKUP" },
        advert = setting.advert.as_secs_f64(),
    )
}
