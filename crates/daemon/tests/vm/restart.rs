//! A connection through address translation, while the daemon behind it dies, is restarted, or reads another file.
//!
//! The kernel balances; the daemon only tells it what to do. So nothing that befalls the daemon may break what is
//! under way.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mainstay::lab::{Lab, Node, Process, wait_until};
use mainstay_core::ipvs::{Change, Protocol, Scheduler, Service, ServiceKey};
use mainstay_system::ipvs::{Balancer, Kernel};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A guest without hardware support is slow, and its clock may run ahead.
const LIMIT: Duration = Duration::from_secs(300);

const SERVICE: &str = "192.0.2.10:80";
const CLIENT: &str = "192.0.2.50";

/// A director between a client and a web server that knows no other way out.
struct Stage {
    director: Node,
    client: Node,
    server: Node,
    lab: Lab,
}

impl Stage {
    fn new(name: &str) -> Result<Self> {
        let lab = Lab::new(name)?;
        lab.lan("inside")?;
        let director = lab.node("director", &["192.0.2.1/24", "192.0.2.10/24"])?;
        director.plug("eth1", "inside", &["198.51.100.1/24"])?;
        director.namespace().sysctl("net.ipv4.ip_forward", "1")?;
        let client = lab.node("client", &["192.0.2.50/24"])?;
        let server = lab.bare_node("server")?;
        server.plug("eth0", "inside", &["198.51.100.11/24"])?;
        server.namespace().ip("route add default via 198.51.100.1")?;
        let stage = Self { director, client, server, lab };
        stage.configure(1)?;
        Ok(stage)
    }

    /// Writes the file, with the web server's weight. It is checked seldom: nobody takes the checks' connections from
    /// its queue, which is short.
    fn configure(&self, weight: u32) -> Result<()> {
        let check = "TCP_CHECK {\nwarmup 0\nconnect_timeout 60\n}\n";
        let text = format!(
            "virtual_server {} {{\nprotocol TCP\nlvs_sched rr\nlvs_method NAT\ndelay_loop 60\n\
             real_server 198.51.100.11 80 {{\nweight {weight}\n{check}}}\n}}\n",
            SERVICE.replace(':', " ")
        );
        fs::write(self.path("conf"), text).context("write the configuration")
    }

    /// Starts the daemon and waits until it has the table as it wants it.
    fn start(&self, flags: &[&str]) -> Result<Process> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mainstay"));
        command.args(["--dont-fork", "--log-console", "--log-detail", "--no-syslog", "--check"]).args(flags);
        command.arg("--use-file").arg(self.path("conf")).arg("--pid").arg(self.path("supervisor.pid"));
        command.arg("--checkers_pid").arg(self.path("director.pid"));
        let daemon = self.director.spawn(&mut command)?;
        until("the table is made", &daemon, || daemon.log().contains("Startup complete"))?;
        ensure!(self.weights()? == [1], "the web server serves: {}", daemon.log());
        Ok(daemon)
    }

    /// The weights of all destinations.
    fn weights(&self) -> Result<Vec<u32>> {
        let table = self.director.namespace().run(|| Kernel::open()?.list())??.table();
        let destinations = table.services.values().flat_map(|entry| entry.destinations.values());
        Ok(destinations.map(|destination| destination.weight).collect())
    }

    /// Puts a service into the table that is none of the daemon's.
    fn add_foreign_service(&self) -> Result<()> {
        let key = ServiceKey::Address { protocol: Protocol::Tcp, address: [203, 0, 113, 9].into(), port: 9 };
        let change = Change::AddService(Service::new(key, Scheduler::RoundRobin));
        let applied = self.director.namespace().run(|| Kernel::open()?.apply(&[change]))??;
        ensure!(applied.refusals.is_empty(), "{applied:?}");
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.lab.folder().join(name)
    }
}

fn until(what: &str, daemon: &Process, holds: impl FnMut() -> bool) -> Result<()> {
    wait_until(what, LIMIT, holds).map(drop).with_context(|| daemon.log())
}

/// Both ends of a connection of the client.
struct Conversation {
    client: TcpStream,
    server: TcpStream,
}

impl Conversation {
    /// Connects the client with the service, and finds its connection among those of the checks.
    fn begin(stage: &Stage, listener: &TcpListener) -> Result<Self> {
        let service: SocketAddr = SERVICE.parse()?;
        let asker: IpAddr = CLIENT.parse()?;
        let client = stage.client.namespace().run(|| TcpStream::connect_timeout(&service, LIMIT))??;
        let server = loop {
            let (stream, from) = listener.accept()?;
            if from.ip() == asker {
                break stream;
            }
        };
        for stream in [&client, &server] {
            stream.set_read_timeout(Some(LIMIT))?;
            stream.set_nodelay(true)?;
        }
        Ok(Self { client, server })
    }

