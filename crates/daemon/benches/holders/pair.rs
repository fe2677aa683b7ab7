//! Two nodes of one contestant, the better one master, and the observer.

use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mainstay::lab::process::send;
use mainstay::lab::{Daemon, Lab, Node, Program};
use nix::sys::signal::Signal;

use super::fault::Fault;
use super::observer::{Observer, Seen};
use super::starvation::Starvation;

/// What the two fight for.
const VIRTUAL_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);

/// Priorities of the first and the second node.
const PRIORITIES: [u8; 2] = [150, 100];

/// How long a frozen, deaf or parted node stays so.
const FAULT: Duration = Duration::from_secs(5);

/// How long a starved one does: it runs a little now and then.
const STARVATION: Duration = Duration::from_secs(6);

/// How long the two need to be sure of each other again: heartbeats come every second, and it takes three and a half of
/// silence to forget somebody. Before that a hand-over is the RFC's.
const ACQUAINTANCE: Duration = Duration::from_secs(4);

/// By what the two nodes are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paths {
    /// The link of the address.
    One,
    /// A second one as well, `heartbeat_path`.
    Two,
}

/// Two nodes with one daemon each.
pub struct Pair {
    program: Program,
    advert: Duration,
    paths: Paths,
    daemons: [Daemon; 2],
    observer: Observer,
    nodes: [Node; 2],
    _outside: Node,
    lab: Lab,
}

impl Pair {
    /// Starts both and waits until the first node has taken the address from the second.
    pub fn new(name: &str, program: &Program, advert: Duration, paths: Paths) -> Result<Self> {
        let lab = Lab::new(name)?;
        let nodes = [lab.node("a", &["10.0.0.1/24"])?, lab.node("b", &["10.0.0.2/24"])?];
        if paths == Paths::Two {
            lab.lan("back")?;
            nodes[0].plug("eth1", "back", &["10.1.0.1/24"])?;
            nodes[1].plug("eth1", "back", &["10.1.0.2/24"])?;
        }
        let outside = lab.node("outside", &["10.0.0.50/24"])?;
        let mac = |node: &Node| [2, 0, 0, 0, 0, node.number()];
        let of = [mac(&nodes[0]), mac(&nodes[1])];
        let observer = Observer::start(&outside, mac(&outside), of, VIRTUAL_ADDRESS)?;
        let daemons = meet(&lab, &nodes, program, advert, paths)?;
        let pair = Self {
            program: program.clone(),
            advert,
            paths,
            daemons,
            observer,
            nodes,
            _outside: outside,
            lab,
        };
        pair.settle().with_context(|| pair.logs())?;
        Ok(pair)
    }

    /// Waits until the first node alone has the address, and a little longer.
    fn settle(&self) -> Result<()> {
        let address = VIRTUAL_ADDRESS.to_string();
        self.lab.wait_until("the first node alone is master", patience(self.advert), || {
            self.nodes[0].holds(&address) && !self.nodes[1].holds(&address)
        })?;
        thread::sleep(self.advert * 2 + Duration::from_millis(200));
        Ok(())
    }

    /// Lets the fault happen, says what the observer saw from then on, and repairs everything.
    pub fn measure(&mut self, fault: Fault) -> Result<Seen> {
        if fault == Fault::Terminate {
            thread::sleep(ACQUAINTANCE);
        }
        self.observer.forget();
        let start = Instant::now();
        let seen = match fault {
            Fault::FreezeRouter => {
                let router = self.daemons[0].vrrp_pid()?;
                self.freeze(&[router], start)
            }
            Fault::FreezeAll => {
                let everybody = self.daemons[0].process().tree();
                self.freeze(&everybody, start)
            }
            Fault::Kill => {
                let everybody = self.daemons[0].process().tree();
                for signal in [Signal::SIGSTOP, Signal::SIGKILL] {
                    everybody.iter().for_each(|&pid| send(pid, signal));
                }
                self.see_takeover(start)
            }
            Fault::Starve => {
                let starvation = Starvation::of(&self.daemons[0].process().tree())?;
                thread::sleep(STARVATION);
                let seen = self.observer.since(start);
                drop(starvation);
                seen
            }
            Fault::BackupDeaf | Fault::BackupDeafOfTwo => {
                self.nodes[1].stop_hearing("eth0", &self.nodes[0])?;
                self.see_fault(start)
            }
            Fault::MasterDeaf | Fault::MasterDeafOfTwo => {
                self.nodes[0].stop_hearing("eth0", &self.nodes[1])?;
                self.see_fault(start)
            }
            Fault::Heal => {
                self.nodes[0].stop_hearing("eth0", &self.nodes[1])?;
                self.nodes[1].stop_hearing("eth0", &self.nodes[0])?;
                thread::sleep(FAULT);
                self.lab.mend()?;
                let healed = Instant::now();
                self.see_takeover(healed)
            }
            Fault::Terminate => {
                self.daemons[0].process().signal(Signal::SIGTERM);
                self.see_takeover(start)
            }
        };
        self.repair(fault)?;
        Ok(seen)
    }

