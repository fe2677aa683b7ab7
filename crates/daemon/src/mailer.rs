//! The process that sends mail: one letter at a time, for the supervisor, which keeps those that wait.
//!
//! A relay may be slow, away or hostile. Whoever speaks to it decides nothing, holds nothing and runs as nobody: it can be
//! killed at any time, and the letter it had in hand is given to the next one. It ends by itself when there is nothing to
//! do, and with the supervisor.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, Message, SmtpTransport, Transport};
use mainstay_config::model::{self, Mail, MailSecurity};
use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};
use serde::{Deserialize, Serialize};

use crate::frames::{FrameReader, FrameWriter, FromMailer, MAX_FRAME, ToMailer};

/// Waits before a relay that did not take a letter is tried again; after the last the letter is given up.
const AGAIN: [Duration; 4] =
    [Duration::from_secs(5), Duration::from_secs(20), Duration::from_secs(60), Duration::from_secs(180)];

/// Without work for so long the process ends; the next letter starts another.
const IDLE: Duration = Duration::from_secs(60);

/// `nobody` and `nogroup`, by number: the names need a file to be read.
const NOBODY: u32 = 65534;

/// One letter, to whoever the configuration names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// What it is about, in one line.
    pub subject: String,
    /// The rest.
    pub text: String,
}

/// Runs until there is nothing to do, or the supervisor is gone.
///
/// # Errors
/// When the stream breaks or is garbage.
pub fn run(stream: UnixStream) -> io::Result<()> {
    // The stream came from a loop that never waits; here waiting is all there is to do.
    stream.set_nonblocking(false)?;
    become_nobody();
    let mut desk = Desk { stream, reader: FrameReader::default() };
    while let Some(ToMailer::Deliver(mail, letter)) = desk.next_frame()? {
        if !deliver(&mail, &letter, &mut desk)? {
            break;
        }
        desk.answer(&FromMailer::Done)?;
    }
    Ok(())
}

/// Nothing of what root may do is needed to speak to a relay. Where it cannot be given up (a user namespace with one
/// user) there is not much to give.
fn become_nobody() {
    let result = setgroups(&[])
        .and_then(|()| setgid(Gid::from_raw(NOBODY)))
        .and_then(|()| setuid(Uid::from_raw(NOBODY)))
        .and_then(|()| nix::sys::prctl::set_no_new_privs());
    if let Err(error) = result {
        tracing::debug!("mail is sent as user {}: {error}", Uid::effective());
    }
}

/// Our end of the stream.
struct Desk {
    stream: UnixStream,
    reader: FrameReader,
}

impl Desk {
    /// The next frame; `None` when none comes any more, or none has come for long.
    fn next_frame(&mut self) -> io::Result<Option<ToMailer>> {
        loop {
            if let Some(frame) = self.reader.pop().map_err(io::Error::other)? {
                return Ok(Some(frame));
            }
            match self.listen(IDLE)? {
                Heard::Something => {}
                Heard::Nothing | Heard::End => return Ok(None),
            }
        }
    }

    /// Waits for so long, or until the supervisor says something or is gone.
    fn listen(&mut self, patience: Duration) -> io::Result<Heard> {
        self.stream.set_read_timeout(Some(patience))?;
        let mut chunk = [0; 16 << 10];
        match self.stream.read(&mut chunk) {
            Ok(0) => Ok(Heard::End),
            Ok(length) => {
                self.reader.push(&chunk[..length]);
                Ok(Heard::Something)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Heard::Nothing),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(Heard::Something),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(Heard::End),
            Err(error) => Err(error),
        }
    }

    fn answer(&mut self, frame: &FromMailer) -> io::Result<()> {
        let mut writer = FrameWriter::with_limit(MAX_FRAME);
        writer.push(frame).map_err(io::Error::other)?;
        writer.write_to(&mut self.stream)?;
        self.stream.flush()
    }
}

enum Heard {
    Something,
    Nothing,
    End,
}

