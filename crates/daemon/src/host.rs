//! What the configuration reader is told about this machine.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fs;

use mainstay_config::{Host, InterfaceFacts};
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::unistd::{Group, User, gethostname};

/// This machine. Interfaces are listed once, when the first is asked for, so that one reading sees one state.
#[derive(Debug, Default)]
pub struct LinuxHost {
    interfaces: OnceCell<BTreeMap<String, InterfaceFacts>>,
}

impl Host for LinuxHost {
    fn interface(&self, name: &str) -> Option<InterfaceFacts> {
        self.interfaces.get_or_init(list_interfaces).get(name).copied()
    }

    fn user(&self, name: &str) -> Option<(u32, u32)> {
        let user = User::from_name(name).ok().flatten()?;
        Some((user.uid.as_raw(), user.gid.as_raw()))
    }

    fn group(&self, name: &str) -> Option<u32> {
        Group::from_name(name).ok().flatten().map(|group| group.gid.as_raw())
    }

    fn node_name(&self) -> String {
        gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    fn environment(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

fn list_interfaces() -> BTreeMap<String, InterfaceFacts> {
    let mut interfaces = BTreeMap::new();
    // Every link has an entry of its own (its hardware address), also one without addresses.
    for entry in getifaddrs().into_iter().flatten() {
        interfaces.entry(entry.interface_name).or_insert_with_key(|name| InterfaceFacts {
            loopback: entry.flags.contains(InterfaceFlags::IFF_LOOPBACK),
            multicast: entry.flags.contains(InterfaceFlags::IFF_MULTICAST),
            mtu: mtu(name),
        });
    }
    interfaces
}

/// Bytes; 1500 where `/sys` does not show this network namespace.
fn mtu(name: &str) -> u32 {
    let text = fs::read_to_string(format!("/sys/class/net/{name}/mtu")).unwrap_or_default();
    text.trim().parse().unwrap_or(1500)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_known_and_nonsense_is_not() {
        let host = LinuxHost::default();
        assert!(host.interface("lo").expect("every machine has it").loopback);
        assert_eq!(host.interface("nonsense0"), None);
    }

    #[test]
    fn users_and_groups_are_found_by_name() {
        let host = LinuxHost::default();
        assert_eq!(host.user("root"), Some((0, 0)));
        assert_eq!(host.group("root"), Some(0));
        assert_eq!(host.user("no such user"), None);
        assert!(!host.node_name().is_empty());
    }
}
