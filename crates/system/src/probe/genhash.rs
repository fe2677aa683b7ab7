//! `genhash`: what the `digest` of a `url` has to be. Options and output are those of keepalived's tool of that name, so
//! that scripts around it go on.
//!
//! The digest is that of the body as it came, as keepalived makes it: the sizes of chunks are part of it. (Checks accept
//! that digest as well as that of the content alone.)
//!
//! DIFFERS: a page that ends where its `Content-Length` says is done then; keepalived's tool waits for the server to
//! close, and fails. What cannot be fetched is an error; keepalived's tool exits with 0 then too.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::SocketAddr;

use mainstay_core::director::plan::TlsMaterial;
use mainstay_core::director::probe::{HttpRequest, HttpVersion, Source, Tls};
use mainstay_core::director::{Probe, ProbeKind};
use mainstay_core::time::Duration;
use md5::{Digest, Md5};
use tokio::time::Instant;

use super::Prober;
use super::http::head::Head;
use super::http::{self, Listener};
use super::patience::Patience;
use super::trouble::{Exchange, Trouble};

/// What to fetch.
#[derive(Debug, Clone)]
pub struct Page {
    /// `--server`, `--port`.
    pub server: SocketAddr,
    /// `--url`: the path.
    pub path: String,
    /// `--use-virtualhost`.
    pub host: Option<String>,
    /// `--use-ssl`.
    pub tls: bool,
    /// `--use-sni`: with the virtual host as the name.
    pub sni: bool,
    /// `--protocol`.
    pub version: HttpVersion,
    /// `--fwmark`; 0 is none.
    pub fwmark: u32,
    /// `--timeout`.
    pub timeout: Duration,
    /// `--verbose`: show the head and the body too.
    pub verbose: bool,
}

/// Fetches a page, and writes its digest.
///
/// # Errors
/// In words: the page could not be fetched, or nothing could be written.
///
/// # Panics
/// Outside of a tokio runtime.
pub async fn write(page: &Page, out: &mut impl Write) -> Result<(), String> {
    let tls = page.tls.then(|| Tls {
        server_name: page.host.as_deref().filter(|_| page.sni).map(Into::into),
        ..Tls::default()
    });
    let request = HttpRequest {
        tls,
        version: page.version,
        path: page.path.clone(),
        host: page.host.clone(),
        status: vec![100..=999],
        digest: None,
        regex: None,
    };
    let probe = Probe {
        target: page.server,
        source: Source::default(),
        fwmark: page.fwmark,
        timeout: page.timeout,
        kind: ProbeKind::Tcp,
    };
    let begun = Instant::now();
    let prober = Prober::start(&TlsMaterial::default());
    let patience = Patience::new(&prober.pulse, page.timeout);
    let mut reader = Reader { digest: Md5::new(), shown: page.verbose.then(String::new) };
    http::fetch(&prober, &probe, &request, &mut reader, &patience).await.map_err(
        |trouble| match trouble {
            Trouble::Failed(failure) => failure.to_string(),
            Trouble::Excused(excuse) => excuse.to_string(),
        },
    )?;
    let text = reader.finish(&page.path, begun.elapsed());
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error: io::Error| error.to_string())
}

struct Reader {
    digest: Md5,
    /// What is shown with `--verbose`.
    shown: Option<String>,
}

impl Reader {
    fn finish(self, path: &str, took: Duration) -> String {
        let digest: [u8; 16] = self.digest.finalize().into();
        let line = http::hexadecimal(&digest);
        let Some(mut text) = self.shown else { return format!("{line}\n") };
        title(&mut text, "    HTML hash resulting    ");
        dump(&mut text, &digest);
        title(&mut text, " HTML hash final resulting ");
        let _ = writeln!(text, "{line}\n\nGlobal response time for [{path}] = {} usecs", took.as_micros());
        text
    }
}

impl Listener for Reader {
    fn head(&mut self, _: Head, bytes: &[u8]) -> Exchange<()> {
        if let Some(text) = &mut self.shown {
            title(text, "    HTTP Header Buffer    ");
            dump(text, bytes);
            title(text, " HTTP Header Ascii Buffer ");
            let _ = writeln!(text, "{}", String::from_utf8_lossy(bytes));
            title(text, "        HTML Buffer        ");
        }
        Ok(())
    }

    fn content(&mut self, _: &[u8]) {}

    fn body(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
        if let Some(text) = &mut self.shown {
            dump(text, bytes);
        }
    }
}

fn title(text: &mut String, words: &str) {
    let _ = writeln!(text, "-----------------------[{words}]-----------------------");
}

/// Lines of sixteen bytes: their place, their digits, their letters.
fn dump(text: &mut String, bytes: &[u8]) {
    for (number, line) in bytes.chunks(16).enumerate() {
        let _ = write!(text, "{:04}  ", number * 16);
        for place in 0..16 {
            let _ = match line.get(place) {
                Some(byte) => write!(text, "{byte:02x} "),
                None => write!(text, "   "),
            };
            if place == 7 {
                text.push_str("- ");
            }
        }
        let letters = |&byte: &u8| if byte == b' ' || byte.is_ascii_graphic() { byte as char } else { '.' };
        let _ = writeln!(text, "  {:<16}", line.iter().map(letters).collect::<String>());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_has_sixteen_bytes_a_line() {
        let mut text = String::new();
        dump(&mut text, b"hello health, how\n");
        assert_eq!(
            text,
            "0000  68 65 6c 6c 6f 20 68 65 - 61 6c 74 68 2c 20 68 6f   hello health, ho\n\
             0016  77 0a                   -                           w.              \n"
        );
    }
}
