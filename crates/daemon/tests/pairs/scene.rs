//! Two routers, a client and everything that watches them: what every test of a pair starts from.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mainstay::lab::{
    AddressWatch, Capture, Daemon, Echo, LAN, Lab, Node, Packet, Prober, Program, capture, holds_for,
    seconds, wait_until,
};

/// The virtual router id of every test.
pub const VRID: u8 = 51;
/// How long anything may take on a machine that has other things to do. The times themselves are the benchmark's.
pub const LIMIT: Duration = Duration::from_secs(30);
/// How often the client asks.
const PERIOD: Duration = Duration::from_millis(4);

/// A daemon that takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Mainstay,
    Keepalived,
    Frr,
}

/// Version of IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

/// How adverts travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cast {
    Multicast,
    Unicast,
}

/// Who plays with whom, and how.
#[derive(Debug, Clone, Copy)]
pub struct Pairing {
    pub a: Kind,
    pub b: Kind,
    pub family: Family,
    pub cast: Cast,
}

impl Pairing {
    /// The pairing of tests that are about one daemon alone.
    pub const OURS: Self =
        Self { a: Kind::Mainstay, b: Kind::Mainstay, family: Family::V4, cast: Cast::Multicast };
}

/// What differs between the configurations of one test.
#[derive(Debug, Clone)]
pub struct Settings {
    pub priority: u8,
    pub preempt: bool,
    /// More lines for the instance, in keepalived's language.
    pub instance: String,
    /// More text before the instance.
    pub before: String,
}

/// An ordinary instance of this priority.
pub fn priority(priority: u8) -> Settings {
    Settings { priority, preempt: true, instance: String::new(), before: String::new() }
}

impl Settings {
    pub fn nopreempt(mut self) -> Self {
        self.preempt = false;
        self
    }

    pub fn with(mut self, lines: &str) -> Self {
        self.instance.push_str(lines);
        self.instance.push('\n');
        self
    }

    pub fn before(mut self, text: &str) -> Self {
        self.before.push_str(text);
        self.before.push('\n');
        self
    }
}

/// One of the two routers' machines.
pub struct Side {
    pub node: Node,
    pub kind: Kind,
    pub watch: AddressWatch,
    pairing: Pairing,
    /// Its own address and its peer's, of the pairing's family.
    address: IpAddr,
    peer: IpAddr,
    /// Source of its adverts.
    source: IpAddr,
    daemon: Option<Daemon>,
    _echo: Echo,
}

/// The whole stage.
pub struct Scene {
    pub lab: Lab,
    pub a: Side,
    pub b: Side,
    pub client: Node,
    pub prober: Prober,
    capture: Capture,
    start: Instant,
}

impl Scene {
    /// Two machines `a` (10.0.0.1, fd00::1) and `b` (.2), a client that asks the virtual address, a capture.
    pub fn new(pairing: Pairing) -> Result<Self> {
        let lab = Lab::new("pair")?;
        lab.print_logs_at_end();
        let start = Instant::now();
        let a = Side::new(&lab, "a", pairing.a, pairing, 1)?;
        let b = Side::new(&lab, "b", pairing.b, pairing, 2)?;
        let client = lab.node("client", &["10.0.0.9/24", "fd00::9/64"])?;
        let prober = client.probe(virtual_address(pairing.family), PERIOD)?;
        let capture = lab.capture(LAN)?;
        Ok(Self { lab, a, b, client, prober, capture, start })
    }

    /// Starts `a`, waits until it answers the client, starts `b` and waits until that is a backup.
    pub fn start(&mut self, a: &Settings, b: &Settings) -> Result<()> {
        self.a.start(a)?;
        self.answers("a")?;
        self.b.start(b)?;
        self.b.wait_backup()?;
        // Two adverts more, so that the backup has heard the one that will be missed.
        std::thread::sleep(seconds(0.25));
        ensure!(self.a.holds() && !self.b.holds(), "a holds the address and b does not");
        Ok(())
    }

    /// Waits until `b` has given the address back to `a`, and the client knows.
    pub fn return_to_a(&self) -> Result<()> {
        self.b.wait_holds(false)?;
        if self.a.kind == Kind::Frr {
            // FRR 8.4 announces before its macvlan has a carrier, or (when it did not notice that its link was down)
            // not at all: the client would go on asking b's MAC for seconds.
            self.client.namespace().ip("neighbour flush dev eth0")?;
        }
        self.answers("a").map(drop)
    }

