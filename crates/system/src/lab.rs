//! For tests: a network namespace of one's own, and `ip`.

use std::io::Write;
use std::net::IpAddr;
use std::process::{Command, Stdio};

use mainstay_core::address::LinkIndex;

/// Runs `test` in a thread in a new network namespace, which is gone afterwards. Needs root.
pub fn in_new_namespace(test: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            crate::namespace::enter_new_network().expect("these tests run as root");
            test();
        });
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

/// `ip ARGUMENTS`, which must succeed.
pub fn ip(arguments: &str) {
    let status =
        Command::new("ip").args(arguments.split_whitespace()).status().expect("iproute2 is installed");
    assert!(status.success(), "ip {arguments}: {status}");
}

/// Makes a link that is down: one end of a pair whose other end, named with a `-` behind, is up. (A `dummy` would be
/// simpler, but small kernels have none.)
pub fn link(name: &str) {
    ip(&format!("link add {name} type veth peer name {name}-"));
    ip(&format!("link set {name}- up"));
}

/// `ip -batch`, which must succeed.
pub fn ip_batch(lines: &str) {
    let mut child = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("iproute2 is installed");
    child.stdin.take().expect("piped").write_all(lines.as_bytes()).expect("written");
    assert!(child.wait().expect("ends").success());
}

/// What `ip ARGUMENTS` prints.
pub fn ip_shows(arguments: &str) -> String {
    let output =
        Command::new("ip").args(arguments.split_whitespace()).output().expect("iproute2 is installed");
    assert!(output.status.success(), "ip {arguments}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Index of a link that exists.
pub fn index(name: &str) -> LinkIndex {
    LinkIndex(nix::net::if_::if_nametoindex(name).expect("the link exists"))
}

/// An address literal.
pub fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}