    /// A word goes there, and another one comes back.
    fn goes_on(&mut self) -> Result<()> {
        self.client.write_all(b"?")?;
        self.is_answered()
    }

    /// A word of the client arrives, and another one comes back.
    fn is_answered(&mut self) -> Result<()> {
        let mut word = [0];
        self.server.read_exact(&mut word).context("the client's word is lost")?;
        self.server.write_all(b"!")?;
        self.client.read_exact(&mut word).context("the answer is lost")
    }
}

/// A stage with a web server that listens.
fn prepared(name: &str) -> Result<(Stage, TcpListener)> {
    let stage = Stage::new(name)?;
    let listener = stage.server.namespace().run(|| TcpListener::bind("0.0.0.0:80"))??;
    Ok((stage, listener))
}

#[test]
fn a_connection_outlives_a_daemon_that_is_told_to_leave_its_table() -> Result<()> {
    let (stage, listener) = prepared("left")?;
    let mut daemon = stage.start(&["--dont-release-ipvs"])?;
    let mut conversation = Conversation::begin(&stage, &listener)?;
    conversation.goes_on()?;
    daemon.terminate(LIMIT)?;
    ensure!(stage.weights()? == [1], "the table stays: {}", daemon.log());
    conversation.goes_on().context("while there is no daemon")?;
    let daemon = stage.start(&["--dont-release-ipvs"])?;
    ensure!(daemon.log().contains("taken over with 1 services and 1 destinations"), "{}", daemon.log());
    conversation.goes_on().context("after the restart")
}

// Linux sees to connections of the balanced as long as there is any service of their family, and drops what comes for
// one that is gone.
#[test]
fn a_connection_waits_for_a_daemon_that_is_started_again_while_others_have_services() -> Result<()> {
    let (stage, listener) = prepared("stopped")?;
    stage.add_foreign_service()?;
    let mut daemon = stage.start(&[])?;
    let mut conversation = Conversation::begin(&stage, &listener)?;
    conversation.goes_on()?;
    daemon.terminate(LIMIT)?;
    ensure!(stage.weights()?.is_empty(), "a stop leaves nothing: {}", daemon.log());
    // Nobody takes it to the web server now; the kernel keeps the connection, and the client says it again.
    conversation.client.write_all(b"?")?;
    let _daemon = stage.start(&[])?;
    conversation.is_answered().context("what was said in between")?;
    conversation.goes_on().context("after the restart")
}

// Without any service Linux (6.1 does so, older ones did not) takes IPVS out of the way of packets: they come to the
// director itself, which knows no such connection.
#[test]
fn a_stop_that_leaves_no_service_at_all_ends_connections() -> Result<()> {
    let (stage, listener) = prepared("emptied")?;
    let mut daemon = stage.start(&[])?;
    let mut conversation = Conversation::begin(&stage, &listener)?;
    conversation.goes_on()?;
    daemon.terminate(LIMIT)?;
    ensure!(stage.weights()?.is_empty(), "a stop leaves nothing: {}", daemon.log());
    conversation.client.write_all(b"?")?;
    let end = conversation.client.read(&mut [0]).err().map(|error| error.kind());
    ensure!(end == Some(ErrorKind::ConnectionReset), "{end:?}");
    Ok(())
}

#[test]
fn a_connection_outlives_the_death_of_the_director_and_a_reload() -> Result<()> {
    let (stage, listener) = prepared("killed")?;
    let mut daemon = stage.start(&[])?;
    let mut conversation = Conversation::begin(&stage, &listener)?;
    conversation.goes_on()?;
    let director = || fs::read_to_string(stage.path("director.pid")).unwrap_or_default();
    let first = director();
    kill(Pid::from_raw(first.trim().parse()?), Signal::SIGKILL)?;
    conversation.goes_on().context("while there is no director")?;
    until("another director has begun", &daemon, || ![first.as_str(), ""].contains(&director().as_str()))?;
    until("it takes over what is there", &daemon, || daemon.log().contains("taken over with 1 services"))?;
    conversation.goes_on().context("with another director")?;
    stage.configure(3)?;
    daemon.signal(Signal::SIGHUP);
    until("the reload changes the weight", &daemon, || stage.weights().is_ok_and(|weights| weights == [3]))?;
    conversation.goes_on().context("after the reload")
}
