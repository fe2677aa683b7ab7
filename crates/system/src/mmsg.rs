//! Many datagrams in one system call: `sendmmsg` and `recvmmsg`.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

/// Datagrams handed to the kernel in one call.
const CHUNK: usize = 64;

/// One datagram to be sent: where to, its bytes in up to two parts, and control messages.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    pub name: &'a [u8],
    pub parts: [&'a [u8]; 2],
    pub control: &'a [u8],
}

/// Sends everything, in order. What the kernel refuses is told to `refused` by its place in `messages` and the errno;
/// the others are sent all the same.
pub fn send(
    fd: BorrowedFd<'_>,
    flags: libc::c_int,
    messages: &[Outgoing<'_>],
    mut refused: impl FnMut(usize, i32),
) {
    for (number, chunk) in messages.chunks(CHUNK).enumerate() {
        let mut done = 0;
        while done < chunk.len() {
            match send_chunk(fd, flags, &chunk[done..]) {
                Ok(sent) => done += sent,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // The call fails only for the first message it is given.
                    refused(number * CHUNK + done, error.raw_os_error().unwrap_or(libc::EIO));
                    done += 1;
                }
            }
        }
    }
}

fn send_chunk(fd: BorrowedFd<'_>, flags: libc::c_int, messages: &[Outgoing<'_>]) -> io::Result<usize> {
    let mut vectors = [[EMPTY_VECTOR; 2]; CHUNK];
    let mut headers = [EMPTY_HEADER; CHUNK];
    for ((message, vector), header) in messages.iter().zip(&mut vectors).zip(&mut headers) {
        for (part, slot) in message.parts.iter().zip(vector.iter_mut()) {
            *slot = libc::iovec { iov_base: part.as_ptr().cast_mut().cast(), iov_len: part.len() };
        }
        let header = &mut header.msg_hdr;
        header.msg_name = message.name.as_ptr().cast_mut().cast();
        header.msg_namelen = u32::try_from(message.name.len()).unwrap_or(0);
        header.msg_iov = vector.as_mut_ptr();
        header.msg_iovlen = vector.len() as _;
        if !message.control.is_empty() {
            header.msg_control = message.control.as_ptr().cast_mut().cast();
            header.msg_controllen = message.control.len() as _;
        }
    }
    let count = u32::try_from(messages.len().min(CHUNK)).unwrap_or(0);
    // SAFETY: the first `count` headers point to names, vectors and control bytes that live until the call returns
    // (borrowed from `messages`, or local arrays that are not moved), with their true lengths. The kernel only reads
    // through them; the casts to `*mut` are what the C structure asks for.
    let sent = unsafe { libc::sendmmsg(fd.as_raw_fd(), headers.as_mut_ptr(), count, flags) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Room for one burst of received datagrams, allocated once.
pub struct Incoming {
    slots: Box<[Slot]>,
    filled: usize,
}

/// Room for the data of one datagram: the largest VRRP message (IPv6, 255 addresses) and an IPv4 header with options.
const DATA: usize = 4224;

/// Datagrams received in one call.
const BURST: usize = 32;

struct Slot {
    data: [u8; DATA],
    name: [u8; 28],
    control: [u8; 128],
    data_length: usize,
    name_length: usize,
    control_length: usize,
}

/// One received datagram.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    pub data: &'a [u8],
    pub name: &'a [u8],
    pub control: &'a [u8],
}

impl Incoming {
    pub fn new() -> Self {
        let empty = || Slot {
            data: [0; DATA],
            name: [0; 28],
            control: [0; 128],
            data_length: 0,
            name_length: 0,
            control_length: 0,
        };
        Self { slots: (0..BURST).map(|_| empty()).collect(), filled: 0 }
    }

    /// Receives what is there, at most one burst, without waiting. Returns how many; zero if nothing was there.
    ///
    /// # Errors
    /// When the socket has an error to tell.
    pub fn receive(&mut self, fd: BorrowedFd<'_>) -> io::Result<usize> {
        self.filled = 0;
        let mut vectors = [EMPTY_VECTOR; BURST];
        let mut headers = [EMPTY_HEADER; BURST];
        for ((slot, vector), header) in self.slots.iter_mut().zip(&mut vectors).zip(&mut headers) {
            *vector = libc::iovec { iov_base: slot.data.as_mut_ptr().cast(), iov_len: DATA };
            let header = &mut header.msg_hdr;
            header.msg_name = slot.name.as_mut_ptr().cast();
            header.msg_namelen = 28;
            header.msg_iov = vector;
            header.msg_iovlen = 1;
            header.msg_control = slot.control.as_mut_ptr().cast();
            header.msg_controllen = slot.control.len() as _;
        }
        // SAFETY: each of the BURST headers points to buffers of one slot and one vector, all distinct, alive and not
        // otherwise borrowed until the call returns, with their true lengths. No timeout is passed.
        let count = unsafe {
            libc::recvmmsg(
                fd.as_raw_fd(),
                headers.as_mut_ptr(),
                BURST as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                ptr::null_mut(),
            )
        };
        let Ok(count) = usize::try_from(count) else {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(0),
                _ => Err(error),
            };
        };
        for (slot, header) in self.slots.iter_mut().zip(&headers).take(count) {
            slot.data_length = (header.msg_len as usize).min(DATA);
            slot.name_length = (header.msg_hdr.msg_namelen as usize).min(slot.name.len());
            // `size_t` in glibc, 32 bits in musl.
            let control_length: usize = header.msg_hdr.msg_controllen as _;
            slot.control_length = control_length.min(slot.control.len());
        }
        self.filled = count;
        Ok(count)
    }

    /// What the last call received.
    pub fn datagrams(&self) -> impl Iterator<Item = Received<'_>> {
        self.slots[..self.filled].iter().map(|slot| Received {
            data: &slot.data[..slot.data_length],
            name: &slot.name[..slot.name_length],
            control: &slot.control[..slot.control_length],
        })
    }

    /// Whether the last call may have left something behind.
    pub fn is_full(&self) -> bool {
        self.filled == BURST
    }
}