    /// Waits until this node answers the client, and returns how long the client had no answer in the meantime.
    pub fn answers(&self, node: &str) -> Result<Duration> {
        let start = Instant::now();
        self.prober.wait_for(node, start, LIMIT)?;
        Ok(self.prober.outage(start))
    }

    /// Watches that for so long nobody but this node answers the client, and it does.
    pub fn answers_alone(&self, node: &str, period: Duration) -> Result<()> {
        let start = Instant::now();
        std::thread::sleep(period);
        let shares = self.prober.shares(start);
        ensure!(shares.keys().eq([node]), "for {period:?} only {node} should answer: {shares:?}");
        Ok(())
    }

    /// Drops all VRRP packets and heartbeats between the two while everything else passes, or lets them pass again.
    pub fn deafen(&self, deaf: bool) -> Result<()> {
        for side in [&self.a, &self.b] {
            let namespace = side.node.namespace();
            if deaf {
                namespace.command("nft", &drop_all_of_ours("deaf", "eth0"))?;
            } else {
                namespace.command("nft", "delete table netdev deaf")?;
            }
        }
        Ok(())
    }

    /// Watches that for so long no virtual address moves on either side.
    pub fn nothing_moves(&self, period: Duration) -> Result<()> {
        let moves = || self.a.watch.changes().len() + self.b.watch.changes().len();
        let before = moves();
        holds_for("no address comes or goes", period, || moves() == before)
    }

    /// Ends the capture. Every packet of ours must be beyond reproach in tshark's eyes, and there must be some from
    /// each of ours that ever answered the client.
    pub fn finish(self) -> Result<Vec<Packet>> {
        let answered = self.prober.shares(self.start);
        let ours = [&self.a, &self.b].into_iter().filter(|side| side.kind == Kind::Mainstay);
        let (masters, backups): (Vec<_>, Vec<_>) =
            ours.partition(|side| answered.contains_key(side.node.name()));
        let packets = self.capture.finish()?;
        let sources = masters.iter().map(|side| side.source).collect::<Vec<_>>();
        capture::assert_clean(&packets, &sources)?;
        let others =
            backups.iter().map(|side| side.source).filter(|s| packets.iter().any(|p| p.source == *s));
        capture::assert_clean(&packets, &others.collect::<Vec<_>>())?;
        Ok(packets)
    }
}

impl Side {
    fn new(lab: &Lab, name: &str, kind: Kind, pairing: Pairing, number: u8) -> Result<Self> {
        let (v4, v6) = (format!("10.0.0.{number}"), format!("fd00::{number}"));
        let node = lab.node(name, &[&format!("{v4}/24"), &format!("{v6}/64")])?;
        let (address, peer) = match pairing.family {
            Family::V4 => (v4.parse()?, format!("10.0.0.{}", 3 - number).parse()?),
            Family::V6 => (v6.parse()?, format!("fd00::{}", 3 - number).parse()?),
        };
        let source = match (pairing.family, pairing.cast) {
            (Family::V6, Cast::Multicast) => node.link_local("eth0")?,
            (Family::V6, Cast::Unicast) | (Family::V4, _) => address,
        };
        if kind == Kind::Frr {
            node.frr_addresses("eth0", VRID, virtual_addresses(pairing.family))?;
        }
        let watch = node.watch_addresses()?;
        let echo = node.echo()?;
        Ok(Self { node, kind, watch, pairing, address, peer, source, daemon: None, _echo: echo })
    }

    /// Starts this side's daemon; one that runs already is killed first.
    pub fn start(&mut self, settings: &Settings) -> Result<()> {
        self.daemon = None;
        let config = self.config(settings);
        self.daemon = Some(self.node.start(&program(self.kind), &config)?);
        Ok(())
    }

    /// The configuration for these settings, in the daemon's own language.
    pub fn config(&self, settings: &Settings) -> String {
        match self.kind {
            Kind::Mainstay | Kind::Keepalived => self.keepalived_config(settings),
            Kind::Frr => self.frr_config(settings),
        }
    }

