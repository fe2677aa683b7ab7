//! A machine in the lab: a namespace with links, addresses and programs.

use std::net::IpAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Context, Result};

use super::Inner;
use super::daemon::{Daemon, Program};
use super::inject::Injector;
use super::namespace::Namespace;
use super::probe::{Echo, Prober};
use super::process::Process;
use super::relay::Relay;
use super::watch::AddressWatch;

/// The table of what does not get through, in the namespace of the bridges.
pub(super) const CUTS: &str = "cuts";

/// One machine.
#[derive(Debug)]
pub struct Node {
    name: String,
    number: u8,
    links: AtomicU8,
    namespace: Namespace,
    lab: Arc<Inner>,
}

impl Node {
    pub(super) fn new(lab: Arc<Inner>, name: &str) -> Result<Self> {
        let namespace = Namespace::new()?;
        lab.watch(&namespace)?;
        for scope in ["all", "default"] {
            // An address is usable at once, none comes from elsewhere, and our own outlive a link that goes down.
            namespace.sysctl(&format!("net.ipv6.conf.{scope}.accept_dad"), "0")?;
            namespace.sysctl(&format!("net.ipv6.conf.{scope}.accept_ra"), "0")?;
            namespace.sysctl(&format!("net.ipv6.conf.{scope}.keep_addr_on_down"), "1")?;
            namespace.sysctl(&format!("net.ipv4.conf.{scope}.rp_filter"), "0")?;
        }
        let number = lab.count_node();
        Ok(Self { name: name.to_owned(), number, links: AtomicU8::new(0), namespace, lab })
    }

    /// The name it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its number in the lab, from 1.
    #[must_use]
    pub fn number(&self) -> u8 {
        self.number
    }

    /// Its namespace, for whatever this type has no word for.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Plugs a new link into a bridge and gives it addresses.
    ///
    /// Its MAC, and so its link-local address, tells the order in which nodes and links were made:
    /// `02:00:00:00:LINK:NODE`, `fe80::ff:fe00:LINKNODE`. Of two nodes the later one has the higher address.
    ///
    /// # Errors
    /// Fails if the kernel refuses the link or an address.
    pub fn plug(&self, link: &str, lan: &str, addresses: &[&str]) -> Result<()> {
        let port = self.port(link);
        let hub = self.lab.hub.path();
        let mac =
            format!("02:00:00:00:{:02x}:{:02x}", self.links.fetch_add(1, Ordering::Relaxed), self.number);
        let hub = hub.display();
        self.namespace
            .ip(&format!("link add {link} address {mac} type veth peer name {port} netns {hub}"))?;
        self.lab.hub.ip(&format!("link set {port} master {lan} up"))?;
        self.namespace.ip(&format!("link set {link} up"))?;
        for address in addresses {
            self.add_address(link, address)?;
        }
        Ok(())
    }

    /// Gives a link one more address (with prefix length).
    ///
    /// # Errors
    /// Fails if the kernel refuses it.
    pub fn add_address(&self, link: &str, address: &str) -> Result<()> {
        let nodad = if address.contains(':') { "nodad" } else { "" };
        self.namespace.ip(&format!("address add {address} dev {link} {nodad}")).map(drop)
    }

    /// Takes an address (with prefix length) from a link.
    ///
    /// # Errors
    /// Fails if it is not there.
    pub fn remove_address(&self, link: &str, address: &str) -> Result<()> {
        self.namespace.ip(&format!("address del {address} dev {link}")).map(drop)
    }

    /// Takes a link down from the inside, as `ip link set down` does.
    ///
    /// # Errors
    /// Fails if there is no such link.
    pub fn link_down(&self, link: &str) -> Result<()> {
        self.namespace.ip(&format!("link set {link} down")).map(drop)
    }

    /// Brings a link up again.
    ///
    /// # Errors
    /// Fails if there is no such link.
    pub fn link_up(&self, link: &str) -> Result<()> {
        self.namespace.ip(&format!("link set {link} up")).map(drop)
    }

    /// Pulls the cable of a link: it stays up, but has no carrier.
    ///
    /// # Errors
    /// Fails if there is no such link.
    pub fn cut_port(&self, link: &str) -> Result<()> {
        self.lab.hub.ip(&format!("link set {} down", self.port(link))).map(drop)
    }

    /// Puts the cable back.
    ///
    /// # Errors
    /// Fails if there is no such link.
    pub fn join_port(&self, link: &str) -> Result<()> {
        self.lab.hub.ip(&format!("link set {} up", self.port(link))).map(drop)
    }

    /// Lets nothing that another node sends by its link of the same name reach this one by this link, until
    /// [`Lab::mend`](super::Lab::mend): the cable is whole, everybody else is heard, and the other node hears us.
    ///
    /// # Errors
    /// Fails without the `nft` program, or if there is no such link.
    pub fn stop_hearing(&self, link: &str, other: &Self) -> Result<()> {
        let listing = other.namespace.ip(&format!("-oneline link show dev {link}"))?;
        let mut words = listing.split_whitespace().skip_while(|word| *word != "link/ether").skip(1);
        let mac = words.next().context("the other node's link has no hardware address")?;
        let (hub, port) = (&self.lab.hub, self.port(link));
        hub.command("nft", &format!("add table netdev {CUTS}"))?;
        let hook = format!("{{ type filter hook egress device {port} priority 0 ; }}");
        hub.command("nft", &format!("add chain netdev {CUTS} {port} {hook}"))?;
        hub.command("nft", &format!("add rule netdev {CUTS} {port} ether saddr {mac} drop")).map(drop)
    }

