//! The service behind the virtual address: a web page that says which node it came from, and the check that asks
//! whether it is alive. Both run as processes of their own (`mainstay demo web lb1`), so that they can die.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread::{self, Builder, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// Where the page is served.
pub const PORT: u16 = 80;

/// More than this is not read of a request or an answer.
const LONGEST_MESSAGE: usize = 4096;

/// A visitor who says nothing for so long is left alone.
const LONGEST_REQUEST: Duration = Duration::from_secs(10);

/// How a request for a [`Download`] begins.
const DOWNLOAD: &str = "GET /download HTTP/1.1";

/// Dots of a download, and the time between two.
const DOTS: usize = 20;
const DOT: Duration = Duration::from_millis(100);

/// A download that pauses for longer is broken.
const DOWNLOAD_PATIENCE: Duration = Duration::from_secs(30);

/// Serves a page that says `name`, on every address of this namespace, until the process is ended.
///
/// # Errors
/// Fails if the port cannot be had.
pub fn serve(name: &str) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).context("listen on the web port")?;
    for stream in listener.incoming() {
        let name = name.to_owned();
        // One visitor who goes away is no reason to close the shop, and one who stays long keeps nobody waiting.
        let serving = stream.and_then(|stream| Builder::new().spawn(move || answer(stream, &name)));
        drop(serving);
    }
    Ok(())
}

fn answer(mut stream: TcpStream, name: &str) -> std::io::Result<()> {
    stream.set_read_timeout(Some(LONGEST_REQUEST))?;
    stream.set_nodelay(true)?;
    // Read to the end of the request: closing with something unread would reset the connection.
    let mut request = Vec::new();
    let mut piece = [0; 1024];
    while !request.ends_with(b"\r\n\r\n") && request.len() < LONGEST_MESSAGE {
        match stream.read(&mut piece)? {
            0 => break,
            length => request.extend_from_slice(&piece[..length]),
        }
    }
    if request.starts_with(DOWNLOAD.as_bytes()) {
        return trickle(&mut stream, name);
    }
    let length = name.len();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{name}");
    stream.write_all(answer.as_bytes())
}

/// A page in no hurry: the name, a colon, and a dot each tenth of a second.
fn trickle(stream: &mut TcpStream, name: &str) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{name}:")?;
    for _ in 0..DOTS {
        thread::sleep(DOT);
        stream.write_all(b".")?;
    }
    Ok(())
}

/// A download on its way.
#[derive(Debug)]
pub struct Download {
    /// The name of the node it comes from.
    pub from: String,
    rest: JoinHandle<usize>,
}

impl Download {
    /// Begins one.
    ///
    /// # Errors
    /// Fails if nothing answers.
    pub fn begin(address: SocketAddr) -> Result<Self> {
        let mut stream = TcpStream::connect_timeout(&address, DOWNLOAD_PATIENCE)?;
        stream.set_read_timeout(Some(DOWNLOAD_PATIENCE))?;
        write!(stream, "{DOWNLOAD}\r\n\r\n")?;
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        while stream.read_line(&mut line)? > 2 {
            line.clear();
        }
        let mut name = Vec::new();
        let _length = stream.read_until(b':', &mut name)?;
        ensure!(name.pop() == Some(b':'), "a download that says nothing");
        let from = String::from_utf8(name).context("the name of a node")?;
        // What came before a connection broke is counted.
        let rest = Builder::new().spawn(move || stream.bytes().map_while(std::io::Result::ok).count())?;
        Ok(Self { from, rest })
    }

    /// Whether nothing more is to come.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.rest.is_finished()
    }

    /// Waits for its end; whether all of it came.
    #[must_use]
    pub fn is_whole(self) -> bool {
        self.rest.join().is_ok_and(|dots| dots == DOTS)
    }
}

/// Asks for the page and returns what it says.
///
/// # Errors
/// Fails if there is no whole answer within `patience` for connecting, and again for reading.
pub fn fetch(address: SocketAddr, patience: Duration) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_nodelay(true)?;
    let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    let _read = stream.take(LONGEST_MESSAGE as u64).read_to_string(&mut answer)?;
    let (head, page) = answer.split_once("\r\n\r\n").context("an answer without an end of its head")?;
    ensure!(head.starts_with("HTTP/1.1 200 "), "an answer that is not 200");
    Ok(page.to_owned())
}

/// The check script of the demo: succeeds if the page of this node is there.
///
/// # Errors
/// Fails if it is not.
pub fn probe() -> Result<()> {
    fetch(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)), Duration::from_millis(500)).map(|_page| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_which_node_it_came_from() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let server = std::thread::spawn(move || {
            let (stream, _visitor) = listener.accept().expect("a visitor");
            answer(stream, "lb2").expect("an answer");
        });
        assert_eq!(fetch(address, Duration::from_secs(2)).expect("a page"), "lb2");
        server.join().expect("the server ends");
    }

    #[test]
    fn a_download_is_whole_only_if_all_of_it_came() {
        let whole = |ends_early: bool| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            let address = listener.local_addr().expect("a bound listener has an address");
            let server = thread::spawn(move || {
                let (mut stream, _visitor) = listener.accept().expect("a visitor");
                if ends_early {
                    let mut request = [0; 256];
                    let _read = stream.read(&mut request).expect("a request");
                    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nweb2:...").expect("written");
                } else {
                    answer(stream, "web2").expect("an answer");
                }
            });
            let download = Download::begin(address).expect("a download");
            assert_eq!(download.from, "web2");
            server.join().expect("the server ends");
            download.is_whole()
        };
        assert!(whole(false));
        assert!(!whole(true));
    }

    #[test]
    fn a_closed_port_is_an_error_at_once() {
        let address = {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            listener.local_addr().expect("a bound listener has an address")
        };
        assert!(fetch(address, Duration::from_secs(2)).is_err());
    }
}
