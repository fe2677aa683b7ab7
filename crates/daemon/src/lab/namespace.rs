//! Network namespaces without names: a thread makes one, a file descriptor keeps it.
//!
//! Nothing is written to `/run/netns`, so nothing can be left behind there: the kernel removes a namespace with its
//! links, bridges and addresses when the last descriptor and the last process in it are gone, however we end.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::Command;
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, setns, unshare};

/// One network namespace, kept alive by an open descriptor.
#[derive(Debug)]
pub struct Namespace {
    file: File,
    inode: String,
}

impl Namespace {
    /// Makes a namespace with nothing but a loopback that is up.
    ///
    /// # Errors
    /// Fails without the right to make namespaces: see [`super::user::enter`].
    pub fn new() -> Result<Self> {
        let made = thread::spawn(|| -> Result<Self> {
            unshare(CloneFlags::CLONE_NEWNET).context("make a network namespace")?;
            let file = File::open("/proc/thread-self/ns/net").context("open the new namespace")?;
            let link = std::fs::read_link("/proc/thread-self/ns/net").context("name the new namespace")?;
            let inode = link.to_string_lossy().trim_start_matches("net:[").trim_end_matches(']').to_owned();
            Ok(Self { file, inode })
        });
        let namespace =
            made.join().map_err(|_| anyhow::anyhow!("the thread making a namespace panicked"))??;
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// The inode number by which `/proc/PID/ns/net` names this namespace.
    #[must_use]
    pub fn inode(&self) -> &str {
        &self.inode
    }

    /// A path other programs can open as long as this process lives.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd()))
    }

    /// One more descriptor of it: it stays, and its number is nobody else's, as long as that is open.
    pub(super) fn open(&self) -> Result<File> {
        self.file.try_clone().context("open the namespace again")
    }

    /// Does this in a thread inside the namespace. Sockets it opens and processes it starts belong there for good.
    ///
    /// # Errors
    /// Fails if the namespace cannot be entered.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&self.file, CloneFlags::CLONE_NEWNET).context("enter a namespace")?;
                Ok(work())
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Starts a thread that stays inside the namespace.
    ///
    /// # Errors
    /// Fails if the namespace cannot be opened again. (A thread that cannot enter it ends at once, with a panic.)
    pub fn thread(&self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
        let file = self.open()?;
        let body = move || {
            setns(&file, CloneFlags::CLONE_NEWNET)
                .expect("a namespace that is open can be entered by its maker");
            drop(file);
            work();
        };
        thread::Builder::new().name(name.to_owned()).spawn(body).context("start a thread")
    }

    /// Runs `ip` with these words inside the namespace and returns what it printed.
    ///
    /// # Errors
    /// Fails with the words and what `ip` complained of.
    pub fn ip(&self, words: &str) -> Result<String> {
        self.command("ip", words)
    }

    /// Runs a program with these words inside the namespace and returns what it printed.
    ///
    /// # Errors
    /// Fails with the words and what the program complained of.
    pub fn command(&self, program: &str, words: &str) -> Result<String> {
        let output = self
            .run(|| Command::new(program).args(words.split_whitespace()).output())?
            .with_context(|| format!("start {program}"))?;
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr);
            bail!("{program} {words}: {}: {}", output.status, complaint.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Sets a kernel parameter of the namespace, such as `net.ipv4.conf.eth0.arp_ignore`.
    ///
    /// # Errors
    /// Fails if there is no such parameter, or it does not take the value.
    pub fn sysctl(&self, name: &str, value: &str) -> Result<()> {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        self.run(|| std::fs::write(&path, value))?.with_context(|| format!("write {value} to {path}"))
    }
}
