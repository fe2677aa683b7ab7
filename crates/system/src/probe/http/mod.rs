//! `HTTP_GET` and `SSL_GET`: one GET, and whether its answer is the wanted one.
//!
//! The reader is our own and small: a check needs the status and the end of the body. It is bounded in every direction:
//! 64 KiB of head, 32 MiB of body that is looked at and not kept, the timeouts of `patience`.
//!
//! DIFFERS: three things are read better than keepalived reads them. A server is bad for it only if it breaks the framing
//! of its own answer (chunks that do not add up, contradicting lengths), which keepalived does not look at.
//! - A body with a length, or in chunks, ends where it says. keepalived waits until the server closes.
//! - A chunked body is put together before the regex sees it. The digest may be that of the content or, as keepalived's
//!   `genhash` has it, that of the chunks with their sizes.
//! - Answers before the answer (100, 103) are skipped.
//!
//! What keepalived accepts although it is not quite right stays accepted: a connection closed before the promised
//! length has come, a TLS session without its close_notify.

pub mod body;
pub mod head;

use mainstay_core::director::probe::{HttpRequest, HttpVersion};
use mainstay_core::director::{Excuse, Probe, Stage};
use md5::{Digest, Md5};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use self::body::Body;
use self::head::{Framing, Head, Nonsense};
use super::Prober;
use super::patience::{Patience, Patient};
use super::pattern::Search;
use super::socket;
use super::tls::Inside;
use super::trouble::{Exchange, Trouble};

/// Longest body that is looked at.
const LONGEST_BODY: u64 = 32 * 1024 * 1024;
/// What is read at once.
const PIECE: usize = 16 * 1024;
/// How many answers may come before the answer.
const MOST_INTERIM: u32 = 8;

/// Asks once.
pub(super) async fn ask(
    prober: &Prober,
    probe: &Probe,
    request: &HttpRequest,
    patience: &Patience<'_>,
) -> Exchange<()> {
    let search = match request.regex.as_ref().map(Search::new).transpose() {
        Ok(search) => search,
        Err(words) => return Err(Trouble::Excused(Excuse::CouldNotAsk { errno: None, words })),
    };
    let mut wanted = Wanted { request, search, digests: Digests::default() };
    fetch(prober, probe, request, &mut wanted, patience).await?;
    wanted.judge()
}

/// Somebody who hears an answer as it comes.
pub(super) trait Listener {
    /// The head, as read and as it stood.
    fn head(&mut self, head: Head, bytes: &[u8]) -> Exchange<()>;
    /// A piece of the content.
    fn content(&mut self, bytes: &[u8]);
    /// A piece of the body as it came, with the sizes of chunks.
    fn body(&mut self, bytes: &[u8]);
}

/// One GET from connecting to closing.
pub(super) async fn fetch(
    prober: &Prober,
    probe: &Probe,
    request: &HttpRequest,
    listener: &mut impl Listener,
    patience: &Patience<'_>,
) -> Exchange<()> {
    let mut connection = Patient::new(socket::connect(probe, &prober.manners, patience).await?, patience);
    let Some(tls) = &request.tls else {
        let end = get(&mut connection, emit(request, probe), listener, patience).await?;
        if end == End::Closed {
            socket::close_politely(connection.stream());
        }
        return Ok(());
    };
    let host = request.host.as_deref();
    let mut session = prober.tls.handshake(connection, probe, tls, host, Inside::Http, patience).await?;
    let end = get(&mut session, emit(request, probe), listener, patience).await?;
    if tls.close_notify {
        // Its answer is complete; whether it hears our farewell is not part of it.
        let _ = session.shutdown().await;
    }
    if tls.close_notify || end == End::Closed {
        socket::close_politely(session.get_ref().0.stream());
    }
    Ok(())
}

/// Who ended the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The answer was complete.
    Complete,
    /// The server closed the connection.
    Closed,
}

async fn get(
    connection: &mut (impl AsyncRead + AsyncWrite + Unpin),
    request: Vec<u8>,
    listener: &mut impl Listener,
    patience: &Patience<'_>,
) -> Exchange<End> {
    connection.write_all(&request).await.map_err(|error| patience.judge(Stage::Send, &error))?;
    connection.flush().await.map_err(|error| patience.judge(Stage::Send, &error))?;

    let mut buffer = request;
    buffer.clear();
    let (head, used) = read_head(connection, &mut buffer, patience).await?;
    listener.head(head, &buffer[..used])?;
    let mut body = Body::new(head.framing);
    hear(&mut body, &buffer[used..], listener)?;
    read_body(connection, buffer, &mut body, listener, patience).await
}