const EMPTY_VECTOR: libc::iovec = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };

const EMPTY_HEADER: libc::mmsghdr = {
    // SAFETY: `mmsghdr` is a C structure of integers and pointers; all zero is its empty value. (It has private
    // padding on musl, so that it cannot be written field by field.)
    unsafe { std::mem::zeroed() }
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::SocketName;
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    /// The name of a UDP socket: [`SocketName::ip`] with its port written in.
    fn name_of(socket: &UdpSocket) -> Vec<u8> {
        let address = socket.local_addr().expect("bound");
        let mut name = SocketName::ip(address.ip(), 0).as_bytes().to_vec();
        name[2..4].copy_from_slice(&address.port().to_be_bytes());
        name
    }

    #[test]
    fn two_hundred_datagrams_arrive_whole_and_in_order() {
        let receiver = UdpSocket::bind("127.0.0.1:0").expect("bound");
        let sender = UdpSocket::bind("127.0.0.1:0").expect("bound");
        let name = name_of(&receiver);
        let numbers: Vec<[u8; 1]> = (0..200).map(|number| [number]).collect();
        let messages: Vec<_> = numbers
            .iter()
            .map(|number| Outgoing { name: &name, parts: [b"advert ", number], control: &[] })
            .collect();
        send(sender.as_fd(), 0, &messages, |place, errno| panic!("message {place}: errno {errno}"));
        let (mut incoming, mut seen) = (Incoming::new(), Vec::new());
        while incoming.receive(receiver.as_fd()).expect("receives") > 0 {
            seen.extend(incoming.datagrams().map(|datagram| {
                assert_eq!(datagram.data.len(), 8);
                assert_eq!(
                    SocketName::parse_ip(datagram.name),
                    Some("127.0.0.1".parse().expect("an address"))
                );
                datagram.data[7]
            }));
        }
        assert_eq!(seen, (0..200).collect::<Vec<u8>>());
        assert!(!incoming.is_full());
    }

    #[test]
    fn a_refused_datagram_does_not_hold_up_the_next() {
        let receiver = UdpSocket::bind("127.0.0.1:0").expect("bound");
        let sender = UdpSocket::bind("127.0.0.1:0").expect("bound");
        let good = name_of(&receiver);
        let too_long = vec![0; 70_000];
        let messages: Vec<_> = (0..70)
            .map(|number| Outgoing {
                name: &good,
                parts: [if number % 10 == 5 { &too_long } else { b"fits" }, &[]],
                control: &[],
            })
            .collect();
        let mut refusals = Vec::new();
        send(sender.as_fd(), 0, &messages, |place, errno| refusals.push((place, errno)));
        assert_eq!(refusals, [5, 15, 25, 35, 45, 55, 65].map(|place| (place, libc::EMSGSIZE)));
        let (mut incoming, mut count) = (Incoming::new(), 0);
        while incoming.receive(receiver.as_fd()).expect("receives") > 0 {
            count += incoming.datagrams().count();
        }
        assert_eq!(count, 63);
    }
}
