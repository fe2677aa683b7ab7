//! The stream to the SNMP agent: whole messages in and out, both bounded in size and time.

use std::io::{self, ErrorKind};
use std::time::Duration;

use mainstay_agentx::pdu::{self, HEADER, Pdu};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

/// Where agents listen for sub-agents when nothing else is said (net-snmp's).
pub const USUAL: &str = "/var/agentx/master";

/// The port AgentX has (RFC 2741 section 8.1.1).
const PORT: u16 = 705;

/// How long connecting and writing may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where an agent listens, in net-snmp's words.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Address {
    Unix(String),
    Tcp(String),
}

impl Address {
    /// `/path`, `unix:/path`, `tcp:host`, `tcp:host:port`, `tcp6:[address]:port`.
    fn parse(text: &str) -> Option<Self> {
        if text.starts_with('/') {
            return Some(Self::Unix(text.into()));
        }
        match text.split_once(':')? {
            ("unix" | "local", path) if !path.is_empty() => Some(Self::Unix(path.into())),
            ("tcp", host) if !host.is_empty() => Some(Self::Tcp(with_port(host, host.contains(':')))),
            ("tcp6", host) if !host.is_empty() => Some(Self::Tcp(with_port(host, host.contains("]:")))),
            _ => None,
        }
    }
}

fn with_port(host: &str, has_port: bool) -> String {
    if has_port { host.into() } else { format!("{host}:{PORT}") }
}

/// Something that can be read and written.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// An open stream.
pub struct Connection {
    stream: Box<dyn Stream>,
    /// What was read and is no whole message yet.
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens there, or it cannot be understood where that is.
    pub async fn open(address: &str) -> io::Result<Self> {
        let Some(parsed) = Address::parse(address) else {
            return Err(io::Error::new(
                ErrorKind::InvalidInput,
                "it is no path, and neither unix:/path nor tcp:host:port",
            ));
        };
        let stream: Box<dyn Stream> = match parsed {
            Address::Unix(path) => Box::new(in_time(UnixStream::connect(path)).await?),
            Address::Tcp(host) => Box::new(in_time(TcpStream::connect(host)).await?),
        };
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// The other end of a stream, for tests.
    #[cfg(test)]
    pub fn of_test(stream: UnixStream) -> Self {
        Self { stream: Box::new(stream), buffer: Vec::new() }
    }

    /// The next message. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the stream ends, or what comes is no message.
    pub async fn next(&mut self) -> io::Result<Pdu> {
        loop {
            if let Some(pdu) = self.take()? {
                return Ok(pdu);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// The first message of the buffer, if it is whole.
    fn take(&mut self) -> io::Result<Option<Pdu>> {
        let Some(header) = self.buffer.first_chunk::<HEADER>() else { return Ok(None) };
        let length = pdu::total_length(header).map_err(garbage)?;
        if self.buffer.len() < length {
            return Ok(None);
        }
        let pdu = pdu::parse(&self.buffer[..length]).map_err(garbage)?;
        self.buffer.drain(..length);
        Ok(Some(pdu))
    }

    /// Writes one or several messages.
    ///
    /// # Errors
    /// When they are not taken in time.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        in_time(self.stream.write_all(bytes)).await
    }
}

fn garbage(error: pdu::ParseError) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}

async fn in_time<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_found_by_path_or_by_protocol() {
        let unix = |path: &str| Some(Address::Unix(path.into()));
        let tcp = |host: &str| Some(Address::Tcp(host.into()));
        assert_eq!(Address::parse(USUAL), unix(USUAL));
        assert_eq!(Address::parse("unix:/run/agentx"), unix("/run/agentx"));
        assert_eq!(Address::parse("tcp:127.0.0.1"), tcp("127.0.0.1:705"));
        assert_eq!(Address::parse("tcp:localhost:7050"), tcp("localhost:7050"));
        assert_eq!(Address::parse("tcp6:[::1]"), tcp("[::1]:705"));
        assert_eq!(Address::parse("tcp6:[::1]:7050"), tcp("[::1]:7050"));
        for wrong in ["", "udp:127.0.0.1:705", "unix:", "agentx"] {
            assert_eq!(Address::parse(wrong), None, "{wrong}");
        }
    }
}
