//! Vectors: computed by a script of ours (Python's hmac) from the description in reference/keepalived.md section 3.

use super::*;
use crate::address::Family;
use crate::vrrp::packet::{Message, ParseContext, append_signature, parse};
use alloc::vec;
use proptest::prelude::*;

/// Messages of reference/ha.md section 5.3, signed with key 7 (bytes 1 to 32) at [`STAMP`]: version 3, version 2, and
/// version 3 over IPv6, whose checksum covers the signature.
const V3: &str = "310ac8010064a103c0000201010700006a00000080000003a75bc1339a24ca4655d0fce15f65a9ae";
const V2: &str =
    "210ac801000154f1c00002010000000000000000010700006a000000800000036c485adc205d2a379076c14eef5260b7";
const V6: &str = "310a64020064e2affe80000000000000000000000000000120010db8000000000000000000000001010700006a000000800000030f1ffe9f883d40048d65bc8aa9fea796";

const STAMP: Stamp = Stamp(0x6a00_0000_8000_0003);

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().map(|digit| (digit as char).to_digit(16).expect("hex") as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn key(id: u8, secret: Vec<u8>) -> NumberedKey {
    NumberedKey { id: NonZeroU8::new(id).expect("an id"), secret: secret.into() }
}

fn plan() -> SignaturePlan {
    SignaturePlan {
        keys: vec![key(3, vec![9; 64]), key(7, (1..=32).collect())],
        active: NonZeroU8::new(7).expect("an id"),
        window: Duration::from_secs(5),
        anti_replay: AntiReplay::Time,
        mode: Mode::Enforce,
    }
}

fn monotonic() -> SignaturePlan {
    SignaturePlan { anti_replay: AntiReplay::Monotonic, ..plan() }
}

fn seconds(stamp: Stamp, later: i64) -> Stamp {
    Stamp(stamp.0.wrapping_add((later << 32).cast_unsigned()))
}

/// What the vectors came with.
fn context(version: Version, family: Family) -> ParseContext {
    let (source, destination) = match family {
        Family::V4 => ("192.0.2.251", "224.0.0.18"),
        Family::V6 => ("fe80::c8", "ff02::12"),
    };
    ParseContext {
        version,
        family,
        source: source.parse().expect("an address"),
        destination: destination.parse().expect("an address"),
        verify: true,
        strict: true,
        may_be_signed: true,
    }
}

const VECTORS: [(&str, Version, Family); 3] =
    [(V3, Version::V3, Family::V4), (V2, Version::V2, Family::V4), (V6, Version::V3, Family::V6)];

fn signed<'a>(message: &Message<'a>, context: ParseContext) -> Signed<'a> {
    let Message { version, vrid, unsigned, .. } = *message;
    Signed { version, vrid, source: context.source, message: unsigned }
}

#[test]
fn signed_vectors_are_believed_and_ours_are_the_same() {
    for (vector, version, family) in VECTORS {
        let (payload, context) = (bytes(vector), context(version, family));
        let message = parse(&payload, context).expect("a message");
        let signature = message.signature.expect("a signature");
        let signed = signed(&message, context);
        assert_eq!(plan().verify(signed, signature, STAMP), Ok(STAMP));
        assert_eq!(plan().sign(signed, STAMP), *signature);
        let ends = (context.source, context.destination);
        assert_eq!(append_signature(message.unsigned, signature, ends), payload);
    }
}

#[test]
fn who_expects_no_signature_finds_a_wrong_length() {
    for (vector, version, family) in VECTORS {
        let context = ParseContext { may_be_signed: false, ..context(version, family) };
        assert_eq!(parse(&bytes(vector), context), Err(Rejection::Length));
    }
}

#[test]
fn a_message_may_be_without_a_signature_and_a_cut_one_is_none() {
    let (payload, context) = (bytes(V3), context(Version::V3, Family::V4));
    assert_eq!(parse(&payload[..12], context).map(|message| message.signature), Ok(None));
    for length in 13..payload.len() {
        // Of 26 bytes: what Ethernet pads a short packet to. It is a message without a signature.
        let without = parse(&payload[..length], context).map(|message| message.signature);
        assert!(without == Err(Rejection::Length) || without == Ok(None), "{length}");
    }
    let longer = [payload.as_slice(), &[0]].concat();
    assert_eq!(parse(&longer, context), Err(Rejection::Length));
}

