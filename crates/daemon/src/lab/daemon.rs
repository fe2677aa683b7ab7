//! Routers that can be run on a node: ours, keepalived and FRR.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use nix::unistd::User;

use super::node::Node;
use super::process::Process;
use super::wait::wait_until;

/// Where Debian's frr package puts its daemons.
const FRR_FOLDER: &str = "/usr/lib/frr";
/// FRR is ready in about a second on an idle machine.
const FRR_START_LIMIT: Duration = Duration::from_secs(15);

/// Which daemon to run, and with which flags.
#[derive(Debug, Clone)]
pub struct Program {
    kind: Kind,
    path: PathBuf,
    flags: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Takes keepalived's flags and file.
    Keepalived,
    /// Two processes, zebra and this one (`vrrpd`, `bfdd`), and a file of its own language.
    Frr(&'static str),
}

impl Program {
    /// The mainstay binary at this path.
    pub fn mainstay(path: impl Into<PathBuf>) -> Self {
        Self::keepalived_like(path.into())
    }

    /// Debian's keepalived, or the one named by the variable `KEEPALIVED`.
    #[must_use]
    pub fn keepalived() -> Self {
        Self::keepalived_like(std::env::var_os("KEEPALIVED").unwrap_or_else(|| "keepalived".into()).into())
    }

    /// Debian's FRR. Its configuration is that of vrrpd; see [`Node::frr_addresses`] for the links it needs.
    #[must_use]
    pub fn frr() -> Self {
        Self { kind: Kind::Frr("vrrpd"), path: FRR_FOLDER.into(), flags: Vec::new() }
    }

    /// Debian's FRR for BFD alone; its configuration is that of bfdd.
    #[must_use]
    pub fn frr_bfd() -> Self {
        Self { kind: Kind::Frr("bfdd"), path: FRR_FOLDER.into(), flags: Vec::new() }
    }

    /// In the foreground, only VRRP, everything logged in detail to standard error.
    fn keepalived_like(path: PathBuf) -> Self {
        let flags = ["--dont-fork", "--log-console", "--log-detail", "--vrrp"].map(str::to_owned);
        Self { kind: Kind::Keepalived, path, flags: flags.to_vec() }
    }

    /// With one more flag.
    #[must_use]
    pub fn flag(mut self, flag: &str) -> Self {
        self.flags.push(flag.to_owned());
        self
    }
}

/// A running router.
#[derive(Debug)]
pub struct Daemon {
    processes: Vec<Process>,
    config: PathBuf,
}

impl Daemon {
    pub(super) fn start(node: &Node, program: &Program, config: &str) -> Result<Self> {
        match program.kind {
            Kind::Keepalived => Self::start_keepalived(node, program, config),
            Kind::Frr(daemon) => Self::start_frr(node, program, daemon, config),
        }
    }

    fn start_keepalived(node: &Node, program: &Program, config: &str) -> Result<Self> {
        let file = node.lab().fresh_path(node.name(), "conf");
        fs::write(&file, config).with_context(|| format!("write {}", file.display()))?;
        let pid_file = |role: &str| file.with_extension(format!("{role}.pid"));
        let mut command = Command::new(&program.path);
        command.args(&program.flags).arg("--use-file").arg(&file);
        command.arg("--pid").arg(pid_file("parent"));
        command.arg("--vrrp_pid").arg(pid_file("vrrp"));
        command.arg("--checkers_pid").arg(pid_file("checkers"));
        command.arg("--bfd_pid").arg(pid_file("bfd"));
        let process = node.spawn(&mut command)?;
        Ok(Self { processes: vec![process], config: file })
    }

    fn start_frr(node: &Node, program: &Program, daemon: &'static str, config: &str) -> Result<Self> {
        let folder = node.lab().fresh_path(node.name(), "frr");
        fs::create_dir(&folder).with_context(|| format!("make {}", folder.display()))?;
        let owner = User::from_name("frr").context("look up user frr")?.context("there is no user frr")?;
        chown(&folder, Some(owner.uid.as_raw()), Some(owner.gid.as_raw())).context("give FRR its folder")?;
        fs::write(folder.join("zebra.conf"), "").context("write zebra.conf")?;
        let config_file = folder.join(format!("{daemon}.conf"));
        fs::write(&config_file, config).with_context(|| format!("write {}", config_file.display()))?;
        let zebra = node.spawn(&mut frr_command(&program.path, "zebra", &folder))?;
        let socket = folder.join("zserv.api");
        wait_until("zebra opens its socket", FRR_START_LIMIT, || socket.exists())?;
        let mut command = frr_command(&program.path, daemon, &folder);
        if daemon == "bfdd" {
            command.arg("--bfdctl").arg(folder.join("bfdd.sock"));
        }
        let speaker = node.spawn(&mut command)?;
        if daemon == "vrrpd" {
            wait_until("vrrpd starts a virtual router", FRR_START_LIMIT, || {
                speaker.log().contains("Initialize -> ")
            })?;
            wait_until("zebra takes the carrier away", FRR_START_LIMIT, || {
                zebra.log().contains("Setting protodown on")
            })?;
            // Absent when FRR is started for the second time.
            let _ = node.namespace().command("nft", "delete table netdev asleep");
        }
        Ok(Self { processes: vec![speaker, zebra], config: config_file })
    }

