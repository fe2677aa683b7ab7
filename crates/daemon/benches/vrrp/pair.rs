//! Two equal nodes of one contestant and a client: whoever is master loses it, and the other takes over.

use std::io::Write;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mainstay::lab::process::send;
use mainstay::lab::{AddressWatch, Daemon, Echo, Lab, Node, Program, wait_until};
use nix::sys::signal::Signal;
use socket2::{Domain, Protocol, Socket, Type};

/// The virtual address of every pair; each pair has a network of its own.
const VIRTUAL_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 100));

/// Priority of both nodes.
const PRIORITY: u32 = 100;

/// Period of the client's questions.
const QUESTION_PERIOD: Duration = Duration::from_millis(1);

/// What happens to the master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// All its processes are killed at once.
    Kill,
    /// It is asked to end.
    Terminate,
    /// Its link goes down.
    LinkDown,
}

/// How long a takeover took.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Until the kernel of the other node told of the address.
    pub address: Duration,
    /// Until the client had an answer of the other node.
    pub client: Duration,
}

/// Two nodes with one daemon each.
pub struct Pair {
    program: Program,
    advert: Duration,
    sides: [Side; 2],
    client: Node,
    ear: Ear,
    lab: Lab,
}

struct Side {
    daemon: Daemon,
    watch: AddressWatch,
    hand: Hand,
    node: Node,
    _echo: Echo,
}

impl Pair {
    /// Starts both nodes and waits until one is master.
    pub fn new(name: &str, program: &Program, advert: Duration) -> Result<Self> {
        let lab = Lab::new(name)?;
        let side = |name: &str, address: &str| -> Result<Side> {
            let node = lab.node(name, &[address])?;
            Ok(Side {
                daemon: node.start(program, &configuration(advert))?,
                watch: node.watch_addresses()?,
                hand: Hand::new(&node)?,
                _echo: node.echo()?,
                node,
            })
        };
        let sides = [side("a", "10.0.0.1/24")?, side("b", "10.0.0.2/24")?];
        let client = lab.node("client", &["10.0.0.50/24"])?;
        let ear = Ear::new(&client)?;
        let pair = Self { program: program.clone(), advert, sides, client, ear, lab };
        pair.lab.wait_until("one node is master", advert * 4 + Duration::from_secs(5), || {
            pair.master().is_ok()
        })?;
        thread::sleep(advert * 2 + Duration::from_millis(100));
        Ok(pair)
    }

    /// Lets the master suffer at this point of the advert interval (0 to 1), and repairs it afterwards.
    pub fn measure(&mut self, event: Event, phase: f64) -> Result<Sample> {
        let patience = self.advert * 4 + Duration::from_secs(5);
        let master = self.master()?;
        let backup = 1 - master;
        let backups_before = self.sides[master].times_backup();
        let prober = self.client.probe(VIRTUAL_ADDRESS, QUESTION_PERIOD)?;
        let tree = self.sides[master].daemon.process().tree();

        self.ear.wait_for_advert(patience)?;
        thread::sleep(self.advert.mul_f64(phase));
        let since = Instant::now();
        match event {
            Event::Kill => {
                for signal in [Signal::SIGSTOP, Signal::SIGKILL] {
                    tree.iter().for_each(|&pid| send(pid, signal));
                }
            }
            Event::Terminate => self.sides[master].daemon.process().signal(Signal::SIGTERM),
            Event::LinkDown => self.sides[master].hand.order("link set eth0 down")?,
        }
        let address = self.sides[backup].watch.wait(VIRTUAL_ADDRESS, true, since, patience)?;
        let client = prober.wait_for(self.sides[backup].node.name(), since, patience)?;
        drop(prober);

        match event {
            Event::Kill => self.sides[master].daemon.kill9(),
            Event::Terminate => drop(self.sides[master].daemon.process().wait(Duration::from_secs(10))?),
            Event::LinkDown => self.sides[master].hand.order("link set eth0 up")?,
        }
        let mut backups_wanted = backups_before + 1;
        if event != Event::LinkDown {
            self.sides[master].daemon =
                self.sides[master].node.start(&self.program, &configuration(self.advert))?;
            backups_wanted = 1;
        }
        let repaired = &self.sides[master];
        wait_until("the repaired node is backup", patience, || repaired.times_backup() >= backups_wanted)?;
        thread::sleep(self.advert * 2 + Duration::from_millis(100));
        Ok(Sample { address, client })
    }

