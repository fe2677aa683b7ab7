//! `SMTP_CHECK`: 220, HELO, 250, QUIT (RFC 5321 sections 3.1 and 4.3.1).

use mainstay_core::director::{Probe, Stage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Prober;
use super::patience::{Patience, Patient};
use super::socket;
use super::trouble::{Exchange, Trouble};

/// Longest reply with all its lines. (RFC 5321 section 4.5.3.1.5: a line has at most 512 bytes.)
const LONGEST: usize = 16 * 1024;

/// Asks once.
pub(super) async fn ask(prober: &Prober, probe: &Probe, helo: &str, patience: &Patience<'_>) -> Exchange<()> {
    let mut dialogue = Dialogue {
        connection: Patient::new(socket::connect(probe, &prober.manners, patience).await?, patience),
        patience,
        unread: Vec::new(),
    };
    dialogue.expect(220, "greeting").await?;
    dialogue.say(&format!("HELO {helo}\r\n")).await?;
    dialogue.expect(250, "HELO").await?;
    // It serves. What it says to QUIT changes nothing, but it is heard, so that the server closes first.
    if dialogue.say("QUIT\r\n").await.is_ok() && dialogue.reply().await.is_ok() {
        let mut end = [0; 16];
        if dialogue.connection.read(&mut end).await.is_ok_and(|read| read == 0) {
            socket::close_politely(dialogue.connection.stream());
        }
    }
    Ok(())
}

struct Dialogue<'a> {
    connection: Patient,
    patience: &'a Patience<'a>,
    unread: Vec<u8>,
}

impl Dialogue<'_> {
    async fn say(&mut self, line: &str) -> Exchange<()> {
        let written = self.connection.write_all(line.as_bytes()).await;
        written.map_err(|error| self.patience.judge(Stage::Send, &error))
    }

    async fn expect(&mut self, code: u16, to: &str) -> Exchange<()> {
        let reply = self.reply().await?;
        if reply == code { Ok(()) } else { Err(Trouble::answer(format!("SMTP {reply} to {to}"))) }
    }

    /// The code of the next reply, all of its lines being read.
    async fn reply(&mut self) -> Exchange<u16> {
        loop {
            match parse(&self.unread)? {
                Some((code, used)) => {
                    self.unread.drain(..used);
                    return Ok(code);
                }
                None if self.unread.len() >= LONGEST => {
                    return Err(Trouble::answer("the SMTP reply is longer than 16 KiB"));
                }
                None => {}
            }
            self.unread.reserve(512);
            let left = (LONGEST - self.unread.len()) as u64;
            let mut limited = (&mut self.connection).take(left);
            match limited.read_buf(&mut self.unread).await {
                Ok(0) => return Err(Trouble::closed(Stage::Receive)),
                Ok(_) => {}
                Err(error) => return Err(self.patience.judge(Stage::Receive, &error)),
            }
        }
    }
}

/// A whole reply at the beginning: its code and how long it is. `250-first` goes on, `250 last` does not.
fn parse(bytes: &[u8]) -> Exchange<Option<(u16, usize)>> {
    let mut used = 0;
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        let &[a @ b'2'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9', ref rest @ ..] = line else {
            return if line.len() < 3 && !line.ends_with(b"\n") && line.iter().all(u8::is_ascii_digit) {
                Ok(None)
            } else {
                Err(Trouble::answer("the answer is not SMTP"))
            };
        };
        if !line.ends_with(b"\n") {
            return Ok(None);
        }
        used += line.len();
        if rest.first() != Some(&b'-') {
            let code = u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0');
            return Ok(Some((code, used)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<(u16, usize)> {
        parse(text.as_bytes()).expect("SMTP")
    }

    #[test]
    fn a_reply_ends_with_the_line_that_has_no_hyphen() {
        assert_eq!(parsed("220 mail.example ESMTP\r\n"), Some((220, 24)));
        assert_eq!(parsed("250-mail.example\r\n250-SIZE\r\n250 OK\r\n354"), Some((250, 36)));
        assert_eq!(parsed("250-mail.example\r\n250-SIZE\r\n"), None);
        assert_eq!(parsed("250\r\n"), Some((250, 5)));
        for cut in 0.."220 mail.example\r\n".len() {
            assert_eq!(parsed(&"220 mail.example\r\n"[..cut]), None);
        }
    }

    #[test]
    fn what_is_not_smtp_is_recognised_early() {
        for noise in ["HTTP/1.1 200 OK\r\n", "\r\n", "99", "250 OK\r\nnoise", "1"] {
            let reply = parse(noise.as_bytes());
            match noise {
                "99" | "1" => assert!(matches!(reply, Ok(None)), "may still become something"),
                "250 OK\r\nnoise" => {
                    assert!(matches!(reply, Ok(Some((250, 8)))), "what follows is for later")
                }
                _ => assert!(reply.is_err(), "{noise:?}"),
            }
        }
    }
}
