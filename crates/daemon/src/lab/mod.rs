//! Small networks in one machine, to show, test and measure routers with real sockets and real kernels.
//!
//! A [`Lab`] is a handful of network namespaces ([`Node`]s) whose links meet on bridges in a namespace of their own.
//! On a node run [`Daemon`]s (ours, keepalived, FRR); a [`Prober`] asks a virtual address every few milliseconds, an
//! [`AddressWatch`] hears the kernel say when it came and went, a [`Capture`] has every packet dissected by tshark,
//! and an [`Injector`] sends what no honest daemon would.
//!
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! use mainstay::lab::{Lab, Program, seconds};
//! let lab = Lab::new("pair")?;
//! let a = lab.node("a", &["10.0.0.1/24"])?;
//! let b = lab.node("b", &["10.0.0.2/24"])?;
//! let mut first = a.start(&Program::keepalived(), "...")?;
//! let mut second = b.start(&Program::keepalived(), "...")?;
//! lab.wait_until("a holds the address", seconds(2.0), || a.holds("10.0.0.100"))?;
//! first.kill9();
//! lab.wait_until("b holds the address", seconds(2.0), || b.holds("10.0.0.100"))?;
//! second.terminate(seconds(2.0))?;
//! # Ok(())
//! # }
//! ```
//!
//! Everything is blocking and from the standard library; programs that come with every Debian (`ip`, `sh`, `find`) do
//! the rest. When a lab is dropped, or its process dies in whatever way, a [guard] kills what still runs in it.

pub mod capture;
pub mod daemon;
pub mod guard;
pub mod inject;
pub mod namespace;
pub mod node;
pub mod probe;
pub mod process;
pub mod relay;
pub mod user;
pub mod wait;
pub mod watch;

pub use capture::{Capture, Packet};
pub use daemon::{Daemon, Program};
pub use inject::Injector;
pub use namespace::Namespace;
pub use node::Node;
pub use probe::{Answer, Echo, Prober};
pub use process::Process;
pub use relay::Relay;
pub use wait::{holds_for, wait_until};
pub use watch::{AddressChange, AddressWatch};

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};

use guard::Guard;

/// The bridge every node is plugged into unless told otherwise.
pub const LAN: &str = "lan";

/// A duration written as people say it.
#[must_use]
pub fn seconds(count: f64) -> Duration {
    Duration::from_secs_f64(count)
}

/// A network of namespaces; gone with everything in it when the last of its parts is dropped.
#[derive(Debug, Clone)]
pub struct Lab {
    inner: Arc<Inner>,
}

/// What the parts of a lab share. The guard comes first: it kills before the namespaces are let go.
#[derive(Debug)]
pub(crate) struct Inner {
    guard: Mutex<Guard>,
    folder: PathBuf,
    hub: Namespace,
    /// Every namespace the guard was told of, open: the kernel gives the number of one that is gone to the next, and
    /// the guard, who goes by numbers, would kill strangers.
    watched: Mutex<Vec<File>>,
    started: AtomicU32,
    nodes: AtomicU8,
    tells_logs: AtomicBool,
}

impl Lab {
    /// A lab with one bridge, [`LAN`], and a folder of its own under the temporary directory.
    ///
    /// # Errors
    /// Fails without the right to make namespaces: see [`user::enter`].
    pub fn new(name: &str) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("mainstay-lab-{}-{number}-{name}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))
            .context("open the lab's folder to all")?;
        let mut guard = Guard::new(&folder)?;
        let hub = Namespace::new()?;
        guard.watch(hub.inode())?;
        // The bridges are wires, not hosts: they are to say nothing of their own.
        hub.sysctl("net.ipv6.conf.all.disable_ipv6", "1")?;
        hub.sysctl("net.ipv6.conf.default.disable_ipv6", "1")?;
        let lab = Self {
            inner: Arc::new(Inner {
                guard: Mutex::new(guard),
                folder,
                hub,
                watched: Mutex::default(),
                started: AtomicU32::new(0),
                nodes: AtomicU8::new(0),
                tells_logs: AtomicBool::new(false),
            }),
        };
        lab.lan(LAN)?;
        Ok(lab)
    }

