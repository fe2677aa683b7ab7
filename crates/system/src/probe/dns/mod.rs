//! `DNS_CHECK`: one question over UDP. Any answer to it with code 0 is good, also one without records.
//!
//! DIFFERS: keepalived takes any packet with the right number. Here the answer must repeat the question too, if it
//! repeats one at all; what does not belong to us is not listened to, and the wait goes on.

pub mod message;

use mainstay_core::director::probe::DnsRecord;
use mainstay_core::director::{Excuse, Probe, Stage};
use nix::poll::PollFlags;

use self::message::{Answer, Question};
use super::patience::Patience;
use super::socket;
use super::trouble::{Exchange, Trouble};

/// Longest answer that is looked at: its head and question are at the beginning.
const LONGEST: usize = 1024;

/// Asks once. `id` is the number of the question: nobody should be able to guess it.
pub(super) async fn ask(
    probe: &Probe,
    record: DnsRecord,
    name: &str,
    id: u16,
    patience: &Patience<'_>,
) -> Exchange<()> {
    let question = Question { id, record: record.number(), name };
    let Some(packet) = question.emit() else {
        let words = format!("{name} is no domain name").into();
        return Err(Trouble::Excused(Excuse::CouldNotAsk { errno: None, words }));
    };
    let socket = socket::datagram(probe)?;
    match patience.wait(&socket, PollFlags::POLLOUT, socket.send(&packet)).await {
        Err(_) => return Err(patience.expired(Stage::Send)),
        Ok(Err(error)) => return Err(Trouble::kernel(Stage::Send, &error)),
        Ok(Ok(_)) => {}
    }
    let answer = async {
        let mut buffer = [0; LONGEST];
        loop {
            let length = socket::receive(&socket, &mut buffer).await?;
            if let Some(answer) = question.answered_by(&buffer[..length.min(buffer.len())]) {
                return Ok::<_, std::io::Error>(answer);
            }
        }
    };
    match patience.wait(&socket, PollFlags::POLLIN, answer).await {
        Err(_) => Err(patience.expired(Stage::Receive)),
        Ok(Err(error)) => Err(Trouble::kernel(Stage::Receive, &error)),
        Ok(Ok(Answer { code: 0 })) => Ok(()),
        Ok(Ok(Answer { code })) => Err(Trouble::answer(format!("DNS {}", message::code_in_words(code)))),
    }
}
