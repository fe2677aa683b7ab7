//! The lab of the demo: two directors, a client, the web service on each director, and hands to break things with.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::Signal;

use super::super::client::{self, Memory};
use super::super::web;
use crate::lab::{AddressWatch, Daemon, Lab, Node, Process, Program};

/// The virtual address, out of the range set aside for documentation: nothing outside of the lab ever sees it.
pub const VIRTUAL_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 100));

/// Time between two adverts; keepalived's default.
pub const ADVERT_INTERVAL: Duration = Duration::from_secs(1);

/// Time between two runs of the check script.
pub const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Failures in a row until the web service counts as dead.
pub const CHECK_FALL: u32 = 2;

/// How long the client waits for an answer: it bounds what an outage is measured to.
const CLIENT_PATIENCE: Duration = Duration::from_millis(50);

/// Everything this part plays with. Dropping it ends every process and removes every namespace.
#[derive(Debug)]
pub struct Stage {
    /// The two directors, `lb1` and `lb2`.
    pub directors: [Director; 2],
    /// What the client has seen.
    pub memory: Memory,
    client: Node,
    asking: Option<JoinHandle<()>>,
    lab: Lab,
}

/// One director.
#[derive(Debug)]
pub struct Director {
    /// Its VRRP priority.
    pub priority: u8,
    node: Node,
    program: Program,
    ourselves: PathBuf,
    router: Option<Daemon>,
    web: Option<Process>,
    watch: AddressWatch,
    log_shown: usize,
}

impl Stage {
    /// Builds the network and starts the client. The directors, this program or the one given, are not started.
    ///
    /// # Errors
    /// Fails if the kernel refuses a namespace or a link.
    pub fn build(router: Option<&Path>) -> Result<Self> {
        let ourselves = std::env::current_exe().context("find this program")?;
        let router = Program::mainstay(router.unwrap_or(&ourselves));
        let lab = Lab::new("demo")?;
        let director = |name, address, priority| -> Result<Director> {
            let node = lab.node(name, &[address])?;
            let watch = node.watch_addresses()?;
            let (program, ourselves) = (router.clone(), ourselves.clone());
            Ok(Director { priority, node, program, ourselves, router: None, web: None, watch, log_shown: 0 })
        };
        let directors = [director("lb1", "192.0.2.1/24", 150)?, director("lb2", "192.0.2.2/24", 100)?];
        let client = lab.node("client", &["192.0.2.50/24"])?;
        let memory = Memory::default();
        let asking = {
            let memory = memory.clone();
            let service = SocketAddr::new(VIRTUAL_ADDRESS, web::PORT);
            client.namespace().thread("client", move || client::ask(service, CLIENT_PATIENCE, &memory))?
        };
        Ok(Self { directors, memory, client, asking: Some(asking), lab })
    }

    /// The director that has the virtual address; the one that answered the client last if both have it.
    #[must_use]
    pub fn holder(&self) -> Option<usize> {
        let answered = self.memory.last().map(|answer| answer.from);
        let mut holders = (0..self.directors.len()).filter(|&index| self.directors[index].holds());
        let first = holders.next()?;
        let second = holders.next();
        Some(
            second
                .filter(|&index| Some(self.directors[index].name()) == answered.as_deref())
                .unwrap_or(first),
        )
    }

    /// What the directors have logged, for when something went wrong.
    #[must_use]
    pub fn logs(&self) -> String {
        let routers =
            self.directors.iter().filter_map(|director| director.router.as_ref().map(|r| (director, r)));
        routers.map(|(director, router)| format!("--- {}\n{}", director.name(), router.log())).collect()
    }

    /// How to get into the lab, one command a line.
    #[must_use]
    pub fn entrances(&self) -> Vec<String> {
        crate::demo::entrances([&self.directors[0].node, &self.directors[1].node, &self.client])
    }

    /// Where the configurations and logs are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.lab.folder()
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

impl Director {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.node.name()
    }

    /// Starts what is not running: the web service and Mainstay.
    ///
    /// # Errors
    /// Fails if a process cannot be started.
    pub fn start(&mut self) -> Result<()> {
        self.start_web()?;
        if self.router.is_none() {
            self.router = Some(self.node.start(&self.program, &self.configuration())?);
            self.log_shown = 0;
        }
        Ok(())
    }