/// Delivers a letter, or gives it up and says why; false when the supervisor is gone and nobody wants to know.
fn deliver(mail: &Mail, letter: &Letter, desk: &mut Desk) -> io::Result<bool> {
    let mut waits = AGAIN.iter();
    loop {
        let problem = match send(mail, letter) {
            Ok(()) => {
                tracing::info!("SMTP alert successfully sent: {}", letter.subject);
                return Ok(true);
            }
            Err(problem) => problem,
        };
        let wait = waits.next().filter(|_| problem.may_pass);
        let Some(wait) = wait else {
            tracing::error!(
                "mail \"{}\" by {}:{} is given up: {}",
                letter.subject,
                mail.server,
                mail.port,
                problem.words
            );
            return Ok(true);
        };
        tracing::warn!(
            "mail \"{}\" by {}:{} not sent, again in {} s: {}",
            letter.subject,
            mail.server,
            mail.port,
            wait.as_secs(),
            problem.words
        );
        if matches!(desk.listen(*wait)?, Heard::End) {
            return Ok(false);
        }
    }
}

/// Why a letter was not sent.
#[derive(Debug)]
struct Problem {
    words: String,
    /// It may be different the next time.
    may_pass: bool,
}

impl From<lettre::transport::smtp::Error> for Problem {
    fn from(error: lettre::transport::smtp::Error) -> Self {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        Self { words: format!("{error}{cause}"), may_pass: !error.is_permanent() }
    }
}

fn hopeless(error: impl std::fmt::Display) -> Problem {
    Problem { words: error.to_string(), may_pass: false }
}

/// One attempt.
fn send(mail: &Mail, letter: &Letter) -> Result<(), Problem> {
    let message = compose(mail, letter)?;
    let parameters = || TlsParameters::new(mail.server.clone()).map_err(Problem::from);
    let tls = match mail.security {
        MailSecurity::None => Tls::None,
        MailSecurity::StartTls => Tls::Required(parameters()?),
        MailSecurity::Tls => Tls::Wrapper(parameters()?),
    };
    let mut transport = SmtpTransport::builder_dangerous(&mail.server)
        .port(mail.port)
        .hello_name(ClientId::Domain(mail.helo.clone()))
        .timeout(Some(mail.timeout))
        .tls(tls);
    if let Some(login) = &mail.login {
        transport = transport.credentials(Credentials::new(login.user.clone(), login.password.clone()));
    }
    transport.build().send(&message)?;
    Ok(())
}

fn compose(mail: &Mail, letter: &Letter) -> Result<Message, Problem> {
    let mailbox = |mailbox: &model::Mailbox| {
        let domain = if mailbox.domain.is_empty() { &mail.host } else { &mailbox.domain };
        let address = Address::new(&mailbox.user, domain).map_err(hopeless)?;
        Ok::<_, Problem>(Mailbox::new(mailbox.name.clone(), address))
    };
    let mut message: MessageBuilder = Message::builder().from(mailbox(&mail.from)?).subject(&letter.subject);
    for to in &mail.to {
        message = message.to(mailbox(to)?);
    }
    // RFC 3834: no robot is to answer.
    message = message.header(AutoSubmitted).header(XMailer).header(ContentType::TEXT_PLAIN);
    message.date_now().message_id(None).body(letter.text.clone()).map_err(hopeless)
}

/// `Auto-Submitted: auto-generated`.
#[derive(Clone)]
struct AutoSubmitted;

/// `X-Mailer: Mainstay`.
#[derive(Clone)]
struct XMailer;

macro_rules! constant_header {
    ($header:ty, $name:literal, $value:literal) => {
        impl Header for $header {
            fn name() -> HeaderName {
                HeaderName::new_from_ascii_str($name)
            }

            fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
                Err("it is only written".into())
            }

            fn display(&self) -> HeaderValue {
                HeaderValue::new(Self::name(), $value.into())
            }
        }
    };
}
constant_header!(AutoSubmitted, "Auto-Submitted", "auto-generated");
constant_header!(XMailer, "X-Mailer", "Mainstay");

#[cfg(test)]
mod tests;