    /// Who holds the address; an error if not exactly one node does.
    fn master(&self) -> Result<usize> {
        let address = VIRTUAL_ADDRESS.to_string();
        let holders: Vec<usize> = (0..2).filter(|&index| self.sides[index].node.holds(&address)).collect();
        ensure!(holders.len() == 1, "{} nodes hold the address", holders.len());
        Ok(holders[0])
    }

    /// The most an event takes by the protocol, with what a busy machine may add.
    pub fn protocol(&self, event: Event) -> Duration {
        const GRACE: Duration = Duration::from_millis(100);
        let skew = self.advert * (256 - PRIORITY) / 256;
        match event {
            Event::Kill | Event::LinkDown => self.advert * 3 + skew + GRACE,
            Event::Terminate => skew + GRACE,
        }
    }

    /// How the present master explained itself: the difference to what was measured is the kernel's.
    pub fn explanation(&self) -> String {
        let log = self.master().map(|master| self.sides[master].daemon.log()).unwrap_or_default();
        log.lines()
            .rfind(|line| line.contains("Entering MASTER STATE"))
            .unwrap_or("nobody is master")
            .to_owned()
    }

    /// What both daemons have logged.
    pub fn logs(&self) -> String {
        self.sides.iter().map(|side| format!("--- {}\n{}", side.node.name(), side.daemon.log())).collect()
    }

    /// Ends both daemons politely, so that the kernel has nothing to tidy up while others are measured.
    pub fn end(mut self) -> Result<()> {
        for side in &mut self.sides {
            side.daemon.terminate(Duration::from_secs(10))?;
        }
        Ok(())
    }
}

impl Side {
    fn times_backup(&self) -> usize {
        self.daemon.logged("Entering BACKUP STATE")
    }
}

/// Equal priorities and `nopreempt`, so that each takeover leaves the other node as master.
fn configuration(advert: Duration) -> String {
    format!(
        "vrrp_instance V {{
    version 3
    state BACKUP
    nopreempt
    interface eth0
    virtual_router_id 51
    priority {PRIORITY}
    advert_int {}
    virtual_ipaddress {{
        {VIRTUAL_ADDRESS}/24
    }}
}}
",
        advert.as_secs_f64()
    )
}

/// An `ip` that has been started already and waits for orders: starting one takes milliseconds that would be measured.
struct Hand(Child);

impl Hand {
    fn new(node: &Node) -> Result<Self> {
        let start =
            || Command::new("ip").args(["-batch", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        Ok(Self(node.namespace().run(start)?.context("start ip")?))
    }

    fn order(&mut self, words: &str) -> Result<()> {
        let pipe = self.0.stdin.as_mut().context("the hand has no pipe")?;
        writeln!(pipe, "{words}").and_then(|()| pipe.flush()).context("give an order to ip")
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Hears the adverts, so that every failure can be put at a chosen point between two of them: chance would decide more
/// of the outcome than the daemons do.
struct Ear(Socket);

impl Ear {
    fn new(node: &Node) -> Result<Self> {
        let listen = || -> std::io::Result<Socket> {
            let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(112)))?;
            socket.join_multicast_v4(&Ipv4Addr::new(224, 0, 0, 18), &Ipv4Addr::new(10, 0, 0, 50))?;
            Ok(socket)
        };
        Ok(Self(node.namespace().run(listen)?.context("listen to adverts")?))
    }

    /// Forgets what came before and waits for the next one.
    fn wait_for_advert(&self, limit: Duration) -> Result<()> {
        let mut bytes = [MaybeUninit::uninit(); 128];
        self.0.set_nonblocking(true).context("make the ear non-blocking")?;
        while self.0.recv(&mut bytes).is_ok() {}
        self.0.set_nonblocking(false).context("make the ear blocking")?;
        self.0.set_read_timeout(Some(limit)).context("limit the wait for an advert")?;
        self.0.recv(&mut bytes).map(drop).context("wait for an advert")
    }
}
