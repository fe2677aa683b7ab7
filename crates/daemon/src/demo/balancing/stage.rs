//! The lab of a load balancer: a client before it, two web servers behind it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mainstay_system::ipvs::{Balancer, Kernel};
use nix::sys::signal::Signal;

use super::super::client::{self, Memory};
use super::super::web;
use super::table::{Told, Weights};
use crate::lab::process::send;
use crate::lab::{Lab, Node, Process};

/// The virtual address, out of a range set aside for documentation: nothing outside of the lab ever sees it.
pub const VIRTUAL_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 100));

/// The web servers behind it.
pub const WEB_ADDRESSES: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(198, 51, 100, 11)), IpAddr::V4(Ipv4Addr::new(198, 51, 100, 12))];

/// Their names.
pub const WEB_NAMES: [&str; 2] = ["web1", "web2"];

/// Time between two questions to a web server.
pub const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// Time between a failure and the question that decides.
pub const RETRY_DELAY: Duration = Duration::from_millis(200);

/// How long a web server that left the file keeps its connections.
pub const DRAIN: Duration = Duration::from_secs(5);

/// How long the client waits for an answer: a server that is gone refuses, so only a very busy machine takes long.
const CLIENT_PATIENCE: Duration = Duration::from_secs(5);

/// How long Mainstay may take to end.
const END: Duration = Duration::from_secs(30);

/// Everything this part plays with. Dropping it ends every process and removes every namespace.
pub struct Stage {
    /// What the client has seen; nothing without IPVS.
    pub memory: Memory,
    /// The kernel's table, or why there is none.
    pub kernel: Result<Kernel, String>,
    told: Told,
    daemon: Option<Process>,
    log_shown: usize,
    webs: [Option<Process>; 2],
    asking: Option<JoinHandle<()>>,
    ourselves: PathBuf,
    balancer: Node,
    servers: [Node; 2],
    client: Node,
    lab: Lab,
}

impl Stage {
    /// Builds the network and starts the web servers, and the client if anything can be balanced. Mainstay is not
    /// started.
    ///
    /// # Errors
    /// Fails if the kernel refuses a namespace or a link.
    pub fn build() -> Result<Self> {
        let ourselves = std::env::current_exe().context("find this program")?;
        let lab = Lab::new("demo")?;
        lab.lan("inside")?;
        let balancer = lab.node("lb", &["192.0.2.1/24", &format!("{VIRTUAL_ADDRESS}/32")])?;
        balancer.plug("eth1", "inside", &["198.51.100.1/24"])?;
        balancer.namespace().sysctl("net.ipv4.ip_forward", "1")?;
        let server = |index: usize| -> Result<Node> {
            let node = lab.bare_node(WEB_NAMES[index])?;
            node.plug("eth0", "inside", &[&format!("{}/24", WEB_ADDRESSES[index])])?;
            // Answers go back through the balancer, which gives them the virtual address.
            node.namespace().ip("route add default via 198.51.100.1")?;
            Ok(node)
        };
        let servers = [server(0)?, server(1)?];
        let client = lab.node("client", &["192.0.2.50/24"])?;
        let kernel = balancer.namespace().run(Kernel::open)?.map_err(|error| error.to_string());
        let memory = Memory::default();
        let mut stage = Self {
            memory,
            kernel,
            told: Told::default(),
            daemon: None,
            log_shown: 0,
            webs: [None, None],
            asking: None,
            ourselves,
            balancer,
            servers,
            client,
            lab,
        };
        stage.start_web(0)?;
        stage.start_web(1)?;
        Ok(stage)
    }

    /// Whether connections are really balanced.
    #[must_use]
    pub const fn balances(&self) -> bool {
        self.kernel.is_ok()
    }

    /// Starts the client, which asks for the page until the end.
    ///
    /// # Errors
    /// Fails if there is no thread to be had.
    pub fn start_client(&mut self) -> Result<()> {
        let memory = self.memory.clone();
        let work = move || client::ask(service(), CLIENT_PATIENCE, &memory);
        self.asking = Some(self.client.namespace().thread("client", work)?);
        Ok(())
    }

    /// Begins a download through the balancer.
    ///
    /// # Errors
    /// Fails if nothing answers.
    pub fn download(&self) -> Result<web::Download> {
        self.client.namespace().run(|| web::Download::begin(service()))?
    }

    /// Starts Mainstay with these web servers in its file.
    ///
    /// # Errors
    /// Fails if it cannot be started.
    pub fn start(&mut self, webs: &[usize]) -> Result<()> {
        let file = self.configure(webs)?;
        let mut command = Command::new(&self.ourselves);
        command.args(["--dont-fork", "--log-console", "--log-detail", "--no-syslog", "--check"]);
        command.args(["--ipvs", if self.balances() { "kernel" } else { "memory" }, "--use-file"]).arg(file);
        for (option, name) in [("--pid", "supervisor.pid"), ("--checkers_pid", "director.pid")] {
            command.arg(option).arg(self.lab.folder().join(name));
        }
        self.daemon = Some(self.balancer.spawn(&mut command)?);
        Ok(())
    }

