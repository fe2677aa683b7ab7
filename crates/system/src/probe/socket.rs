//! Sockets as the connection keywords want them: `connect_ip`, `connect_port`, `bindto`, `bind_port`, `bind_if`,
//! `fwmark`, `connect_timeout`.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use mainstay_core::director::{Probe, Stage};
use mainstay_core::time::Duration;
use nix::poll::PollFlags;
use nix::sys::socket::{MsgFlags, recv};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::{TcpStream, UdpSocket};

use super::manners::Manners;
use super::patience::Patience;
use super::trouble::{Exchange, Trouble};

/// Connects. Dropping the stream closes it with FIN, or with a reset where that is better.
pub(super) async fn connect(
    probe: &Probe,
    manners: &Manners,
    patience: &Patience<'_>,
) -> Exchange<TcpStream> {
    let socket = open(probe, Type::STREAM, Protocol::TCP)?;
    // A source port of one's own must be free again for the next check, and not in TIME_WAIT.
    if probe.source.port.is_some() || !manners.may_linger() {
        socket
            .set_linger(Some(Duration::ZERO))
            .map_err(|error| Trouble::could_not_ask("SO_LINGER", &error))?;
    }
    start_connecting(&socket, probe)?;
    let stream = TcpStream::from_std(socket.into())
        .map_err(|error| Trouble::could_not_ask("wait for a socket", &error))?;
    match patience.wait(&stream, PollFlags::POLLOUT, stream.writable()).await {
        Err(_) => return Err(patience.expired(Stage::Connect)),
        Ok(Err(error)) => return Err(Trouble::kernel(Stage::Connect, &error)),
        Ok(Ok(())) => {}
    }
    match stream.take_error() {
        Ok(None) => Ok(stream),
        Ok(Some(error)) | Err(error) => Err(Trouble::kernel(Stage::Connect, &error)),
    }
}

/// The server has closed first, so nothing is left behind: end with FIN whatever was planned.
pub(super) fn close_politely(stream: &TcpStream) {
    // If it cannot be taken back the server sees a reset behind its own FIN, which harms nobody.
    let _ = socket2::SockRef::from(stream).set_linger(None);
}

/// A datagram socket that takes packets of the target only, and its ICMP errors.
pub(super) fn datagram(probe: &Probe) -> Exchange<UdpSocket> {
    let socket = open(probe, Type::DGRAM, Protocol::UDP)?;
    start_connecting(&socket, probe)?;
    UdpSocket::from_std(socket.into()).map_err(|error| Trouble::could_not_ask("wait for a socket", &error))
}

/// The next datagram, or the ICMP error that came instead. Gives the whole length, also of what the buffer had no room
/// for.
pub(super) async fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<usize> {
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
    // For an ICMP error epoll says "error" and not "readable".
    let either = Interest::READABLE | Interest::ERROR;
    socket.async_io(either, || Ok(recv(socket.as_raw_fd(), buffer, flags)?)).await
}

/// Opens a socket and binds it, without waiting for anything. What fails here is this machine's fault.
pub(super) fn open(probe: &Probe, kind: Type, protocol: Protocol) -> Exchange<Socket> {
    let socket = Socket::new(Domain::for_address(probe.target), kind.nonblocking(), Some(protocol))
        .map_err(|error| Trouble::could_not_ask("open a socket", &error))?;
    bind(&socket, probe, protocol)?;
    Ok(socket)
}

fn bind(socket: &Socket, probe: &Probe, protocol: Protocol) -> Exchange<()> {
    let source = &probe.source;
    if probe.fwmark != 0 {
        socket.set_mark(probe.fwmark).map_err(|error| Trouble::could_not_ask("fwmark", &error))?;
    }
    if let Some(interface) = &source.interface {
        let name = interface.as_bytes();
        socket
            .bind_device(Some(name))
            .map_err(|error| Trouble::could_not_ask(&format!("bind_if {interface}"), &error))?;
    }
    if source.address.is_none() && source.port.is_none() {
        return Ok(());
    }
    // A port of one's own is used again and again, with the last connection perhaps still in TIME_WAIT.
    if source.port.is_some() && protocol == Protocol::TCP {
        socket.set_reuse_address(true).map_err(|error| Trouble::could_not_ask("SO_REUSEADDR", &error))?;
    }
    // With the port to be chosen at connect, one source address has all ports for each target.
    if source.port.is_none() && protocol == Protocol::TCP {
        let refused = |error| Trouble::could_not_ask("IP_BIND_ADDRESS_NO_PORT", &error);
        crate::probe::options::leave_the_port_open(socket).map_err(refused)?;
    }
    let any = if probe.target.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
    let mut local = SocketAddr::new(source.address.unwrap_or(any), source.port.unwrap_or(0));
    scope(&mut local, probe)?;
    socket
        .bind(&local.into())
        .map_err(|error| Trouble::could_not_ask(&format!("bind to {}", local.ip()), &error))
}

fn start_connecting(socket: &Socket, probe: &Probe) -> Exchange<()> {
    let target = target(probe)?;
    match socket.connect(&target.into()) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => {
            Err(Trouble::kernel(Stage::Connect, &error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The target, with the link as the scope of a link-local address.
pub(super) fn target(probe: &Probe) -> Exchange<SocketAddr> {
    let mut target = probe.target;
    scope(&mut target, probe)?;
    Ok(target)
}

fn scope(address: &mut SocketAddr, probe: &Probe) -> Exchange<()> {
    let (SocketAddr::V6(address), Some(interface)) = (address, &probe.source.interface) else {
        return Ok(());
    };
    if address.scope_id() != 0 || !address.ip().is_unicast_link_local() {
        return Ok(());
    }
    let index = nix::net::if_::if_nametoindex(interface.as_ref())
        .map_err(|errno| Trouble::could_not_ask(&format!("bind_if {interface}"), &io::Error::from(errno)))?;
    address.set_scope_id(index);
    Ok(())
}