    /// The process that would be signalled by its pid file.
    #[must_use]
    pub fn process(&mut self) -> &mut Process {
        &mut self.processes[0]
    }

    /// The process that speaks VRRP, by its pid file (of ours and of keepalived).
    ///
    /// # Errors
    /// Fails if there is no such file yet.
    pub fn vrrp_pid(&self) -> Result<u32> {
        let file = self.config.with_extension("vrrp.pid");
        let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
        text.trim().parse().with_context(|| format!("pid in {}", file.display()))
    }

    /// Everything it has printed so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.processes[0].log()
    }

    /// How many lines of its log contain this text.
    #[must_use]
    pub fn logged(&self, text: &str) -> usize {
        self.log().lines().filter(|line| line.contains(text)).count()
    }

    /// Kills all its processes at once, without a word to the network.
    pub fn kill9(&mut self) {
        self.processes.iter_mut().for_each(Process::kill9);
    }

    /// Asks it to end (SIGTERM) and waits for that.
    ///
    /// # Errors
    /// Fails if it still runs after `limit`.
    pub fn terminate(&mut self, limit: Duration) -> Result<ExitStatus> {
        let status = self.processes[0].terminate(limit)?;
        for helper in &mut self.processes[1..] {
            helper.terminate(limit)?;
        }
        Ok(status)
    }

    /// Writes a new configuration and asks the daemon to read it (SIGHUP).
    ///
    /// # Errors
    /// Fails if the file cannot be written.
    pub fn reload(&mut self, config: &str) -> Result<()> {
        fs::write(&self.config, config).with_context(|| format!("write {}", self.config.display()))?;
        self.processes[0].signal(Signal::SIGHUP);
        Ok(())
    }
}

fn frr_command(program_folder: &Path, daemon: &str, folder: &Path) -> Command {
    let mut command = Command::new(program_folder.join(daemon));
    command.args([
        "--user",
        "frr",
        "--group",
        "frr",
        "--vty_port",
        "0",
        "--log",
        "stdout",
        "--log-level",
        "info",
    ]);
    command.arg("--config_file").arg(folder.join(format!("{daemon}.conf")));
    command.arg("--pid_file").arg(folder.join(format!("{daemon}.pid")));
    command.arg("--socket").arg(folder.join("zserv.api"));
    command.arg("--vty_socket").arg(folder);
    command
}

impl Node {
    /// Prepares virtual addresses of one family for FRR: a macvlan with the virtual router's MAC, by which vrrpd finds
    /// it. It hears nothing until FRR is [started](Node::start), so that it does not answer for addresses nobody has
    /// taken yet; from then on vrrpd gives it a carrier as master and takes it away as backup.
    ///
    /// # Errors
    /// Fails if the kernel refuses the macvlan or an address.
    pub fn frr_addresses(&self, link: &str, vrid: u8, addresses: &[&str]) -> Result<()> {
        let (version, family) = if addresses.iter().any(|a| a.contains(':')) { (6, 2) } else { (4, 1) };
        let name = format!("vrrp{version}-{vrid}");
        let mac = format!("00:00:5e:00:{family:02x}:{vrid:02x}");
        let namespace = self.namespace();
        namespace.ip(&format!("link add {name} link {link} type macvlan mode bridge"))?;
        namespace.ip(&format!("link set {name} address {mac} addrgenmode none"))?;
        let hook = format!("{{ type filter hook ingress device {name} priority 0 ; policy drop ; }}");
        namespace.command("nft", "add table netdev asleep")?;
        namespace.command("nft", &format!("add chain netdev asleep arrival {hook}"))?;
        if version == 6 {
            // vrrpd's adverts come from here. The later node has the higher address, as everywhere in the lab.
            self.add_address(&name, &format!("fe80::{}:0:0:1", self.number() - 1))?;
        }
        for address in addresses {
            // Without a prefix: a second route to the LAN would have the kernel answer from either link.
            let bare = address.split('/').next().unwrap_or(address);
            self.add_address(&name, bare)?;
        }
        namespace.ip(&format!("link set {name} up"))?;
        // The address is the macvlan's alone: its parent must not answer for it.
        for scope in ["all", link, &name] {
            namespace.sysctl(&format!("net.ipv4.conf.{scope}.arp_ignore"), "1")?;
        }
        namespace.sysctl(&format!("net.ipv4.conf.{link}.ignore_routes_with_linkdown"), "1")
    }
}
