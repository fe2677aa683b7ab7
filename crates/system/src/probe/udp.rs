//! `UDP_CHECK`: send something, and see whether the host says that nobody is there.
//!
//! Without a wanted reply silence is good: only an ICMP error, which the kernel reports on the socket, says that the
//! server is bad. keepalived's rule.

use mainstay_core::director::probe::{MaskedByte, UdpQuestion, UdpReply};
use mainstay_core::director::{Probe, Stage};
use nix::poll::PollFlags;

use super::patience::Patience;
use super::random::Random;
use super::socket;
use super::trouble::{Exchange, Trouble};

/// How many random bytes are sent if the configuration gives none.
const RANDOM_BYTES: usize = 16;

/// Asks once.
pub(super) async fn ask(
    probe: &Probe,
    question: &UdpQuestion,
    random: &Random,
    patience: &Patience<'_>,
) -> Exchange<()> {
    let bytes: [u8; RANDOM_BYTES] = random.bytes();
    let payload = question.payload.as_deref().unwrap_or(&bytes);
    let socket = socket::datagram(probe)?;
    match patience.wait(&socket, PollFlags::POLLOUT, socket.send(payload)).await {
        Err(_) => return Err(patience.expired(Stage::Send)),
        Ok(Err(error)) => return Err(Trouble::kernel(Stage::Send, &error)),
        Ok(Ok(_)) => {}
    }
    // Of the reply only the length and what is compared are needed. Many checks only wait, so this is no place for 64 KiB.
    let compared = question.reply.as_ref().map_or(0, |reply| reply.pattern.len());
    let mut buffer = vec![0; compared];
    let answer = socket::receive(&socket, &mut buffer);
    match (patience.wait(&socket, PollFlags::POLLIN, answer).await, &question.reply) {
        (Ok(Ok(length)), Some(reply)) => judge(reply, length, &buffer),
        (Ok(Ok(_)), None) => Ok(()),
        (Ok(Err(error)), _) => Err(Trouble::kernel(Stage::Receive, &error)),
        (Err(_), Some(_)) => Err(patience.expired(Stage::Receive)),
        (Err(_), None) => Ok(()),
    }
}

/// Whether a reply of this length, which begins with these bytes, is the wanted one. keepalived compares as far as both
/// reach.
fn judge(reply: &UdpReply, length: usize, bytes: &[u8]) -> Exchange<()> {
    if reply.pattern.is_empty() {
        return Ok(());
    }
    if !(usize::from(reply.min_length)..=usize::from(reply.max_length)).contains(&length) {
        return Err(Trouble::answer(format!("a reply of {length} bytes")));
    }
    let differs = |(wanted, byte): (&MaskedByte, &u8)| (wanted.value ^ byte) & wanted.mask != 0;
    match reply.pattern.iter().zip(bytes).take(length).position(differs) {
        None => Ok(()),
        Some(at) => Err(Trouble::answer(format!("the reply differs at byte {at}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_compared_as_far_as_both_reach_and_only_where_bits_count() {
        let exact = |value| MaskedByte { value, mask: 0xFF };
        let pattern = vec![exact(0xAB), MaskedByte { value: 0x10, mask: 0xF0 }, exact(0x00)];
        let reply = UdpReply { pattern, min_length: 1, max_length: 4 };
        for (bytes, good) in [
            (&[0xAB, 0x1F, 0x00][..], true),
            (&[0xAB], true),
            (&[0xAB, 0x1F, 0x00, 0x99], true),
            (&[0xAB, 0x2F, 0x00], false),
            (&[], false),
            (&[0xAB, 0x1F, 0x00, 0x99, 0x99], false),
        ] {
            assert_eq!(judge(&reply, bytes.len(), bytes).is_ok(), good, "{bytes:?}");
        }
        assert!(judge(&UdpReply::default(), 1000, &[]).is_ok(), "anything of any length");
    }
}