    /// Writes a file with these web servers in it, and has Mainstay read it.
    ///
    /// # Errors
    /// Fails if it cannot be written, or Mainstay is not running.
    pub fn reload(&mut self, webs: &[usize]) -> Result<()> {
        self.configure(webs)?;
        self.daemon()?.signal(Signal::SIGHUP);
        Ok(())
    }

    /// Kills the process of checks and IPVS only; its supervisor lives.
    ///
    /// # Errors
    /// Fails if there is none.
    pub fn kill_director(&mut self) -> Result<()> {
        let children = self.daemon()?.children();
        let &child = children.first().context("the supervisor has no children")?;
        send(child, Signal::SIGKILL);
        Ok(())
    }

    /// Asks Mainstay to end (SIGTERM) and waits for that.
    ///
    /// # Errors
    /// Fails if it does not end well.
    pub fn stop(&mut self) -> Result<()> {
        let status = self.daemon()?.terminate(END)?;
        ensure!(status.success(), "Mainstay ended with {status}");
        Ok(())
    }

    /// Starts a web server.
    ///
    /// # Errors
    /// Fails if the process cannot be started.
    pub fn start_web(&mut self, index: usize) -> Result<()> {
        let mut command = Command::new(&self.ourselves);
        command.args(["demo", "web", WEB_NAMES[index]]);
        self.webs[index] = Some(self.servers[index].spawn(&mut command)?);
        Ok(())
    }

    /// Kills a web server.
    pub fn kill_web(&mut self, index: usize) {
        if let Some(mut web) = self.webs[index].take() {
            web.kill9();
        }
    }

    /// The table as the kernel has it, or as it would be: the weight of each web server that is in it; `None` without
    /// the service.
    ///
    /// # Errors
    /// Fails if the kernel does not list it.
    pub fn table(&mut self) -> Result<Option<Weights>> {
        let Ok(kernel) = &mut self.kernel else { return Ok(self.told.table()) };
        let table = kernel.list()?.table();
        Ok(table.services.values().next().map(|entry| {
            WEB_ADDRESSES.map(|address| {
                let mut found = entry.destinations.values().filter(|found| found.key.address == address);
                found.next().map(|destination| destination.weight)
            })
        }))
    }

    /// Whole lines Mainstay has logged since the last call.
    pub fn news(&mut self) -> Vec<String> {
        let log = self.log();
        let fresh = log.get(self.log_shown..).unwrap_or_default();
        let whole = fresh.rfind('\n').map_or(0, |end| end + 1);
        self.log_shown += whole;
        let lines: Vec<String> = fresh[..whole].lines().map(str::to_owned).collect();
        lines.iter().for_each(|line| self.told.hear(line));
        lines
    }

    /// Everything Mainstay has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.daemon.as_ref().map(Process::log).unwrap_or_default()
    }

    /// How to get into the lab, one command a line.
    #[must_use]
    pub fn entrances(&self) -> Vec<String> {
        crate::demo::entrances([&self.balancer, &self.servers[0], &self.servers[1], &self.client])
    }

    /// Where the configurations and logs are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.lab.folder()
    }

    fn daemon(&mut self) -> Result<&mut Process> {
        self.daemon.as_mut().context("Mainstay is not running")
    }

    fn configure(&self, webs: &[usize]) -> Result<PathBuf> {
        let file = self.lab.folder().join("keepalived.conf");
        fs::write(&file, configuration(webs)).with_context(|| format!("write {}", file.display()))?;
        Ok(file)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.memory.stop();
        if let Some(asking) = self.asking.take() {
            // A client that panicked has no effect on the cleaning up.
            let _ = asking.join();
        }
    }
}

const fn service() -> SocketAddr {
    SocketAddr::new(VIRTUAL_ADDRESS, web::PORT)
}

/// What one would write for two web servers, with quicker checks.
fn configuration(webs: &[usize]) -> String {
    let port = web::PORT;
    let real_servers: String = webs
        .iter()
        .map(|&index| {
            format!(
                "
    real_server {address} {port} {{
        weight 1
        HTTP_GET {{
            url {{
                path /
                status_code 200
            }}
            connect_timeout 1
            retry 1
            delay_before_retry {retry_delay}
            warmup 0
        }}
    }}
",
                address = WEB_ADDRESSES[index],
                retry_delay = RETRY_DELAY.as_secs_f64(),
            )
        })
        .collect();
    format!(
        "virtual_server {VIRTUAL_ADDRESS} {port} {{
    protocol TCP
    lvs_sched rr
    lvs_method NAT
    delay_loop {check_interval}
    @mainstay drain {drain}
{real_servers}}}
",
        check_interval = CHECK_INTERVAL.as_secs_f64(),
        drain = DRAIN.as_secs(),
    )
}