    /// Stops processes for a while. What they do when they go on belongs to it.
    fn freeze(&self, pids: &[u32], start: Instant) -> Seen {
        pids.iter().for_each(|&pid| send(pid, Signal::SIGSTOP));
        thread::sleep(FAULT);
        pids.iter().for_each(|&pid| send(pid, Signal::SIGCONT));
        thread::sleep(self.advert + Duration::from_millis(500));
        self.observer.since(start)
    }

    /// What is seen while something lasts.
    fn see_fault(&self, start: Instant) -> Seen {
        thread::sleep(FAULT);
        self.observer.since(start)
    }

    /// What is seen in the time in which a backup takes over, and a second.
    fn see_takeover(&self, start: Instant) -> Seen {
        thread::sleep(self.advert * 4 + Duration::from_secs(1));
        self.observer.since(start)
    }

    /// Puts everything back: in the end the first node is master.
    fn repair(&mut self, fault: Fault) -> Result<()> {
        match fault {
            Fault::FreezeRouter | Fault::FreezeAll | Fault::Starve | Fault::Heal => {}
            Fault::BackupDeaf | Fault::BackupDeafOfTwo | Fault::MasterDeaf | Fault::MasterDeafOfTwo => {
                self.lab.mend()?
            }
            Fault::Kill => {
                self.daemons[0].kill9();
                self.restart()?;
            }
            Fault::Terminate => {
                self.daemons[0].process().wait(Duration::from_secs(10))?;
                self.restart()?;
            }
        }
        if let Err(error) = self.settle() {
            println!("  after {}: {error:#}; both are started anew", fault.name());
            self.begin_anew()?;
        }
        Ok(())
    }

    /// Starts both anew, the second one first.
    fn begin_anew(&mut self) -> Result<()> {
        self.daemons.iter_mut().for_each(Daemon::kill9);
        let address = format!("{VIRTUAL_ADDRESS}/24");
        for node in &self.nodes {
            // What a killed daemon leaves behind; it need not be there.
            let _ = node.remove_address("eth0", &address);
        }
        self.daemons = meet(&self.lab, &self.nodes, &self.program, self.advert, self.paths)?;
        self.settle().with_context(|| self.logs())
    }

    fn restart(&mut self) -> Result<()> {
        self.daemons[0] = self.nodes[0].start(&self.program, &configuration(0, self.advert, self.paths))?;
        Ok(())
    }

    /// What both daemons have logged last.
    pub fn logs(&self) -> String {
        let last = |daemon: &Daemon| {
            let log = daemon.log();
            let lines: Vec<&str> = log.lines().collect();
            lines[lines.len().saturating_sub(25)..].join("\n")
        };
        format!("--- a\n{}\n--- b\n{}", last(&self.daemons[0]), last(&self.daemons[1]))
    }

    /// Ends both daemons politely.
    pub fn end(mut self) -> Result<()> {
        for daemon in &mut self.daemons {
            daemon.terminate(Duration::from_secs(10))?;
        }
        Ok(())
    }
}

/// Starts the second node, and when it is master the first one: so each hears the other.
fn meet(
    lab: &Lab,
    nodes: &[Node; 2],
    program: &Program,
    advert: Duration,
    paths: Paths,
) -> Result<[Daemon; 2]> {
    let second = nodes[1].start(program, &configuration(1, advert, paths))?;
    let address = VIRTUAL_ADDRESS.to_string();
    lab.wait_until("the second node is master", patience(advert), || nodes[1].holds(&address))
        .with_context(|| second.log())?;
    thread::sleep(advert + Duration::from_millis(100));
    let first = nodes[0].start(program, &configuration(0, advert, paths))?;
    Ok([first, second])
}

/// How long a pair may take to settle, on a machine whose kernel is busy with namespaces of others.
fn patience(advert: Duration) -> Duration {
    advert * 10 + Duration::from_secs(40)
}

/// keepalived skips the lines that begin with `@mainstay`.
fn configuration(node: usize, advert: Duration, paths: Paths) -> String {
    let path = match paths {
        Paths::One => "",
        Paths::Two => "@mainstay heartbeat_path dev eth1",
    };
    format!(
        "vrrp_instance V {{
    version 3
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority {priority}
    advert_int {advert}
    {path}
    virtual_ipaddress {{
        {VIRTUAL_ADDRESS}/24
    }}
}}
",
        priority = PRIORITIES[node],
        advert = advert.as_secs_f64()
    )
}
