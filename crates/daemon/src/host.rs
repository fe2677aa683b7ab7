//! What the configuration reader is told about this machine.

use mainstay_config::{Host, InterfaceFacts};
use mainstay_system::{host, virtual_link};

/// This machine, in the network namespace we are in.
#[derive(Debug, Default)]
pub struct LinuxHost;

impl Host for LinuxHost {
    fn interface(&self, name: &str) -> Option<InterfaceFacts> {
        let facts = host::link(name)?;
        Some(InterfaceFacts { loopback: facts.loopback, multicast: facts.multicast, mtu: facts.mtu })
    }

    fn is_virtual_mac_link(&self, name: &str, parent: &str, mac: [u8; 6]) -> bool {
        virtual_link::is_macvlan(name, parent, mac)
    }

    fn user(&self, name: &str) -> Option<(u32, u32)> {
        host::user(name)
    }

    fn group(&self, name: &str) -> Option<u32> {
        host::group(name)
    }

    fn node_name(&self) -> String {
        host::node_name()
    }

    fn environment(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}
