//! One node with the daemon on it, and the configuration every test starts from.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use mainstay::lab::{Lab, Node, Process, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long anything may take on a machine that has other things to do.
pub const LIMIT: Duration = Duration::from_secs(12);

/// The address every configuration has.
pub const ADDRESS: &str = "192.0.2.100";

/// The binary under test.
pub const MAINSTAY: &str = env!("CARGO_BIN_EXE_mainstay");

/// A node that can run the daemon.
pub struct Stage {
    pub node: Node,
    pub lab: Lab,
}

impl Stage {
    pub fn new(name: &str) -> Result<Self> {
        let lab = Lab::new(name)?;
        let node = lab.node("alone", &["192.0.2.1/24"])?;
        Ok(Self { node, lab })
    }

    /// A path in the folder of this test.
    pub fn path(&self, name: &str) -> PathBuf {
        self.lab.folder().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.path(name);
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        Ok(path)
    }

    /// Writes a shell script and gives its path.
    pub fn script(&self, name: &str, body: &str) -> Result<String> {
        let path = self.write(name, &format!("#!/bin/sh\n{body}\n"))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        Ok(path.display().to_string())
    }

    /// What a file holds; empty if it is absent.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Its lines.
    pub fn lines(&self, name: &str) -> Vec<String> {
        self.read(name).lines().map(str::to_owned).collect()
    }

    /// A command line for the daemon in the foreground with files of its own.
    pub fn command(&self) -> Command {
        let mut command = Command::new(MAINSTAY);
        command.args(["--dont-fork", "--log-console", "--log-detail", "--no-syslog", "--use-file"]);
        command.arg(self.path("conf")).arg("--pid").arg(self.path("supervisor.pid"));
        command.arg("--vrrp_pid").arg(self.path("router.pid"));
        command.arg("--checkers_pid").arg(self.path("director.pid"));
        command
    }

    /// Starts the daemon with this configuration and waits until it holds its address.
    pub fn start(&self, configuration: &str) -> Result<Process> {
        self.write("conf", configuration)?;
        let daemon = self.node.spawn(&mut self.command())?;
        self.until("the node holds its address", || self.node.holds(ADDRESS))
            .with_context(|| daemon.log())?;
        Ok(daemon)
    }

    pub fn until(&self, what: &str, holds: impl FnMut() -> bool) -> Result<Duration> {
        wait_until(what, LIMIT, holds)
    }

    /// The process in a process id file; `None` while there is none.
    pub fn pid(&self, role: &str) -> Option<i32> {
        self.read(&format!("{role}.pid")).trim().parse().ok()
    }

    /// Sends a signal to the process in a process id file.
    pub fn signal(&self, role: &str, signal: Signal) -> Result<()> {
        let pid = self.pid(role).with_context(|| format!("{role} runs"))?;
        kill(Pid::from_raw(pid), signal).with_context(|| format!("signal {role}"))
    }
}

/// A configuration with one instance of one address; `before` and `inside` are more lines in keepalived's language.
pub fn configuration(before: &str, inside: &str) -> String {
    format!(
        "global_defs {{\n script_user root\n enable_script_security\n}}\n{before}\n\
         vrrp_instance VI_1 {{\n interface eth0\n version 3\n virtual_router_id 51\n priority 100\n \
         advert_int 0.1\n virtual_ipaddress {{\n  {ADDRESS}/24\n }}\n{inside}\n}}\n"
    )
}

/// Whether a process lives.
pub fn lives(pid: i32) -> bool {
    fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"))
        .is_ok_and(|stat| !stat.contains(") Z "))
}
