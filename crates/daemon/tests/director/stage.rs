//! A balancer, two web servers, and the configuration every test starts from.

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use mainstay::lab::{Lab, Node, Process, wait_until};

/// How long anything may take on a machine that has other things to do.
pub const LIMIT: Duration = Duration::from_secs(20);

/// The binary under test.
const MAINSTAY: &str = env!("CARGO_BIN_EXE_mainstay");

/// The web servers.
pub const ONE: &str = "192.0.2.11";
pub const TWO: &str = "192.0.2.12";

/// The balancer and its web servers.
pub struct Stage {
    pub balancer: Node,
    pub webs: [Node; 2],
    pub lab: Lab,
    fifo: RefCell<Option<File>>,
    heard: RefCell<String>,
}

impl Stage {
    pub fn new(name: &str) -> Result<Self> {
        let lab = Lab::new(name)?;
        let balancer = lab.node("balancer", &["192.0.2.1/24"])?;
        let webs = [lab.node("one", &["192.0.2.11/24"])?, lab.node("two", &["192.0.2.12/24"])?];
        Ok(Self { balancer, webs, lab, fifo: RefCell::default(), heard: RefCell::default() })
    }

    /// A path in the folder of this test.
    pub fn path(&self, name: &str) -> PathBuf {
        self.lab.folder().join(name)
    }

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

    /// nginx on one of the web servers; it listens.
    pub fn web(&self, which: usize) -> Result<Process> {
        let (name, pid) = (format!("nginx{which}.conf"), self.path(&format!("nginx{which}.pid")));
        // It writes this file when its sockets are open. A former one's may be there.
        let _ = std::fs::remove_file(&pid);
        let text = format!(
            "daemon off; master_process off; pid {};\nerror_log stderr;\nevents {{ }}\nhttp {{\n access_log off;\n \
             server {{ listen 80; location / {{ return 200 'well'; }} }}\n}}\n",
            pid.display()
        );
        let config = self.write(&name, &text)?;
        let server = self.webs[which]
            .spawn(Command::new("nginx").arg("-c").arg(config).arg("-p").arg(self.lab.folder()))?;
        self.until("nginx listens", || std::fs::read(&pid).is_ok_and(|text| !text.is_empty()))?;
        Ok(server)
    }

    /// Starts the daemon with this configuration and waits until it works.
    pub fn start(&self, configuration: &str) -> Result<Process> {
        self.write("conf", configuration)?;
        let mut command = Command::new(MAINSTAY);
        command.args(["--dont-fork", "--log-console", "--log-detail", "--no-syslog", "--check"]);
        command.args(["--ipvs", "memory", "--use-file"]).arg(self.path("conf"));
        command.arg("--pid").arg(self.path("supervisor.pid"));
        command.arg("--checkers_pid").arg(self.path("director.pid"));
        command.env("TMPDIR", self.lab.folder());
        let daemon = self.balancer.spawn(&mut command)?;
        self.until("the director works", || daemon.log().contains("Startup complete"))
            .with_context(|| daemon.log())?;
        Ok(daemon)
    }

    /// A second Mainstay, on a web server, that keeps a BFD session with the balancer.
    pub fn neighbour(&self, which: usize) -> Result<Process> {
        let text = "bfd_instance balancer {\n neighbor_ip 192.0.2.1\n min_rx 50\n min_tx 50\n}\n";
        let mut command = Command::new(MAINSTAY);
        command.args(["--dont-fork", "--log-console", "--no-syslog", "--vrrp", "--use-file"]);
        command.arg(self.write(&format!("neighbour{which}.conf"), text)?);
        command.arg("--pid").arg(self.path("neighbour.pid"));
        command.arg("--vrrp_pid").arg(self.path("neighbour-router.pid"));
        self.webs[which].spawn(&mut command)
    }

    pub fn until(&self, what: &str, holds: impl FnMut() -> bool) -> Result<Duration> {
        wait_until(what, LIMIT, holds)
    }

    /// Waits for a line in the log.
    pub fn logged(&self, daemon: &Process, text: &str) -> Result<()> {
        self.until(text, || daemon.log().contains(text)).with_context(|| daemon.log()).map(drop)
    }

    /// Waits for a line in the FIFO.
    pub fn told(&self, daemon: &Process, line: &str) -> Result<()> {
        self.until(line, || self.fifo().lines().any(|told| told == line))
            .with_context(|| format!("FIFO:\n{}\n{}", self.fifo(), daemon.log()))
            .map(drop)
    }

    /// Everything the FIFO has told so far.
    pub fn fifo(&self) -> String {
        let mut fifo = self.fifo.borrow_mut();
        if fifo.is_none() {
            let flags = nix::fcntl::OFlag::O_NONBLOCK.bits();
            *fifo = OpenOptions::new().read(true).custom_flags(flags).open(self.path("fifo")).ok();
        }
        let mut bytes = Vec::new();
        if let Some(file) = fifo.as_mut() {
            // The end is that nothing more is there.
            let _ = file.read_to_end(&mut bytes);
        }
        let mut heard = self.heard.borrow_mut();
        heard.push_str(&String::from_utf8_lossy(&bytes));
        heard.clone()
    }

    /// The process of the director; `None` while there is none.
    pub fn director(&self) -> Option<i32> {
        self.read("director.pid").trim().parse().ok()
    }

    /// Both web servers behind 192.0.2.100, checked over HTTP three times a second; `lines` are more lines of the
    /// virtual server, `first` of the first real server.
    pub fn configuration(&self, lines: &str, first: &str) -> String {
        let check = "HTTP_GET {\nurl {\npath /\nstatus_code 200\n}\nconnect_timeout 2\nretry 1\n\
                     delay_before_retry 0.1\nwarmup 0\n}\n";
        format!(
            "global_defs {{\n script_user root\n enable_script_security\n lvs_notify_fifo {}\n}}\n\
             virtual_server 192.0.2.100 80 {{\n delay_loop 0.3\n lvs_sched rr\n lvs_method NAT\n protocol TCP\n\
             {lines}\nreal_server {ONE} 80 {{\n{first}\n{check}}}\nreal_server {TWO} 80 {{\n{check}}}\n}}\n",
            self.path("fifo").display()
        )
    }
}

/// How a real server is named in FIFO lines.
pub fn real(address: &str) -> String {
    format!("RS [{address}]:tcp:80 [192.0.2.100]:tcp:80")
}