    /// Whether an address (without prefix length) is here. FRR leaves its addresses on a macvlan named `vrrp...` all
    /// the time and takes that macvlan's carrier away instead, so there it counts only with a carrier.
    #[must_use]
    pub fn holds(&self, address: &str) -> bool {
        let Ok(listing) = self.namespace.ip("-json address show") else { return false };
        let Ok(links) = serde_json::from_str::<Vec<serde_json::Value>>(&listing) else { return false };
        let wanted = address.parse::<IpAddr>().ok();
        links.iter().any(|link| {
            let of_frr = link["ifname"].as_str().is_some_and(|name| name.starts_with("vrrp"));
            let flags = link["flags"].as_array().map(Vec::as_slice).unwrap_or_default();
            let in_use = !of_frr || flags.iter().any(|flag| flag == "LOWER_UP");
            let addresses = link["addr_info"].as_array().map(Vec::as_slice).unwrap_or_default();
            in_use && addresses.iter().any(|a| a["local"].as_str().and_then(|a| a.parse().ok()) == wanted)
        })
    }

    /// Every address on every link that is not a loopback, without prefix length.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        let listing = self.namespace.ip("-oneline address show scope global").unwrap_or_default();
        let addresses = listing.lines().filter_map(|line| line.split_whitespace().nth(3));
        addresses.filter_map(|a| a.split('/').next()).map(str::to_owned).collect()
    }

    /// The link-local address of a link.
    ///
    /// # Errors
    /// Fails if the link has none, as when it is down.
    pub fn link_local(&self, link: &str) -> Result<IpAddr> {
        let listing = self.namespace.ip(&format!("-6 -oneline address show dev {link} scope link"))?;
        let address = listing.split_whitespace().nth(3).and_then(|a| a.split('/').next());
        address.context("no link-local address")?.parse().context("read a link-local address")
    }

    /// Starts a daemon with this configuration.
    ///
    /// # Errors
    /// Fails if the program is missing.
    pub fn start(&self, program: &Program, config: &str) -> Result<Daemon> {
        Daemon::start(self, program, config)
    }

    /// Every process that lives here.
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        let here = format!("net:[{}]", self.namespace.inode());
        let lives_here = |pid: &u32| {
            std::fs::read_link(format!("/proc/{pid}/ns/net")).is_ok_and(|link| link.to_string_lossy() == here)
        };
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(lives_here).collect()
    }

    /// Starts any program here, in a process group of its own, what it prints going to a log file of the lab.
    ///
    /// # Errors
    /// Fails if the program is missing.
    pub fn spawn(&self, command: &mut Command) -> Result<Process> {
        let program = command.get_program().to_string_lossy();
        let stem = format!("{}-{}", self.name, program.rsplit('/').next().unwrap_or("program"));
        let log = self.lab.fresh_path(&stem, "log");
        self.namespace.run(|| Process::spawn(command, log))?
    }

    /// Answers questions sent by a [`Prober`] to any address this node has.
    ///
    /// # Errors
    /// Fails if the port is taken.
    pub fn echo(&self) -> Result<Echo> {
        Echo::start(&self.namespace, &self.name)
    }

    /// Takes mail on a port of every address of this node.
    ///
    /// # Errors
    /// Fails if the port is taken.
    pub fn relay(&self, port: u16) -> Result<Relay> {
        Relay::start(&self.namespace, port)
    }

    /// Asks an address from here, again and again.
    ///
    /// # Errors
    /// Fails if no socket can be had.
    pub fn probe(&self, address: IpAddr, period: std::time::Duration) -> Result<Prober> {
        Prober::start(&self.namespace, address, period)
    }

    /// Hears from the kernel of every address that comes and goes here.
    ///
    /// # Errors
    /// Fails if no socket can be had.
    pub fn watch_addresses(&self) -> Result<AddressWatch> {
        AddressWatch::start(&self.namespace)
    }

    /// A raw socket for packets of protocol 112, out of `eth0`.
    ///
    /// # Errors
    /// Fails if no raw socket can be had.
    pub fn injector(&self, destination: IpAddr) -> Result<Injector> {
        Injector::open(&self.namespace, "eth0", destination)
    }

    /// Gives the namespace a name, so that `ip netns exec NAME` enters it and it outlives this process.
    ///
    /// # Errors
    /// Fails if the name is taken or `/run` cannot be written.
    pub fn publish(&self, name: &str) -> Result<()> {
        publish(&self.namespace, name)
    }

    pub(super) fn lab(&self) -> &Inner {
        &self.lab
    }

    /// Name of a link's other end, on the bridge. The kernel allows 15 characters.
    fn port(&self, link: &str) -> String {
        let mut port = format!("{}-{link}", self.name);
        port.truncate(15);
        port
    }
}

/// Names a namespace under `/run/netns` with `ip netns attach`, which wants the id of something inside.
pub(super) fn publish(namespace: &Namespace, name: &str) -> Result<()> {
    let attached = namespace.run(|| {
        let thread = nix::unistd::gettid().to_string();
        Command::new("ip").args(["netns", "attach", name, &thread]).status()
    })?;
    let status = attached.context("start ip")?;
    anyhow::ensure!(status.success(), "ip netns attach {name}: {status}");
    Ok(())
}