#[test]
fn every_bit_but_the_checksum_is_covered() {
    let (payload, context) = (bytes(V3), context(Version::V3, Family::V4));
    let message = parse(&payload, context).expect("a message");
    let (signed, signature) = (signed(&message, context), message.signature.expect("a signature"));
    for bit in 0..8 * signed.message.len() {
        let mut other = signed.message.to_vec();
        other[bit / 8] ^= 1 << (bit % 8);
        let result = plan().verify(Signed { message: &other, ..signed }, signature, STAMP);
        let expected = if CHECKSUM.contains(&(bit / 8)) { Ok(STAMP) } else { Err(Rejection::SignatureWrong) };
        assert_eq!(result, expected, "bit {bit}");
    }
    for bit in 0..8 * LENGTH {
        let mut other = *signature;
        other[bit / 8] ^= 1 << (bit % 8);
        assert!(plan().verify(signed, &other, STAMP).is_err(), "bit {bit} of the signature");
    }
    for other in [
        Signed { vrid: 11, ..signed },
        Signed { version: Version::V2, ..signed },
        Signed { source: "192.0.2.250".parse().expect("an address"), ..signed },
        Signed { source: "c000:2fb::".parse().expect("the same bytes"), ..signed },
    ] {
        assert_eq!(plan().verify(other, signature, STAMP), Err(Rejection::SignatureWrong));
    }
}

#[test]
fn each_fault_of_a_signature_has_its_name() {
    let (payload, context) = (bytes(V3), context(Version::V3, Family::V4));
    let message = parse(&payload, context).expect("a message");
    let signed = signed(&message, context);
    let with = |place: usize, value: u8| {
        let mut signature = *message.signature.expect("a signature");
        signature[place] = value;
        plan().verify(signed, &signature, STAMP)
    };
    assert_eq!(with(0, 2), Err(Rejection::SignatureMalformed));
    assert_eq!(with(2, 1), Err(Rejection::SignatureMalformed));
    assert_eq!(with(3, 1), Err(Rejection::SignatureMalformed));
    assert_eq!(with(1, 8), Err(Rejection::SignatureKeyUnknown));
    assert_eq!(with(1, 3), Err(Rejection::SignatureWrong), "the key of another number");
    assert_eq!(with(27, 0), Err(Rejection::SignatureWrong));
}

#[test]
fn in_time_mode_a_stamp_outside_of_the_window_is_stale_on_either_side() {
    let (payload, context) = (bytes(V3), context(Version::V3, Family::V4));
    let message = parse(&payload, context).expect("a message");
    let signature = message.signature.expect("a signature");
    let at =
        |plan: SignaturePlan, later| plan.verify(signed(&message, context), signature, seconds(STAMP, later));
    for later in [-5, 0, 5] {
        assert_eq!(at(plan(), later), Ok(STAMP), "{later} s");
    }
    for later in [-6, 6, 1_000_000] {
        assert_eq!(at(plan(), later), Err(Rejection::SignatureStale), "{later} s");
        assert_eq!(at(monotonic(), later), Ok(STAMP), "{later} s");
    }
}

#[test]
fn a_stamp_is_seconds_a_fraction_and_a_counter() {
    assert_eq!(Stamp::of(Duration::new(0x6a00_0000, 500_000_000)), Stamp(0x6a00_0000_8000_0000));
    assert_eq!(Stamp::of(Duration::new(1, 999_999_999)), Stamp(0x1_ffff_0000));
    assert!(STAMP.is_after(Stamp(STAMP.0 - 1)) && !STAMP.is_after(STAMP));
    assert!(Stamp(5).is_after(Stamp(u64::MAX)), "the seconds wrap around in 2106");
    assert_eq!(Stamp(5 << 32).distance(Stamp(u64::MAX)), Duration::from_secs(6));
}