    /// Starts the web service if it is not running.
    ///
    /// # Errors
    /// Fails if the process cannot be started.
    pub fn start_web(&mut self) -> Result<()> {
        if self.web.is_none() {
            let mut command = Command::new(&self.ourselves);
            command.args(["demo", "web", self.node.name()]);
            self.web = Some(self.node.spawn(&mut command)?);
        }
        Ok(())
    }

    /// Kills every process of the node at once: Mainstay's and the web service.
    pub fn kill_everything(&mut self) {
        if let Some(mut router) = self.router.take() {
            router.kill9();
        }
        self.kill_web();
    }

    /// Kills the web service only.
    pub fn kill_web(&mut self) {
        if let Some(mut web) = self.web.take() {
            web.kill9();
        }
    }

    /// Kills the router process only; its supervisor lives.
    ///
    /// # Errors
    /// Fails if Mainstay is not running or has no children.
    pub fn kill_router(&mut self) -> Result<()> {
        let router = self.router.as_mut().context("Mainstay is not running")?;
        let children = router.process().children();
        let &child = children.first().context("the supervisor has no children")?;
        crate::lab::process::send(child, Signal::SIGKILL);
        Ok(())
    }

    /// Asks Mainstay to end (SIGTERM), without waiting for it.
    pub fn ask_to_stop(&mut self) {
        if let Some(router) = self.router.as_mut() {
            router.process().signal(Signal::SIGTERM);
        }
    }

    /// Waits for the end of a Mainstay that was asked to end.
    ///
    /// # Errors
    /// Fails if it has not ended after three seconds.
    pub fn wait_for_end(&mut self) -> Result<()> {
        if let Some(mut router) = self.router.take() {
            router.process().wait(Duration::from_secs(3))?;
        }
        Ok(())
    }

    /// Pulls the network cable.
    ///
    /// # Errors
    /// Fails if there is none.
    pub fn cut_link(&self) -> Result<()> {
        self.node.cut_port("eth0")
    }

    /// Puts the network cable back.
    ///
    /// # Errors
    /// Fails if there is none.
    pub fn join_link(&self) -> Result<()> {
        self.node.join_port("eth0")
    }

    /// Whether the virtual address is on this node.
    #[must_use]
    pub fn holds(&self) -> bool {
        let changes = self.watch.changes();
        changes
            .iter()
            .rev()
            .find(|change| change.address == VIRTUAL_ADDRESS)
            .is_some_and(|change| change.present)
    }

    /// When the virtual address first came to this node after `since`.
    #[must_use]
    pub fn took_over(&self, since: Instant) -> Option<Instant> {
        self.watch.first(VIRTUAL_ADDRESS, true, since)
    }

    /// When the virtual address first left this node after `since`.
    #[must_use]
    pub fn gave_up(&self, since: Instant) -> Option<Instant> {
        self.watch.first(VIRTUAL_ADDRESS, false, since)
    }

    /// Whether Mainstay here was started and has not ended by itself.
    pub fn is_alive(&mut self) -> bool {
        self.router.as_mut().is_some_and(|router| router.process().exit_status().is_none())
    }

    /// Whole lines Mainstay has logged since the last call.
    pub fn news(&mut self) -> Vec<String> {
        let Some(router) = &self.router else { return Vec::new() };
        let log = router.log();
        let fresh = log.get(self.log_shown..).unwrap_or_default();
        let whole = fresh.rfind('\n').map_or(0, |end| end + 1);
        self.log_shown += whole;
        fresh[..whole].lines().map(str::to_owned).collect()
    }

    /// The configuration: what two people who want to be rid of an outage would write.
    ///
    /// `nopreempt`, so that a node that comes back waits for its turn: each failure below then strikes the node that
    /// was left standing by the one before.
    fn configuration(&self) -> String {
        format!(
            "global_defs {{
    router_id {name}
    vrrp_version 3
    script_user root
}}

vrrp_script web_answers {{
    script \"{program} demo probe\"
    interval {check_interval}
    timeout 1
    fall {CHECK_FALL}
    rise 1
}}

vrrp_instance web {{
    state BACKUP
    nopreempt
    interface eth0
    virtual_router_id 51
    priority {priority}
    advert_int {advert_interval}
    virtual_ipaddress {{
        {VIRTUAL_ADDRESS}/24
    }}
    track_script {{
        web_answers
    }}
}}
",
            name = self.name(),
            program = self.ourselves.display(),
            check_interval = CHECK_INTERVAL.as_secs_f64(),
            priority = self.priority,
            advert_interval = ADVERT_INTERVAL.as_secs_f64(),
        )
    }
}
