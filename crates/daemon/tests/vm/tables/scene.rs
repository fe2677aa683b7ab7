//! One daemon with one file on a machine of its own: every link it names is there, and nobody answers.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mainstay::lab::{Lab, Node, Process};

use super::group::Group;
use super::listing::{Listing, add_foreign};
use super::subject::{Needs, Subject};

/// What both say when everything is started.
const STARTED: &str = "Startup complete";

/// How often a log is looked at.
const GLANCE: Duration = Duration::from_millis(20);

/// Everything the machine is not connected with lies behind this link, which swallows it.
const VOID: &str = "the-void";

/// Puts itself into a control group (`$1`) and becomes the rest of its words. If there are namespaces its file names
/// (`$2`), it has a `/run` of its own first, in which this network namespace has these names.
const IN_ITS_PLACE: &str = r#"
echo $$ >"$1/cgroup.procs" || exit 99
if [ -n "$2" ]; then
    mount -t tmpfs none /run && mkdir -p /run/netns /run/lock || exit 99
    for name in $2; do
        touch "/run/netns/$name" && mount --bind /proc/self/ns/net "/run/netns/$name" || exit 99
    done
fi
shift 2
exec "$@"
"#;

/// A machine and its daemon.
#[derive(Debug)]
pub struct Scene {
    pub node: Node,
    pub daemon: Process,
    /// Bytes of its log that were looked at.
    heard: u64,
    group: Group,
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
    fs::write(&file, batch).with_context(|| format!("write {}", file.display()))?;
    node.namespace().ip(&format!("-batch {}", file.display()))?;
    add_foreign(node.namespace())?;
    Ok(node)
}

impl Scene {
    /// Starts the daemon.
    pub fn start(lab: &Lab, node: Node, program: Program, subject: &Subject, needs: &Needs) -> Result<Self> {
        let place = lab.folder().join(node.name());
        let group = Group::new(&place)?;
        let mut command = in_its_place(&program.path(), &group, needs);
        command
            .args(["--dont-fork", "--log-console", "--log-detail", "--no-syslog", "--use-file"])
            .arg(&subject.path);
        // All of them: keepalived does not start while a process runs whose number is in any of these.
        for process in ["pid", "vrrp_pid", "checkers_pid", "bfd_pid"] {
            command.arg(format!("--{process}={}.{process}", place.display()));
        }
        let daemon = node.spawn(&mut command)?;
        Ok(Self { node, daemon, heard: 0, group })
    }

    /// Whether it said it is started since it was asked last.
    fn says_started(&mut self) -> bool {
        let mut news = Vec::new();
        let read = File::open(self.daemon.log_path()).and_then(|mut log| {
            log.seek(SeekFrom::Start(self.heard))?;
            log.read_to_end(&mut news)
        });
        // A word may have come in part only.
        self.heard += read.unwrap_or_default().saturating_sub(STARTED.len()) as u64;
        String::from_utf8_lossy(&news).contains(STARTED)
    }

    /// Stops it in the moment it says that it is started, so that its table can be read at leisure. Gives false if it
    /// does not come to that: if it ends, or does not say so within `limit`.
    pub fn freeze_when_started(&mut self, limit: Duration) -> Result<bool> {
        let start = Instant::now();
        while !self.says_started() {
            if self.daemon.exit_status().is_some() || start.elapsed() > limit {
                return Ok(false);
            }
            thread::sleep(GLANCE);
        }
        self.group.freeze(true).map(|()| true)
    }

    /// Lets it go on.
    pub fn thaw(&mut self) -> Result<()> {
        self.group.freeze(false)
    }

    /// The last lines of its log.
    pub fn last_words(&self, lines: usize) -> String {
        let log = self.daemon.log();
        let all: Vec<_> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
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

/// A program in a control group, where the namespaces its file names are there.
fn in_its_place(program: &Path, group: &Group, needs: &Needs) -> Command {
    let names: Vec<&str> = needs.namespaces.iter().map(String::as_str).collect();
    let mut command = if names.is_empty() { Command::new("sh") } else { Command::new("unshare") };
    if !names.is_empty() {
        command.args(["--mount", "sh"]);
    }
    command.args(["-c", IN_ITS_PLACE, "sh"]).arg(&group.folder).arg(names.join(" ")).arg(program);
    command
}
