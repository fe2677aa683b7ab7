//! The one who cleans up, whatever happens to us.
//!
//! A shell of its own reads a pipe of ours. When the pipe closes, because the lab was dropped, or we panicked, were
//! interrupted or killed, it kills everything that still lives in the lab's namespaces and removes the lab's folder.
//! There is no other clean-up path that could be forgotten.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context, Result};

/// `$1` is the lab's folder. Twenty rounds of 50 ms are enough for the kernel to bury what was killed.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
namespaces=
while read -r word value; do
    case $word in
        namespace) namespaces="$namespaces $value" ;;
        keep) exit 0 ;;
    esac
done
for round in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    alive=
    for namespace in $namespaces; do
        for place in $(find /proc/[0-9]*/ns/net -maxdepth 0 -lname "net:\[$namespace\]" 2>/dev/null); do
            pid=${place#/proc/}
            kill -9 "${pid%/ns/net}" 2>/dev/null
            alive=yes
        done
    done
    [ -z "$alive" ] && break
    sleep 0.05
done
rm -rf "$1"
"#;

/// The shell and the pipe it waits on.
#[derive(Debug)]
pub struct Guard {
    shell: Child,
    pipe: Option<ChildStdin>,
}

impl Guard {
    /// Starts the guard of this folder.
    ///
    /// # Errors
    /// Fails if there is no shell.
    pub fn new(folder: &Path) -> Result<Self> {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "mainstay-lab-guard"])
            .arg(folder)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("start the shell that cleans up")?;
        let pipe = shell.stdin.take();
        Ok(Self { shell, pipe })
    }

    /// From now on everything that lives in the namespace with this inode will be killed at the end.
    ///
    /// # Errors
    /// Fails if the guard is gone.
    pub fn watch(&mut self, inode: &str) -> Result<()> {
        let pipe = self.pipe.as_mut().context("the guard has been dismissed")?;
        writeln!(pipe, "namespace {inode}").context("tell the guard of a namespace")
    }

    /// Nothing will be cleaned up.
    pub fn dismiss(&mut self) {
        if let Some(mut pipe) = self.pipe.take() {
            // A guard that is gone already keeps its hands off as well.
            let _ = writeln!(pipe, "keep");
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.pipe.take());
        let _ = self.shell.wait();
    }
}