#[test]
fn stamps_follow_the_clock_and_never_repeat() {
    let mut marks = Marks::default();
    let plan = plan();
    assert_eq!(marks.advance(&plan, STAMP), STAMP);
    assert_eq!(marks.advance(&plan, STAMP), Stamp(STAMP.0 + 1), "the same moment");
    assert_eq!(marks.advance(&plan, seconds(STAMP, -3)), Stamp(STAMP.0 + 2), "set back a little");
    assert_eq!(marks.advance(&plan, seconds(STAMP, 1)), seconds(STAMP, 1));
    assert_eq!(marks.advance(&plan, seconds(STAMP, -9)), seconds(STAMP, -9), "set back beyond the window");
    let mut marks = Marks::default();
    assert_eq!(marks.advance(&monotonic(), STAMP), STAMP);
    assert_eq!(marks.advance(&monotonic(), seconds(STAMP, -9)), Stamp(STAMP.0 + 1), "never back");
}

#[test]
fn what_a_sender_said_once_is_old() {
    let (peer, other): (IpAddr, IpAddr) = ([192, 0, 2, 251].into(), [192, 0, 2, 250].into());
    for plan in [plan(), monotonic()] {
        let mut marks = Marks::default();
        assert!(!marks.is_old(&plan, peer, STAMP, STAMP));
        marks.accept(peer, STAMP);
        assert!(marks.is_old(&plan, peer, STAMP, STAMP));
        assert!(marks.is_old(&plan, peer, Stamp(STAMP.0 - 1), STAMP));
        assert!(!marks.is_old(&plan, peer, Stamp(STAMP.0 + 1), STAMP));
        assert!(!marks.is_old(&plan, other, STAMP, STAMP), "each sender has its own");
    }
}

#[test]
fn a_sender_whose_clock_was_set_back_is_believed_when_its_last_stamp_is_outside_of_the_window() {
    let peer: IpAddr = [192, 0, 2, 251].into();
    let mut marks = Marks::default();
    marks.accept(peer, STAMP);
    let (old, clock) = (seconds(STAMP, -60), seconds(STAMP, -60));
    assert!(!marks.is_old(&plan(), peer, old, clock));
    assert!(marks.is_old(&monotonic(), peer, old, clock));
}

#[test]
fn sixteen_senders_are_remembered_and_the_one_heard_longest_ago_is_forgotten() {
    let mut marks = Marks::default();
    let sender = |number: u8| IpAddr::from([192, 0, 2, number]);
    (1..=16).for_each(|number| marks.accept(sender(number), STAMP));
    marks.accept(sender(1), STAMP);
    marks.accept(sender(17), STAMP);
    let forgotten: Vec<u8> =
        (1..=17).filter(|number| !marks.is_old(&plan(), sender(*number), STAMP, STAMP)).collect();
    assert_eq!(forgotten, [2]);
}

#[test]
fn keys_are_not_printed() {
    let shown =
        alloc::format!("{:?}", SignaturePlan { keys: vec![key(1, b"a very secret key".to_vec())], ..plan() });
    assert!(shown.contains("****") && !shown.contains("97, 32, 118"), "{shown}");
}

proptest! {
    #[test]
    fn no_bytes_are_believed(signature: [u8; 28], text in proptest::collection::vec(any::<u8>(), 0..60), clock: u64) {
        let signed = Signed { version: Version::V3, vrid: 1, source: [192, 0, 2, 1].into(), message: &text };
        prop_assert!(monotonic().verify(signed, &signature, Stamp(clock)).is_err());
    }

    #[test]
    fn whatever_is_signed_is_believed(vrid: u8, source: [u8; 16], text in proptest::collection::vec(any::<u8>(), 8..60), stamp: u64) {
        let signed = Signed { version: Version::V3, vrid, source: source.into(), message: &text };
        let signature = plan().sign(signed, Stamp(stamp));
        prop_assert_eq!(plan().verify(signed, &signature, Stamp(stamp)), Ok(Stamp(stamp)));
    }
}
