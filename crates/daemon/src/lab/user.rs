//! Making networks as an ordinary user: inside a user namespace, if the kernel permits it.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::namespace::Namespace;

/// Set in the process that was started again, so that it does not try once more.
const INSIDE: &str = "MAINSTAY_LAB_INSIDE";

/// Makes sure that networks can be made: as root it returns, as an ordinary user it starts this program again inside
/// a user namespace where it is root. Call it first thing, before anything that must not happen twice.
///
/// # Errors
/// Fails with what an administrator could change, if neither is possible.
pub fn enter() -> Result<()> {
    let Err(refusal) = Namespace::new() else { return Ok(()) };
    if std::env::var_os(INSIDE).is_some() {
        bail!("{refusal:#}; not even inside a user namespace");
    }
    let program = std::env::current_exe().context("find this program")?;
    let permitted = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--mount", "true"])
        .output()
        .context("start unshare(1)")?;
    if !permitted.status.success() {
        bail!(
            "networks of namespaces need root, or a kernel that lets users make user namespaces \
             (sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns): {}",
            String::from_utf8_lossy(&permitted.stderr).trim()
        );
    }
    let failure = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--mount", "--"])
        .arg(program)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, "yes")
        .exec();
    Err(failure).context("start again inside a user namespace")
}
