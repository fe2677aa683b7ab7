//! Heartbeats there and back, and what is refused: damage, other keys, impossible lengths.

use proptest::prelude::*;

use super::*;

fn key() -> Key {
    Key::new(b"between us")
}

fn entry() -> Entry {
    Entry {
        family: Family::V4,
        vrid: 51,
        version: Version::V3,
        state: State::Master,
        priority: 200,
        interval: Duration::from_secs(1),
        gated: true,
        addresses: AddressDigest(0x1122_3344_5566_7788),
        source: IpAddr::from([10, 0, 0, 1]),
        hearings: Vec::from([Hearing {
            source: IpAddr::from([10, 0, 0, 2]),
            path: 1,
            age: Duration::from_millis(40),
        }]),
    }
}

fn heartbeat(entries: Vec<Entry>) -> Heartbeat {
    Heartbeat { boot: BootId(0x0102_0304_0506_0708), leg: 3, sequence: 9, turn: 10, leaving: true, entries }
}

/// Signs bytes that were changed, as a peer of another version would.
fn signed(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() - TAG);
    let tag = key().tag(&bytes);
    bytes.extend(tag);
    bytes
}

#[test]
fn a_heartbeat_has_these_bytes() {
    let bytes = emit(&heartbeat(Vec::from([entry()])), &key());
    #[rustfmt::skip]
    let expected = [
        b'M', b'S', b'H', b'B', 1, 1, 1, 0,
        1, 2, 3, 4, 5, 6, 7, 8,  0, 0, 0, 0, 0, 0, 0, 9,  0, 0, 0, 0, 0, 0, 0, 10,  0, 0, 0, 3,
        0x43, 51, 2, 200, 0, 100, 1, 1,  0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88,  10, 0, 0, 1,
        10, 0, 0, 2, 1, 0, 0, 4,
    ];
    assert_eq!(bytes[..bytes.len() - TAG], expected);
    assert_eq!(expected.len(), HEADER + Entry::length(Family::V4, 1));
    assert_eq!(parse(&bytes, &key()), Ok(heartbeat(Vec::from([entry()]))));
}

#[test]
fn a_changed_byte_anywhere_is_found() {
    let bytes = emit(&heartbeat(Vec::from([entry()])), &key());
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        let rejection = match place {
            0..4 => HeartbeatRejection::Foreign,
            4 => HeartbeatRejection::Version,
            _ => HeartbeatRejection::Tag,
        };
        assert_eq!(parse(&changed, &key()), Err(rejection), "byte {place}");
    }
}

#[test]
fn another_key_and_a_heartbeat_cut_anywhere_are_rejected() {
    let bytes = emit(&heartbeat(Vec::from([entry()])), &key());
    assert_eq!(parse(&bytes, &Key::default()), Err(HeartbeatRejection::Tag));
    for length in 0..bytes.len() {
        assert!(parse(&bytes[..length], &key()).is_err(), "{length} bytes");
    }
}

#[test]
fn signed_nonsense_is_malformed() {
    let bytes = emit(&heartbeat(Vec::from([entry()])), &key());
    for (place, value) in
        [(6, 2), (6, 0), (36, 0x53), (36, 0x44), (37, 0), (38, 4), (41, 0), (42, 2), (42, 0)]
    {
        let mut changed = bytes.clone();
        changed[place] = value;
        let rejection = parse(&signed(changed), &key());
        assert_eq!(rejection, Err(HeartbeatRejection::Malformed), "byte {place} is {value}");
    }
}

#[test]
fn bits_of_a_later_version_of_us_are_ignored() {
    let mut bytes = emit(&heartbeat(Vec::from([entry()])), &key());
    for (place, value) in [(5, 0xff), (7, 9), (43, 0xff), (61, 7)] {
        bytes[place] = value;
    }
    assert_eq!(parse(&signed(bytes), &key()), Ok(heartbeat(Vec::from([entry()]))));
}

#[test]
fn the_room_is_what_a_datagram_has_for_entries() {
    let size = Entry::length(Family::V4, 1);
    let bytes = emit(&heartbeat(alloc::vec![entry(); ROOM / size]), &key());
    assert!(bytes.len() <= LONGEST && bytes.len() + size > LONGEST);
}

fn any_address(family: Family) -> BoxedStrategy<IpAddr> {
    match family {
        Family::V4 => any::<[u8; 4]>().prop_map(IpAddr::from).boxed(),
        Family::V6 => any::<[u8; 16]>().prop_map(IpAddr::from).boxed(),
    }
}

fn any_entry() -> impl Strategy<Value = Entry> {
    const STATES: &[State] = &[State::Init, State::Backup, State::Master, State::Fault];
    prop_oneof![Just(Family::V4), Just(Family::V6)].prop_flat_map(move |family| {
        let hearing = (any_address(family), any::<u8>(), any::<u16>())
            .prop_map(|(source, path, age)| Hearing { source, path, age: from_centiseconds(age) });
        (
            (1..=255u8, prop_oneof![Just(Version::V2), Just(Version::V3)], prop::sample::select(STATES)),
            (any::<u8>(), 1..=u16::MAX, any::<bool>(), any::<u64>()),
            any_address(family),
            prop::collection::vec(hearing, 0..=MOST_HEARINGS),
        )
            .prop_map(
                move |((vrid, version, state), (priority, interval, gated, digest), source, hearings)| {
                    Entry {
                        family,
                        vrid,
                        version,
                        state,
                        priority,
                        interval: from_centiseconds(interval),
                        gated,
                        addresses: AddressDigest(digest),
                        source,
                        hearings,
                    }
                },
            )
    })
}

proptest! {
    #[test]
    fn what_is_emitted_is_parsed_back(
        entries in prop::collection::vec(any_entry(), 0..20),
        (boot, leg, sequence, turn, leaving) in any::<(u64, u32, u64, u64, bool)>(),
    ) {
        let heartbeat = Heartbeat { boot: BootId(boot), leg, sequence, turn, leaving, entries };
        let bytes = emit(&heartbeat, &key());
        let length: usize = heartbeat.entries.iter()
            .map(|entry| Entry::length(entry.family, entry.hearings.len()))
            .sum();
        prop_assert_eq!(bytes.len(), HEADER + length + TAG);
        prop_assert_eq!(parse(&bytes, &key()), Ok(heartbeat));
    }

    #[test]
    fn any_bytes_at_all_are_read_without_harm(mut bytes in prop::collection::vec(any::<u8>(), 0..200), sign: bool) {
        if sign && bytes.len() >= HEADER + TAG {
            bytes[..5].copy_from_slice(b"MSHB\x01");
            bytes = signed(bytes);
        }
        if let Ok(heartbeat) = parse(&bytes, &key()) {
            prop_assert!(heartbeat.entries.iter().all(|entry| entry.vrid != 0 && !entry.interval.is_zero()));
        }
    }
}
