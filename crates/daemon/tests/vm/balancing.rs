//! Connections through the kernel's balancer: the demo, the example of direct routing, a virtual server that leaves the
//! file, a director that dies at the end.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mainstay::demo::web::{self, Download};
use mainstay::lab::{Lab, Node, Process, wait_until};
use mainstay_core::ipvs::Table;
use mainstay_system::ipvs::{Balancer, Kernel};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A guest without hardware support is slow, and its clock may run ahead.
const LIMIT: Duration = Duration::from_secs(300);

const MAINSTAY: &str = env!("CARGO_BIN_EXE_mainstay");
const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/lvs-dr");

const SERVICE: &str = "192.0.2.10:80";
const WEB_ADDRESSES: [&str; 2] = ["192.0.2.11", "192.0.2.12"];

/// A director, a client, and two web servers prepared as the example of direct routing says.
struct Stage {
    director: Node,
    client: Node,
    daemon: Process,
    _webs: Vec<Process>,
    _servers: Vec<Node>,
    lab: Lab,
}

impl Stage {
    fn new(name: &str) -> Result<Self> {
        let lab = Lab::new(name)?;
        let director = lab.node("director", &["192.0.2.1/24", "192.0.2.10/24"])?;
        let client = lab.node("client", &["192.0.2.50/24"])?;
        let network = fs::read_to_string(format!("{EXAMPLE}/real-server.network"))?;
        let address = network.lines().find_map(|line| line.strip_prefix("Address=")).context("an address")?;
        let (mut servers, mut webs) = (Vec::new(), Vec::new());
        for (place, own) in WEB_ADDRESSES.iter().enumerate() {
            let server = lab.node(&format!("web{place}"), &[&format!("{own}/24")])?;
            server.namespace().command("sysctl", &format!("-p {EXAMPLE}/real-server-sysctl.conf"))?;
            server.add_address("lo", address)?;
            webs.push(server.spawn(Command::new(MAINSTAY).args(["demo", "web", own]))?);
            servers.push(server);
        }
        fs::write(lab.folder().join("conf"), configuration())?;
        let mut command = Command::new(MAINSTAY);
        command.args([
            "--dont-fork",
            "--log-console",
            "--log-detail",
            "--no-syslog",
            "--check",
            "--use-file",
        ]);
        command.arg(lab.folder().join("conf")).arg("--pid").arg(lab.folder().join("supervisor.pid"));
        command.arg("--checkers_pid").arg(lab.folder().join("director.pid"));
        let daemon = director.spawn(&mut command)?;
        let stage = Self { director, client, daemon, _webs: webs, _servers: servers, lab };
        stage.until("the table is made", || stage.daemon.log().contains("Startup complete"))?;
        Ok(stage)
    }

    fn until(&self, what: &str, holds: impl FnMut() -> bool) -> Result<()> {
        wait_until(what, LIMIT, holds).map(drop).with_context(|| self.daemon.log())
    }

    /// The name of the web server that answers the client now.
    fn answer(&self) -> Result<String> {
        self.client.namespace().run(|| web::fetch(service(), LIMIT))?
    }

    /// The kernel's table.
    fn table(&self) -> Result<Table> {
        self.director.namespace().run(|| Ok(Kernel::open()?.list()?.table()))?
    }

    /// Has the daemon read another file.
    fn reload(&mut self, text: &str) -> Result<()> {
        fs::write(self.path("conf"), text)?;
        self.daemon.signal(Signal::SIGHUP);
        self.until("the reload is done", || self.daemon.log().contains("Reload complete"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.lab.folder().join(name)
    }
}

fn service() -> SocketAddr {
    SERVICE.parse().expect("address and port")
}

fn configuration() -> String {
    let check = "TCP_CHECK {\nwarmup 0\nconnect_timeout 60\n}\n";
    let reals = WEB_ADDRESSES.map(|address| format!("real_server {address} 80 {{\n{check}}}\n")).concat();
    format!(
        "virtual_server {} {{\nprotocol TCP\nlvs_sched rr\nlvs_method DR\ndelay_loop 1\n@mainstay drain 30\n{reals}}}\n",
        SERVICE.replace(':', " ")
    )
}

#[test]
fn the_demo_balances_under_traffic() {
    let output = Command::new(MAINSTAY).args(["demo", "--only", "balancing"]).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    for expected in
        ["the kernel's table:", "The download from web2 is complete.", "director killed (kill -9)"]
    {
        assert!(said.contains(expected), "{expected} in\n{said}");
    }
}

#[test]
fn real_servers_of_the_direct_routing_example_answer_clients_and_keep_silent_in_arp() -> Result<()> {
    let stage = Stage::new("direct-routing")?;
    for web in WEB_ADDRESSES {
        stage.until("both answer", || stage.answer().is_ok_and(|name| name == web))?;
    }
    let neighbour = stage.client.namespace().ip("neighbour show 192.0.2.10")?;
    let director = format!("02:00:00:00:00:{:02x}", stage.director.number());
    ensure!(neighbour.contains(&director), "the director alone tells where the service is: {neighbour}");
    Ok(())
}

#[test]
fn a_download_outlives_its_virtual_server_by_draining() -> Result<()> {
    let mut stage = Stage::new("drain")?;
    let download = stage.client.namespace().run(|| Download::begin(service()))??;
    stage.reload("")?;
    let weights = |table: Table| -> Vec<u32> {
        let entries = table.services.values().flat_map(|entry| entry.destinations.values());
        entries.map(|destination| destination.weight).collect()
    };
    stage.until("nobody new is served", || stage.table().is_ok_and(|table| weights(table) == [0, 0]))?;
    ensure!(download.is_whole(), "all of it came");
    stage.until("the service goes in the end", || stage.table().is_ok_and(|table| table.services.is_empty()))
}

#[test]
fn nothing_is_left_by_a_director_that_dies_while_everything_ends() -> Result<()> {
    let mut stage = Stage::new("last")?;
    ensure!(stage.table()?.services.len() == 1, "the service is there");
    let director = Pid::from_raw(fs::read_to_string(stage.path("director.pid"))?.trim().parse()?);
    kill(director, Signal::SIGSTOP)?;
    stage.daemon.signal(Signal::SIGTERM);
    stage.until("the end begins", || stage.daemon.log().contains("Stopping"))?;
    kill(director, Signal::SIGKILL)?;
    let status = stage.daemon.wait(LIMIT).with_context(|| stage.daemon.log())?;
    ensure!(status.success(), "{status}");
    ensure!(stage.table()?.services.is_empty(), "{}", stage.daemon.log());
    Ok(())
}
