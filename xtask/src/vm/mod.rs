//! A guest machine with Debian's kernel, for what this machine's kernel may lack: ip_vs, nf_tables, links of all kinds.
//!
//! The guest sees the host's root read-only, with a layer of its own memory over it. Programs, libraries and everything
//! below `target` are therefore there under the same names, and nothing that runs in it can hurt the host. It has no
//! network but what the job makes.

mod guest;
mod initrd;
mod kernel;
mod suite;

pub use guest::Options;
pub use suite::{compare_tables, run as run_tests};

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use crate::machine;
use guest::Guest;

/// Programs of the host that make and run a guest, and the Debian package of each.
pub const TOOLS: [(&str, &str); 5] = [
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("busybox", "busybox-static"),
    ("modprobe", "kmod"),
    ("ip", "iproute2"),
    ("ipvsadm", "ipvsadm"),
];

/// Runs one command as root in a guest. Gives its exit status.
///
/// # Errors
/// Fails if there can be no guest, or it ends without having run the command to its end.
pub fn run(root: &Path, options: &Options, words: &[String]) -> Result<i32> {
    let folder = std::env::current_dir()?;
    let script = format!("cd {} && exec {}\n", quoted(&folder.to_string_lossy()), quoted_all(words));
    provide(root)?.run(options, &script, |_| ())
}

/// Everything a guest is made from, made now if it is missing.
fn provide(root: &Path) -> Result<Guest> {
    let missing = machine::provide(&TOOLS)?;
    ensure!(missing.is_empty(), "a guest needs: apt-get install {}", missing.join(" "));
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let folder = target.join("vm");
    let kernel = kernel::Kernel::provide(&folder)?;
    let initrd = folder.join("initrd.cpio");
    initrd::write(&kernel, &initrd)?;
    Ok(Guest { folder, kernel, initrd, root: root.to_owned() })
}

/// One word for a shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn quoted_all(words: &[String]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_gets_every_word_as_it_was() {
        for word in ["plain", "two words", "it's", "$HOME `x` \\ \"", ""] {
            let script = format!("printf %s {}", quoted(word));
            let output = std::process::Command::new("sh").args(["-c", &script]).output().expect("sh runs");
            assert_eq!(String::from_utf8_lossy(&output.stdout), word);
        }
    }
}
