//! Any bytes at all as a heartbeat, as they come and signed with our key: nothing panics, and what is accepted is
//! written back as it was read.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mainstay_core::heartbeat::{Key, packet};

fuzz_target!(|input: &[u8]| {
    let key = Key::new(b"fuzz");
    check(input, &key);
    // A peer that has the key may still be broken.
    let mut signed = b"MSHB\x01".to_vec();
    signed.extend(input);
    let tag = key.tag(&signed);
    signed.extend(tag);
    check(&signed, &key);
});

fn check(datagram: &[u8], key: &Key) {
    let Ok(heartbeat) = packet::parse(datagram, key) else { return };
    assert!(heartbeat.entries.iter().all(|entry| entry.vrid != 0 && !entry.interval.is_zero()));
    let few = heartbeat.entries.iter().all(|entry| entry.hearings.len() <= packet::MOST_HEARINGS);
    if few {
        assert_eq!(packet::parse(&packet::emit(&heartbeat, key), key), Ok(heartbeat));
    }
}