/// Reads a head that is no interim answer. Gives it with its length in the buffer.
async fn read_head(
    connection: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    patience: &Patience<'_>,
) -> Exchange<(Head, usize)> {
    let (mut scanned, mut interim) = (0, 0);
    loop {
        if let Some(used) = head::end(buffer, scanned) {
            let head =
                Head::parse(&buffer[..used]).map_err(|nonsense| Trouble::answer(nonsense.to_string()))?;
            if head.status >= 200 || head.status == 101 {
                return Ok((head, used));
            }
            interim += 1;
            if interim > MOST_INTERIM {
                return Err(Trouble::answer("interim answers without end"));
            }
            buffer.drain(..used);
            scanned = 0;
            continue;
        }
        scanned = buffer.len();
        if scanned >= head::LONGEST {
            return Err(Trouble::answer(Nonsense::TooLong.to_string()));
        }
        buffer.reserve(4096.min(head::LONGEST - scanned));
        let mut limited = (&mut *connection).take((head::LONGEST - scanned) as u64);
        match limited.read_buf(buffer).await {
            Ok(0) if scanned == 0 => {
                return Err(Trouble::failed(
                    Stage::Receive,
                    "the server closed the connection without an answer",
                ));
            }
            Ok(0) => return Err(Trouble::closed(Stage::Receive)),
            Ok(_) => {
                head::check_beginning(buffer).map_err(|nonsense| Trouble::answer(nonsense.to_string()))?;
            }
            Err(error) => return Err(patience.judge(Stage::Receive, &error)),
        }
    }
}

async fn read_body(
    connection: &mut (impl AsyncRead + Unpin),
    mut buffer: Vec<u8>,
    body: &mut Body,
    listener: &mut impl Listener,
    patience: &Patience<'_>,
) -> Exchange<End> {
    let mut length = 0;
    while !body.is_done() {
        buffer.clear();
        // A long page is read in big pieces; most pages are short and came with the head.
        buffer.reserve(if length == 0 { 4096 } else { PIECE });
        match connection.read_buf(&mut buffer).await {
            Ok(0) => return Ok(End::Closed),
            Ok(read) => length += read as u64,
            // rustls: the connection ended without close_notify. Many servers end it so.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(End::Closed),
            Err(error) => return Err(patience.judge(Stage::Receive, &error)),
        }
        if length > LONGEST_BODY {
            return Err(Trouble::answer("the body is longer than 32 MiB"));
        }
        hear(body, &buffer, listener)?;
    }
    Ok(End::Complete)
}

fn hear(body: &mut Body, bytes: &[u8], listener: &mut impl Listener) -> Exchange<()> {
    let used = body.take(bytes, |content| listener.content(content));
    let used = used.map_err(|broken| Trouble::answer(broken.to_string()))?;
    listener.body(&bytes[..used]);
    Ok(())
}

/// The request as keepalived writes it. The name it calls itself stands in allow lists and log filters of servers.
fn emit(request: &HttpRequest, probe: &Probe) -> Vec<u8> {
    let (version, connection) = match request.version {
        HttpVersion::V10 => ("1.0", ""),
        HttpVersion::V10Close => ("1.0", "Connection: close\r\n"),
        HttpVersion::V11 => ("1.1", "Connection: close\r\n"),
    };
    let path = &request.path;
    let host = match &request.host {
        Some(host) => host.clone(),
        None => probe.target.to_string(),
    };
    format!("GET {path} HTTP/{version}\r\nUser-Agent: KeepAliveClient\r\n{connection}Host: {host}\r\n\r\n")
        .into_bytes()
}

/// What an answer must be, and what was seen of it.
struct Wanted<'a> {
    request: &'a HttpRequest,
    search: Option<Search<'a>>,
    digests: Digests,
}

/// Digests of the content, and of the content in its chunks.
#[derive(Default)]
struct Digests {
    content: Option<Md5>,
    chunks: Option<Md5>,
}

impl Listener for Wanted<'_> {
    fn head(&mut self, head: Head, _: &[u8]) -> Exchange<()> {
        if !self.request.status.iter().any(|range| range.contains(&head.status)) {
            return Err(Trouble::answer(format!("status {}", head.status)));
        }
        if self.request.digest.is_some() {
            self.digests.content = Some(Md5::new());
            self.digests.chunks = (head.framing == Framing::Chunked).then(Md5::new);
        }
        Ok(())
    }

    fn content(&mut self, bytes: &[u8]) {
        if let Some(digest) = &mut self.digests.content {
            digest.update(bytes);
        }
        if let Some(search) = &mut self.search {
            search.take(bytes);
        }
    }

    fn body(&mut self, bytes: &[u8]) {
        if let Some(digest) = &mut self.digests.chunks {
            digest.update(bytes);
        }
    }
}

impl Wanted<'_> {
    /// Whether the whole was good.
    fn judge(self) -> Exchange<()> {
        if let Some(wanted) = self.request.digest {
            let content: Option<[u8; 16]> = self.digests.content.map(|digest| digest.finalize().into());
            let chunks: Option<[u8; 16]> = self.digests.chunks.map(|digest| digest.finalize().into());
            if content != Some(wanted) && chunks != Some(wanted) {
                return Err(Trouble::answer(format!("digest {}", hexadecimal(&content.unwrap_or_default()))));
            }
        }
        self.search.map_or(Ok(()), Search::finish).map_err(Trouble::answer)
    }
}

/// `5d41402abc4b2a76b9719d911017c592`.
pub(super) fn hexadecimal(digest: &[u8]) -> String {
    use std::fmt::Write;
    digest.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
