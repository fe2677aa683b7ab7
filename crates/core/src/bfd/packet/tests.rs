//! Bytes and their packets, and every rule that discards a packet by itself.

use alloc::string::ToString as _;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;

/// What keepalived 2.2.7 sent in an Up session, with its poll bit set; seen by tcpdump.
const KEEPALIVED_UP: [u8; LENGTH] = [
    0x20, 0xe0, 5, 24, 0x53, 0x1f, 0xc0, 0x30, 0x2c, 0x2a, 0xaf, 0xd6, 0, 0, 0x27, 0x10, 0, 0, 0x27, 0x10, 0,
    0, 0, 0,
];

fn with(change: impl FnOnce(&mut [u8; LENGTH])) -> Result<ControlPacket, BfdRejection> {
    let mut bytes = KEEPALIVED_UP;
    change(&mut bytes);
    parse(&bytes)
}

#[test]
fn a_packet_of_keepalived_reads_as_tshark_reads_it() {
    let packet = parse(&KEEPALIVED_UP).expect("a good packet");
    let expected = ControlPacket {
        state: State::Up,
        diagnostic: Diagnostic::None,
        poll: true,
        is_final: false,
        control_plane_independent: false,
        demand: false,
        multiplier: NonZeroU8::new(5).expect("not zero"),
        my_discriminator: NonZeroU32::new(0x531f_c030).expect("not zero"),
        your_discriminator: NonZeroU32::new(0x2c2a_afd6),
        desired_min_tx: Duration::from_millis(10),
        required_min_rx: Duration::from_millis(10),
        required_min_echo_rx: Duration::ZERO,
    };
    assert_eq!(packet, expected);
    assert_eq!(emit(&packet), KEEPALIVED_UP);
}

/// Case B13: each rule of RFC 5880 section 6.8.6 that discards a packet without looking at a session.
#[test]
fn each_rule_of_the_rfc_discards_with_its_own_reason() {
    type Damage = fn(&mut [u8; LENGTH]);
    let cases: [(&str, Damage, BfdRejection); 11] = [
        ("version 0", |bytes| bytes[0] = 0x00, BfdRejection::Version),
        ("version 2", |bytes| bytes[0] = 0x40, BfdRejection::Version),
        ("length 23", |bytes| bytes[3] = 23, BfdRejection::Length),
        (
            "length 25 with authentication",
            |bytes| bytes[1..4].copy_from_slice(&[0xc4, 5, 25]),
            BfdRejection::Length,
        ),
        ("more than there is", |bytes| bytes[3] = 25, BfdRejection::Truncated),
        ("multiplier 0", |bytes| bytes[2] = 0, BfdRejection::Multiplier),
        ("multipoint", |bytes| bytes[1] |= 0x01, BfdRejection::Multipoint),
        ("no discriminator", |bytes| bytes[4..8].fill(0), BfdRejection::MyDiscriminator),
        ("Up without ours", |bytes| bytes[8..12].fill(0), BfdRejection::State),
        ("authenticated, too short", |bytes| bytes[1] |= 0x04, BfdRejection::Length),
        (
            "authenticated, cut off",
            |bytes| bytes[1..4].copy_from_slice(&[0xc4, 5, 26]),
            BfdRejection::Truncated,
        ),
    ];
    for (name, change, expected) in cases {
        assert_eq!(with(change), Err(expected), "{name}");
    }
    for state in [State::Init, State::Up] {
        let nobodys = with(|bytes| {
            bytes[1] = state.number() << 6;
            bytes[8..12].fill(0);
        });
        assert_eq!(nobodys, Err(BfdRejection::State), "{state}");
    }
}

#[test]
fn a_packet_that_begins_a_session_names_no_discriminator_of_ours() {
    for state in [State::Down, State::AdminDown] {
        let first = with(|bytes| {
            bytes[1] = state.number() << 6;
            bytes[8..12].fill(0);
        });
        assert_eq!(first.map(|packet| (packet.state, packet.your_discriminator)), Ok((state, None)));
    }
}

#[test]
fn what_stands_behind_the_packet_does_not_count_and_a_whole_authentication_is_refused() {
    let mut bytes: Vec<u8> = KEEPALIVED_UP.to_vec();
    bytes.extend([0xff; 40]);
    assert_eq!(parse(&bytes), parse(&KEEPALIVED_UP));
    bytes[1] |= 0x04;
    bytes[3] = 28;
    assert_eq!(parse(&bytes), Err(BfdRejection::Authenticated));
}

#[test]
fn numbers_of_states_and_diagnostics_lead_back_to_them() {
    for state in State::ALL {
        assert_eq!(State::of_number(state.number()), state);
    }
    for number in 0..32 {
        assert_eq!(Diagnostic::of_number(number).number(), number);
    }
    assert_eq!(Diagnostic::Reserved(9).to_string(), "Reserved 9");
}

prop_compose! {
    fn packets()(
        (state, diagnostic, flags) in (0u8..4, 0u8..32, 0u8..16),
        multiplier in 1u8..,
        my_discriminator in 1u32..,
        your_discriminator in 1u32..,
        intervals in any::<[u32; 3]>(),
    ) -> ControlPacket {
        let state = State::of_number(state);
        let begins = matches!(state, State::Down | State::AdminDown) && your_discriminator % 2 == 0;
        let [desired_min_tx, required_min_rx, required_min_echo_rx] =
            intervals.map(|micros| Duration::from_micros(micros.into()));
        ControlPacket {
            state,
            diagnostic: Diagnostic::of_number(diagnostic),
            poll: flags & 1 != 0,
            is_final: flags & 2 != 0,
            control_plane_independent: flags & 4 != 0,
            demand: flags & 8 != 0,
            multiplier: NonZeroU8::new(multiplier).expect("from 1"),
            my_discriminator: NonZeroU32::new(my_discriminator).expect("from 1"),
            your_discriminator: if begins { None } else { NonZeroU32::new(your_discriminator) },
            desired_min_tx,
            required_min_rx,
            required_min_echo_rx,
        }
    }
}

proptest! {
    #[test]
    fn what_is_emitted_reads_as_it_was(packet in packets()) {
        prop_assert_eq!(parse(&emit(&packet)), Ok(packet));
    }

    #[test]
    fn what_was_believed_is_what_was_there(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(packet) = parse(&bytes) {
            let mut expected = bytes[..LENGTH].to_vec();
            expected[3] = LENGTH as u8;
            prop_assert_eq!(emit(&packet).to_vec(), expected);
        }
    }

    #[test]
    fn a_good_packet_with_any_byte_changed_never_panics(at in 0..LENGTH, value: u8, length in 0..=LENGTH) {
        let mut bytes = KEEPALIVED_UP;
        bytes[at] = value;
        let outcome = parse(&bytes[..length]);
        prop_assert!(length == LENGTH || outcome == Err(BfdRejection::Truncated));
    }
}
