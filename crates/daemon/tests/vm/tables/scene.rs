//! One daemon with one file on a machine of its own: every link it names is there, and nobody answers.

use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mainstay::lab::{Lab, Node, Process};

use super::listing::{Listing, add_foreign};
use super::subject::{Needs, Subject};

/// What both say when everything is started.
const STARTED: &str = "Startup complete";

/// How often a log is looked at.
const GLANCE: Duration = Duration::from_millis(100);

/// Everything the machine is not connected with lies behind this link, which swallows it.
const VOID: &str = "the-void";

/// Runs the rest of its words with a `/run` of its own, in which this network namespace has these names (`$1`).
const IN_ITS_PLACE: &str = r#"
mount -t tmpfs none /run && mkdir -p /run/netns /run/lock || exit 99
for name in $1; do
    touch "/run/netns/$name" && mount --bind /proc/self/ns/net "/run/netns/$name" || exit 99
done
shift
exec "$@"
"#;

/// A machine and its daemon.
pub struct Scene {
    pub node: Node,
    pub daemon: Process,
}

/// Who runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    Mainstay,
    Keepalived,
}

impl Program {
    fn path(self) -> PathBuf {
        match self {
            Self::Mainstay => env!("CARGO_BIN_EXE_mainstay").into(),
            Self::Keepalived => std::env::var_os("KEEPALIVED").unwrap_or_else(|| "keepalived".into()).into(),
        }
    }
}

/// A node with these links and a table that is not quite empty.
pub fn machine(lab: &Lab, name: &str, needs: &Needs) -> Result<Node> {
    let node = lab.bare_node(name)?;
    let mut batch = format!("link add {VOID} type dummy\nlink set {VOID} up\n");
    batch += &format!("address add 198.51.100.254/32 dev {VOID}\n");
    batch += &format!("address add 2001:db8:ffff::254/128 dev {VOID} nodad\n");
    batch += &format!("route add default dev {VOID} metric 4000\n");
    batch += &format!("route add ::/0 dev {VOID} metric 4000\n");
    for (number, link) in needs.links.iter().enumerate() {
        batch += &format!("link add {link} type dummy\nlink set {link} multicast on up\n");
        batch += &format!("address add 10.99.{number}.254/24 dev {link}\n");
    }
    let file = lab.folder().join(format!("{name}.links"));
    std::fs::write(&file, batch).with_context(|| format!("write {}", file.display()))?;
    node.namespace().ip(&format!("-batch {}", file.display()))?;
    add_foreign(node.namespace())?;
    Ok(node)
}

impl Scene {
    /// Starts the daemon and waits until it says that it has; false if it ends or does not say so within `limit`.
    pub fn start(
        lab: &Lab,
        node: Node,
        program: Program,
        subject: &Subject,
        needs: &Needs,
        limit: Duration,
    ) -> Result<(Self, bool)> {
        let place = lab.folder().join(node.name());
        let mut command = in_its_place(program.path(), needs);
        command
            .args(["--dont-fork", "--log-console", "--log-detail", "--no-syslog", "--use-file"])
            .arg(&subject.path);
        for process in ["pid", "vrrp_pid", "checkers_pid"] {
            command.arg(format!("--{process}={}.{process}", place.display()));
        }
        let mut daemon = node.spawn(&mut command)?;
        let start = Instant::now();
        let started = loop {
            if daemon.log().contains(STARTED) {
                break true;
            }
            if daemon.exit_status().is_some() || start.elapsed() > limit {
                break false;
            }
            thread::sleep(GLANCE);
        };
        Ok((Self { node, daemon }, started))
    }

    /// What is in the table.
    pub fn listing(&self) -> Result<Listing> {
        Listing::read(self.node.namespace())
    }

    /// From now on nobody can be reached, and everybody who asks is told so at once.
    pub fn refuse(&self) -> Result<()> {
        self.node.namespace().ip(&format!("link set {VOID} down")).map(drop)
    }

    /// Asks it to end. Gives false if it does not within `limit`; then it is killed.
    pub fn end(&mut self, limit: Duration) -> bool {
        let start = Instant::now();
        while self.daemon.exit_status().is_none() && start.elapsed() < limit {
            thread::sleep(GLANCE);
        }
        let ended = self.daemon.exit_status().is_some();
        self.daemon.kill9();
        ended
    }
}

/// A program, where the namespaces its file names are there.
fn in_its_place(program: PathBuf, needs: &Needs) -> Command {
    if needs.namespaces.is_empty() {
        return Command::new(program);
    }
    let names: Vec<&str> = needs.namespaces.iter().map(String::as_str).collect();
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", IN_ITS_PLACE, "sh", &names.join(" ")]).arg(program);
    command
}