    /// Adds one more bridge that nodes can be [plugged](Node::plug) into.
    ///
    /// # Errors
    /// Fails if there is one of that name.
    pub fn lan(&self, name: &str) -> Result<()> {
        let hub = &self.inner.hub;
        hub.ip(&format!("link add {name} type bridge stp_state 0 forward_delay 0 mcast_snooping 0"))?;
        hub.ip(&format!("link set {name} up"))?;
        Ok(())
    }

    /// Adds a node with a link `eth0` on [`LAN`] and these addresses (with prefix length, IPv4 and IPv6).
    ///
    /// # Errors
    /// Fails if the kernel refuses a link or an address.
    pub fn node(&self, name: &str, addresses: &[&str]) -> Result<Node> {
        let node = Node::new(Arc::clone(&self.inner), name)?;
        node.plug("eth0", LAN, addresses)?;
        Ok(node)
    }

    /// Adds a node without a link.
    ///
    /// # Errors
    /// Fails if no namespace can be made.
    pub fn bare_node(&self, name: &str) -> Result<Node> {
        Node::new(Arc::clone(&self.inner), name)
    }

    /// Lets everything through again after [`Node::stop_hearing`].
    ///
    /// # Errors
    /// Fails if everything gets through already.
    pub fn mend(&self) -> Result<()> {
        self.inner.hub.command("nft", &format!("delete table netdev {}", node::CUTS)).map(drop)
    }

    /// Writes down every VRRP and ARP packet that crosses this bridge.
    ///
    /// # Errors
    /// Fails if tcpdump is missing or does not start.
    pub fn capture(&self, lan: &str) -> Result<Capture> {
        Capture::start(&self.inner, lan)
    }

    /// The folder of configurations, logs and captures.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// [`wait_until`], for those who think of it as the lab's.
    ///
    /// # Errors
    /// Fails with `what` if it does not hold within `limit`.
    pub fn wait_until(&self, what: &str, limit: Duration, holds: impl FnMut() -> bool) -> Result<Duration> {
        wait_until(what, limit, holds)
    }

    /// Leaves everything as it is when the lab is dropped: nothing is killed or removed. The namespaces stay as long
    /// as something runs in them or [`Node::publish`] has given them a name.
    pub fn keep(&self) {
        self.inner.guard.lock().unwrap_or_else(PoisonError::into_inner).dismiss();
    }

    /// Prints the end of every log when the lab is dropped, and not only after a panic. For tests that return their
    /// failure: test runners show what was printed only if the test failed.
    pub fn print_logs_at_end(&self) {
        self.inner.tells_logs.store(true, Ordering::Relaxed);
    }

    /// Gives the namespace of the bridges a name under `/run/netns`, so that it outlives this process.
    ///
    /// # Errors
    /// Fails if the name is taken or `/run` cannot be written.
    pub fn publish(&self, name: &str) -> Result<()> {
        node::publish(&self.inner.hub, name)
    }
}

impl Inner {
    /// Has the guard look after a namespace.
    fn watch(&self, namespace: &Namespace) -> Result<()> {
        let open = namespace.open()?;
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).push(open);
        self.guard.lock().unwrap_or_else(PoisonError::into_inner).watch(namespace.inode())
    }

    /// The number of a new node, from 1.
    fn count_node(&self) -> u8 {
        self.nodes.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A path in the lab's folder that nobody else gets.
    fn fresh_path(&self, stem: &str, ending: &str) -> PathBuf {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        self.folder.join(format!("{stem}-{number}.{ending}"))
    }
}

impl Drop for Inner {
    /// When a test fails, the last words of every daemon are what one wants to read.
    fn drop(&mut self) {
        if !std::thread::panicking() && !self.tells_logs.load(Ordering::Relaxed) {
            return;
        }
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let mut logs: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        logs.retain(|path| path.extension().is_some_and(|ending| ending == "log"));
        logs.sort();
        for path in logs {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let lines: Vec<_> = text.lines().collect();
            eprintln!("--- {} ({} lines)", path.display(), lines.len());
            for line in &lines[lines.len().saturating_sub(60)..] {
                eprintln!("{line}");
            }
        }
    }
}
