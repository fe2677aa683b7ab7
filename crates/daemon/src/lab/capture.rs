//! Every packet on a bridge, written by tcpdump (or dumpcap) and judged by tshark, which knows VRRP from another source than we.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;

use super::Inner;
use super::process::Process;
use super::wait::wait_until;

/// What is written down: VRRP (also in an authentication header), ARP and neighbour discovery.
const FILTER: &str = "vrrp or (ip6 and ip6 proto 112) or ip proto 51 or arp or icmp6";
/// How long a program may take to start and to stop.
const LIMIT: Duration = Duration::from_secs(30);

/// How long dumpcap lets packets gather before it looks at them.
const DUMPCAP_PATIENCE: Duration = Duration::from_millis(300);

/// A running tcpdump, or dumpcap.
#[derive(Debug)]
pub struct Capture {
    program: Process,
    file: PathBuf,
    /// How long a packet may be on its way from the kernel to the file.
    patience: Duration,
}

/// One VRRP packet as tshark reads it.
#[derive(Debug, Clone, PartialEq)]
pub struct Packet {
    /// Seconds since the epoch.
    pub at: f64,
    /// IP source.
    pub source: IpAddr,
    /// Virtual router id.
    pub vrid: u8,
    /// Priority.
    pub priority: u8,
    /// Sequence number of the authentication header around it.
    pub sequence: Option<u32>,
    /// What tshark complains of; empty if nothing.
    pub complaint: String,
}

impl Capture {
    pub(super) fn start(lab: &Inner, lan: &str) -> Result<Self> {
        let file = lab.fresh_path(lan, "pcap");
        let log = lab.fresh_path("capture", "log");
        // tcpdump shows packets at once, but insists on setgroups(2), which an ordinary user's namespace forbids.
        let setgroups = fs::read_to_string("/proc/self/setgroups").unwrap_or_default();
        let (mut command, ready, patience) = if setgroups.trim() == "deny" {
            let mut command = Command::new("dumpcap");
            command.args(["-q", "-i", lan, "-f", FILTER, "-w"]).arg(&file);
            (command, "File:", DUMPCAP_PATIENCE)
        } else {
            let mut command = Command::new("tcpdump");
            command.args(["-i", lan, "--immediate-mode", "-U", "-Z", "root", "-w"]).arg(&file).arg(FILTER);
            (command, "listening on", Duration::from_millis(50))
        };
        let program = lab.hub.run(|| Process::spawn(&mut command, log))??;
        wait_until("the capture has begun", LIMIT, || program.log().contains(ready))?;
        Ok(Self { program, file, patience })
    }

    /// Stops and returns every VRRP packet seen.
    ///
    /// # Errors
    /// Fails if tshark is missing or does not understand the file.
    pub fn finish(mut self) -> Result<Vec<Packet>> {
        std::thread::sleep(self.patience);
        self.program.signal(Signal::SIGINT);
        self.program.wait(LIMIT)?;
        let fields =
            ["frame.time_epoch", "ip.src", "ipv6.src", "vrrp.virt_rtr_id", "vrrp.prio", "ah.sequence"];
        let complaints =
            ["vrrp.checksum.status", "ip.checksum.status", "_ws.malformed", "_ws.expert.message"];
        // Not VRRP inside of "nobody here speaks VRRP", which a node answers to unicast before its daemon listens.
        let mut command = Command::new("tshark");
        command.arg("-r").arg(&self.file).args([
            "-o",
            "ip.check_checksum:TRUE",
            "-n",
            "-Y",
            "vrrp and not icmp and not icmpv6",
        ]);
        command.args(["-T", "fields", "-E", "separator=|", "-E", "occurrence=a"]);
        for field in fields.iter().chain(&complaints) {
            command.args(["-e", field]);
        }
        let output = command.output().context("start tshark")?;
        if !output.status.success() {
            bail!("tshark: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
        }
        String::from_utf8_lossy(&output.stdout).lines().map(packet).collect()
    }
}

/// One line of tshark's table.
fn packet(line: &str) -> Result<Packet> {
    let mut columns = line.split('|');
    let mut next = || columns.next().unwrap_or_default();
    let (at, v4, v6, vrid, priority, sequence) = (next(), next(), next(), next(), next(), next());
    let (vrrp_checksum, ip_checksum, malformed, expert) = (next(), next(), next(), next());
    let mut complaint = String::new();
    // tshark's checksum states: 0 bad, 1 good, 2 unverified.
    if vrrp_checksum != "1" {
        complaint.push_str("VRRP checksum wrong or absent; ");
    }
    if ip_checksum == "0" {
        complaint.push_str("IP checksum wrong; ");
    }
    complaint.push_str(malformed);
    complaint.push_str(expert);
    Ok(Packet {
        at: at.parse().with_context(|| format!("time in {line}"))?,
        source: if v4.is_empty() { v6 } else { v4 }.parse().with_context(|| format!("source in {line}"))?,
        vrid: vrid.parse().with_context(|| format!("virtual router id in {line}"))?,
        priority: priority.parse().with_context(|| format!("priority in {line}"))?,
        sequence: sequence.parse().ok(),
        complaint,
    })
}

/// Checks that every packet from these sources is beyond reproach, and that there is at least one from each.
///
/// # Errors
/// Fails with the complaints, counted, and the sources that were silent.
pub fn assert_clean(packets: &[Packet], sources: &[IpAddr]) -> Result<()> {
    let mut complaints: BTreeMap<(IpAddr, &str), usize> = BTreeMap::new();
    for packet in packets.iter().filter(|packet| sources.contains(&packet.source)) {
        if !packet.complaint.is_empty() {
            *complaints.entry((packet.source, &packet.complaint)).or_default() += 1;
        }
    }
    let silent: Vec<_> =
        sources.iter().filter(|s| packets.iter().all(|packet| packet.source != **s)).collect();
    ensure!(complaints.is_empty(), "tshark complains of packets: {complaints:?}");
    ensure!(silent.is_empty(), "no VRRP packet seen from {silent:?}");
    Ok(())
}
