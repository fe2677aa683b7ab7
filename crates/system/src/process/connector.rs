//! The kernel's process connector: who starts, changes its name and ends, told as it happens.
//!
//! It works for root in the machine's first process and network namespace. Elsewhere the kernel refuses, or says
//! nothing at all: nobody may rely on it before [`Connector::receive`] has given its first batch.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_CONNECTOR};

// linux/connector.h and linux/cn_proc.h; native byte order.
const CN_IDX_PROC: u32 = 1;
const CN_VAL_PROC: u32 = 1;
const PROC_CN_MCAST_LISTEN: u32 = 1;
const EVENT_FORK: u32 = 0x0000_0001;
const EVENT_EXEC: u32 = 0x0000_0002;
const EVENT_COMM: u32 = 0x0000_0200;
const EVENT_EXIT: u32 = 0x8000_0000;
/// nlmsghdr, cn_msg.
const HEADERS: usize = 16 + 20;
/// What, CPU and time stamp of a proc_event, before its data.
const EVENT_HEADER: usize = 16;
const NLMSG_DONE: u16 = 3;

/// A process event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessEvent {
    /// Look at this process: it is new, runs another program, or has another name.
    Changed(i32),
    /// It ended.
    Ended(i32),
}

/// A subscription.
#[derive(Debug)]
pub struct Connector {
    socket: Socket,
}

impl Connector {
    /// Subscribes.
    ///
    /// # Errors
    /// When the kernel refuses: no permission, another network namespace, not compiled in.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_CONNECTOR)?;
        socket.bind(&SocketAddr::new(0, CN_IDX_PROC))?;
        socket.set_non_blocking(true)?;
        socket.send_to(&subscription(), &SocketAddr::new(0, 0), 0)?;
        Ok(Self { socket })
    }

    /// The events that have arrived, without waiting; `None` if nothing has. A batch may be empty: the kernel's
    /// confirmation is one.
    ///
    /// # Errors
    /// `ENOBUFS` when events were lost: look at everything again.
    pub fn receive(&self) -> io::Result<Option<Vec<ProcessEvent>>> {
        let mut buffer = Vec::with_capacity(8192);
        match self.socket.recv_from(&mut buffer, 0) {
            // Only the kernel (port 0) is believed.
            Ok((_, from)) if from.port_number() == 0 => Ok(Some(parse(&buffer))),
            Ok(_) => Ok(Some(Vec::new())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for Connector {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn subscription() -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADERS + 4);
    let length = u32::try_from(HEADERS + 4).unwrap_or_default();
    message.extend(length.to_ne_bytes());
    message.extend(NLMSG_DONE.to_ne_bytes());
    message.extend([0; 10]);
    message.extend(CN_IDX_PROC.to_ne_bytes());
    message.extend(CN_VAL_PROC.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(4u16.to_ne_bytes());
    message.extend([0; 2]);
    message.extend(PROC_CN_MCAST_LISTEN.to_ne_bytes());
    message
}

/// Events of one datagram; what is too short or unknown is passed over.
fn parse(datagram: &[u8]) -> Vec<ProcessEvent> {
    let mut events = Vec::new();
    let mut rest = datagram;
    while let Some(length) = number(rest, 0).map(|length| length as usize) {
        let Some(message) = rest.get(..length).filter(|_| length >= 16) else { break };
        events.extend(message.get(HEADERS..).and_then(parse_event));
        // Messages start at multiples of four.
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    events
}

fn parse_event(event: &[u8]) -> Option<ProcessEvent> {
    let data = |at: usize| number(event, EVENT_HEADER + at).and_then(|id| i32::try_from(id).ok());
    let (pid, group, made) = match number(event, 0)? {
        EVENT_FORK => (data(8)?, data(12)?, ProcessEvent::Changed as fn(i32) -> ProcessEvent),
        EVENT_EXEC | EVENT_COMM => (data(0)?, data(4)?, ProcessEvent::Changed as fn(i32) -> ProcessEvent),
        EVENT_EXIT => (data(0)?, data(4)?, ProcessEvent::Ended as fn(i32) -> ProcessEvent),
        _ => return None,
    };
    // Threads are of no interest.
    (pid == group).then(|| made(pid))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn datagram(what: u32, data: &[u32]) -> Vec<u8> {
        let mut event = what.to_ne_bytes().to_vec();
        event.extend([0; 12]);
        event.extend(data.iter().flat_map(|word| word.to_ne_bytes()));
        let length = u32::try_from(HEADERS + event.len()).expect("short");
        let mut message = length.to_ne_bytes().to_vec();
        message.extend([0; HEADERS - 4]);
        message.extend(event);
        message
    }

    #[test]
    fn events_of_processes_are_read_and_those_of_threads_are_not() {
        let cases = [
            (datagram(EVENT_FORK, &[1, 1, 50, 50]), vec![ProcessEvent::Changed(50)]),
            (datagram(EVENT_FORK, &[1, 1, 51, 50]), vec![]),
            (datagram(EVENT_EXEC, &[50, 50]), vec![ProcessEvent::Changed(50)]),
            (datagram(EVENT_COMM, &[50, 50, 0, 0, 0, 0]), vec![ProcessEvent::Changed(50)]),
            (datagram(EVENT_EXIT, &[50, 50, 0, 0]), vec![ProcessEvent::Ended(50)]),
            (datagram(EVENT_EXIT, &[51, 50, 0, 0]), vec![]),
            (datagram(0, &[0]), vec![]),
        ];
        for (bytes, expected) in cases {
            assert_eq!(parse(&bytes), expected);
        }
    }

    proptest! {
        #[test]
        fn no_datagram_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            parse(&bytes);
        }
    }

    #[test]
    fn a_child_of_ours_is_seen_where_the_kernel_lets_us() {
        // Refused, or silent, in a container: then there is nothing to see, and that is what callers must expect.
        let Ok(connector) = Connector::open() else { return };
        std::thread::sleep(std::time::Duration::from_millis(50));
        if !matches!(connector.receive(), Ok(Some(_))) {
            return;
        }
        let mut child = std::process::Command::new("/bin/true").spawn().expect("starts");
        let pid = i32::try_from(child.id()).expect("small");
        child.wait().expect("ours");
        std::thread::sleep(std::time::Duration::from_millis(50));
        let mut events = Vec::new();
        while let Ok(Some(batch)) = connector.receive() {
            events.extend(batch);
        }
        assert!(events.contains(&ProcessEvent::Changed(pid)) && events.contains(&ProcessEvent::Ended(pid)));
    }
}
