//! A sender of VRRP packets that no daemon made.

use std::io;
use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result};
use socket2::{Domain, Protocol, Socket, Type};

use super::namespace::Namespace;

/// IP protocol number of VRRP.
const VRRP: i32 = 112;

/// A raw socket. The kernel writes the IP header with the node's own address; the payload is sent as it is, except
/// that over IPv6 nothing is computed either: checksums are the caller's.
#[derive(Debug)]
pub struct Injector {
    socket: Socket,
    destination: SocketAddr,
}

impl Injector {
    pub(super) fn open(namespace: &Namespace, link: &str, destination: IpAddr) -> Result<Self> {
        let socket = namespace.run(|| open_raw(link, destination))?.context("open a raw socket")?;
        let injector = Self { socket, destination: SocketAddr::new(destination, 0) };
        injector.ttl(255)?;
        Ok(injector)
    }

    /// Sets the TTL or hop limit of what follows; it starts as 255.
    ///
    /// # Errors
    /// Fails if the kernel refuses it.
    pub fn ttl(&self, ttl: u8) -> Result<()> {
        let ttl = u32::from(ttl);
        let set = || match self.destination {
            SocketAddr::V4(_) => {
                self.socket.set_multicast_ttl_v4(ttl).and_then(|()| self.socket.set_ttl_v4(ttl))
            }
            SocketAddr::V6(_) => {
                self.socket.set_multicast_hops_v6(ttl).and_then(|()| self.socket.set_unicast_hops_v6(ttl))
            }
        };
        set().context("set the TTL")
    }

    /// Sends one packet with this payload after the IP header.
    ///
    /// # Errors
    /// Fails if the kernel refuses it.
    pub fn send(&self, payload: &[u8]) -> Result<()> {
        self.socket.send_to(payload, &self.destination.into()).context("send a raw packet")?;
        Ok(())
    }
}

fn open_raw(link: &str, destination: IpAddr) -> io::Result<Socket> {
    let domain = if destination.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(VRRP)))?;
    socket.bind_device(Some(link.as_bytes()))?;
    match destination {
        IpAddr::V4(_) => socket.set_multicast_loop_v4(false)?,
        IpAddr::V6(_) => socket.set_multicast_loop_v6(false)?,
    }
    Ok(socket)
}
