//! Socket options that socket2 does not know.

use std::io;
use std::os::fd::AsRawFd;

use socket2::Socket;

use crate::error::check;

/// `IP_BIND_ADDRESS_NO_PORT`: binding to an address takes no port; connecting takes one that is free *towards that
/// target*. Without it 28,000 connections from one source address are all there are, to all servers together.
pub(super) fn leave_the_port_open(socket: &Socket) -> io::Result<()> {
    let yes: libc::c_int = 1;
    let size = size_of_val(&yes) as libc::socklen_t;
    // SAFETY: the option takes an int, `yes` lives until the call returns, and its size is given.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const yes).cast(),
            size,
        )
    })?;
    Ok(())
}
