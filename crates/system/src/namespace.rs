//! Network namespaces: entering one that has a name, and making one.

use std::fs::File;
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, setns, unshare};

use crate::error::{Error, Result};

/// Moves the calling thread (and threads and children it makes later) into the namespace `ip netns add NAME` made.
///
/// # Errors
/// When there is no such namespace, or the process may not enter it.
pub fn enter_network(name: &str) -> Result<()> {
    let path = Path::new("/run/netns").join(name);
    // A name is one path component: `..` or a slash would lead elsewhere.
    let path =
        if path.parent() == Some(Path::new("/run/netns")) && name != ".." { path } else { PathBuf::new() };
    let file = File::open(&path).map_err(Error::of("open the network namespace", name))?;
    setns(file, CloneFlags::CLONE_NEWNET).map_err(Error::of("enter the network namespace", name))
}

/// Moves the calling thread into a new network namespace without any link but `lo`. It ends with its last user.
///
/// # Errors
/// When the process may not (it needs `CAP_SYS_ADMIN`).
pub fn enter_new_network() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET).map_err(Error::of("make", "a network namespace"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{lab, netlink};

    #[test]
    fn a_new_namespace_has_nothing_but_a_loopback() {
        lab::in_new_namespace(|| assert_eq!(netlink::tables().expect("lists").links.len(), 1));
    }

    #[test]
    fn a_name_that_is_none_is_refused() {
        for name in ["system-test-no-such-namespace", "", "..", "../../etc/passwd"] {
            let error = enter_network(name).expect_err("no such namespace");
            assert_eq!(error.errno(), libc::ENOENT, "{name}");
        }
    }
}