    fn keepalived_config(&self, settings: &Settings) -> String {
        let Settings { priority, preempt, instance, before } = settings;
        let preempt = if *preempt { "" } else { "nopreempt" };
        let unicast = match self.pairing.cast {
            Cast::Multicast => String::new(),
            Cast::Unicast => {
                format!("unicast_src_ip {}\n    unicast_peer {{\n        {}\n    }}", self.address, self.peer)
            }
        };
        let addresses = virtual_addresses(self.pairing.family).join("\n        ");
        format!(
            "global_defs {{
    vrrp_version 3
    vrrp_garp_master_delay 1
    script_user root
}}
{before}
vrrp_instance V1 {{
    state BACKUP
    interface eth0
    virtual_router_id {VRID}
    priority {priority}
    advert_int 0.1
    {preempt}
    {unicast}
    {instance}
    virtual_ipaddress {{
        {addresses}
    }}
}}
"
        )
    }

    fn frr_config(&self, settings: &Settings) -> String {
        let family = if self.pairing.family == Family::V4 { "ip" } else { "ipv6" };
        let no = if settings.preempt { "" } else { "no " };
        let mut lines = vec![
            "interface eth0".to_owned(),
            format!(" vrrp {VRID} version 3"),
            format!(" vrrp {VRID} priority {}", settings.priority),
            format!(" vrrp {VRID} advertisement-interval 100"),
            format!(" {no}vrrp {VRID} preempt"),
        ];
        for address in virtual_addresses(self.pairing.family) {
            let address = address.split('/').next().unwrap_or(address);
            lines.push(format!(" vrrp {VRID} {family} {address}"));
        }
        lines.join("\n") + "\n"
    }

    /// The running daemon.
    pub fn daemon(&mut self) -> Result<&mut Daemon> {
        self.daemon.as_mut().context("the daemon of this side was not started")
    }

    /// Everything the daemon has printed.
    pub fn log(&self) -> String {
        self.daemon.as_ref().map(Daemon::log).unwrap_or_default()
    }

    /// Whether the virtual address is on this side, and in use.
    pub fn holds(&self) -> bool {
        self.node.holds(&virtual_address(self.pairing.family).to_string())
    }

    /// Source of this side's adverts.
    pub fn source(&self) -> IpAddr {
        self.source
    }

    /// Waits until the daemon says that it is backup.
    pub fn wait_backup(&self) -> Result<()> {
        // keepalived's phrase, ours, and FRR's.
        let said = || ["Entering BACKUP STATE", "-> Backup"].iter().any(|phrase| self.log().contains(phrase));
        wait_until(&format!("{} is backup", self.node.name()), LIMIT, said).map(drop)
    }

    /// Waits until the virtual address is here (or not).
    pub fn wait_holds(&self, holds: bool) -> Result<Duration> {
        let what = format!("{} {} the address", self.node.name(), if holds { "holds" } else { "releases" });
        wait_until(&what, LIMIT, || self.holds() == holds)
    }
}

/// What makes nft drop VRRP packets and heartbeats on arrival at a link, all in one transaction.
pub fn drop_all_of_ours(table: &str, link: &str) -> String {
    let chain = format!("netdev {table} arrival");
    format!(
        "add table netdev {table} ; add chain {chain} {{ type filter hook ingress device {link} priority 0 ; }} ; \
         add rule {chain} meta l4proto {{ 112, 51 }} drop ; add rule {chain} udp dport 10112 drop"
    )
}

/// The address the client asks.
pub fn virtual_address(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::from([10, 0, 0, 100]),
        Family::V6 => IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, 0x100]),
    }
}

/// All virtual addresses with prefix lengths; in IPv6 the first is link-local, as RFC 9568 wants.
fn virtual_addresses(family: Family) -> &'static [&'static str] {
    match family {
        Family::V4 => &["10.0.0.100/24"],
        Family::V6 => &["fe80::100/64", "fd00::100/64"],
    }
}

/// The file of a program that takes keepalived's command line.
pub fn path_of(kind: Kind) -> std::ffi::OsString {
    match kind {
        Kind::Mainstay => {
            std::env::var_os("MAINSTAY_UNDER_TEST").unwrap_or_else(|| env!("CARGO_BIN_EXE_mainstay").into())
        }
        Kind::Keepalived => std::env::var_os("KEEPALIVED").unwrap_or_else(|| "keepalived".into()),
        Kind::Frr => "vrrpd".into(),
    }
}

/// The program of a kind. `MAINSTAY_UNDER_TEST` names another binary that takes keepalived's file and flags, to see
/// what the tests say of it.
pub fn program(kind: Kind) -> Program {
    match kind {
        Kind::Mainstay => Program::mainstay(path_of(kind)),
        Kind::Keepalived => Program::keepalived(),
        Kind::Frr => Program::frr(),
    }
}
