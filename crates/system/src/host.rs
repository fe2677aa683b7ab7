//! What the machine knows about itself while a configuration is read: links, users, groups, its name.

use std::io;
use std::os::fd::AsRawFd;

use nix::unistd::{Group, User};
use socket2::{Domain, Socket, Type};

use crate::error::check;

/// What is known of a link without listing all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkFacts {
    /// `IFF_LOOPBACK`.
    pub loopback: bool,
    /// `IFF_MULTICAST`.
    pub multicast: bool,
    /// MTU in bytes.
    pub mtu: u32,
}

/// Facts of a link in the calling thread's namespace; `None` if it does not exist.
#[must_use]
pub fn link(name: &str) -> Option<LinkFacts> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).ok()?;
    let flags = ask(&socket, name, libc::SIOCGIFFLAGS).ok()?;
    let mtu = ask(&socket, name, libc::SIOCGIFMTU).ok()?;
    // The flags are 16 bits of the union, the MTU 32.
    let flags = i32::from(u16::from_ne_bytes([flags[0], flags[1]]));
    Some(LinkFacts {
        loopback: flags & libc::IFF_LOOPBACK != 0,
        multicast: flags & libc::IFF_MULTICAST != 0,
        mtu: u32::from_ne_bytes(mtu),
    })
}

/// User id and primary group id of a user.
#[must_use]
pub fn user(name: &str) -> Option<(u32, u32)> {
    let user = User::from_name(name).ok()??;
    Some((user.uid.as_raw(), user.gid.as_raw()))
}

/// Id of a group.
#[must_use]
pub fn group(name: &str) -> Option<u32> {
    Some(Group::from_name(name).ok()??.gid.as_raw())
}

/// The node name (`uname -n`).
#[must_use]
pub fn node_name() -> String {
    nix::sys::utsname::uname()
        .map(|names| names.nodename().to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// First four bytes of what `ioctl(2)` puts into `ifr_ifru` of a `struct ifreq`.
fn ask(socket: &Socket, name: &str, request: libc::Ioctl) -> io::Result<[u8; 4]> {
    /// `struct ifreq` with its union as bytes: 16 of name, 24 of union on every 64-bit Linux (16 on 32-bit ones).
    #[repr(C, align(8))]
    struct Request {
        name: [u8; libc::IFNAMSIZ],
        union: [u8; 24],
    }
    let mut ifreq = Request { name: [0; libc::IFNAMSIZ], union: [0; 24] };
    if name.is_empty() || name.len() >= ifreq.name.len() || name.contains('\0') {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    ifreq.name[..name.len()].copy_from_slice(name.as_bytes());
    // SAFETY: both requests read and write one `struct ifreq`, for which `ifreq` has room and alignment; it lives and
    // is not otherwise borrowed until the call returns. The name in it ends with a zero byte.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), request, &raw mut ifreq) };
    check(result)?;
    let [a, b, c, d, ..] = ifreq.union;
    Ok([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab;

    #[test]
    fn links_are_known_by_name() {
        lab::in_new_namespace(|| {
            lab::link("x0");
            lab::ip("link set x0 mtu 1400 multicast on");
            assert_eq!(link("x0"), Some(LinkFacts { loopback: false, multicast: true, mtu: 1400 }));
            assert_eq!(link("lo").map(|facts| (facts.loopback, facts.multicast)), Some((true, false)));
            for name in ["x1", "", "a-name-that-is-much-too-long", "x0\0"] {
                assert_eq!(link(name), None, "{name:?}");
            }
        });
    }

    #[test]
    fn root_is_a_user_and_a_group() {
        assert_eq!(user("root"), Some((0, 0)));
        assert_eq!(group("root"), Some(0));
        assert_eq!(user("system-test-nobody-has-this-name"), None);
        assert_eq!(group("system-test-nobody-has-this-name"), None);
    }

    #[test]
    fn the_node_has_a_name() {
        let told = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("reads");
        assert_eq!(node_name(), told.trim());
    }
}
