//! A netlink socket.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_ROUTE;
use nix::sys::socket::{setsockopt, sockopt};

use crate::error::{Error, Result};

/// Bytes of one datagram the kernel may send. It builds dumps for the size of the reader's buffer, up to 32 KiB; an
/// event of a link with many virtual functions may be longer.
pub const DATAGRAM: usize = 64 << 10;

/// Opens and binds a socket of a protocol (`NETLINK_*`) with a receive buffer of that many bytes.
pub fn open(protocol: isize, receive_buffer: usize) -> io::Result<Socket> {
    let mut socket = Socket::new(protocol)?;
    socket.bind_auto()?;
    // More than the system's maximum needs CAP_NET_ADMIN. Without it the kernel gives what it may: fewer events fit,
    // and a loss is noticed and healed all the same.
    let fd = borrow(&socket);
    if setsockopt(&fd, sockopt::RcvBufForce, &receive_buffer).is_err() {
        setsockopt(&fd, sockopt::RcvBuf, &receive_buffer)?;
    }
    Ok(socket)
}

/// The same for links, addresses and routes.
pub fn open_route(receive_buffer: usize) -> Result<Socket> {
    open(NETLINK_ROUTE, receive_buffer)
        .map_err(Error::of("open a netlink socket for", "links, addresses and routes"))
}

/// The socket's descriptor for calls that want a borrowed one.
pub fn borrow(socket: &Socket) -> BorrowedFd<'_> {
    // SAFETY: the descriptor is owned by `socket`, which outlives the borrow and never gives the number -1.
    unsafe { BorrowedFd::borrow_raw(socket.as_raw_fd()) }
}
