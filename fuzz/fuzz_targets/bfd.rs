//! Any bytes at all as BFD control packets, in turn with good ones and with time: nothing panics, what is accepted is
//! written back as it was read, and each packet is believed or counted.

#![no_main]

use std::num::NonZeroU8;

use libfuzzer_sys::fuzz_target;
use mainstay_core::address::LinkIndex;
use mainstay_core::bfd::packet::{self, LENGTH};
use mainstay_core::bfd::{Audience, Input, Intervals, SessionPlan, Sessions};
use mainstay_core::router::Packet;
use mainstay_core::time::{Duration, Instant};

fuzz_target!(|input: &[u8]| {
    let mut sessions = Sessions::new(Instant::ZERO, 1, vec![plan()], []);
    let (mut now, mut told) = (Instant::ZERO, 0);
    let mut actions = Vec::new();
    for piece in input.chunks(LENGTH + 3) {
        let [pause, ttl, form, bytes @ ..] = piece else { break };
        now = now + Duration::from_millis(u64::from(*pause));
        sessions.step(now, Input::Tick, &mut actions);
        let mut bytes = bytes.to_vec();
        if form % 2 == 1 && bytes.len() == LENGTH {
            // Its way past the first checks: our discriminator, and a header that may be true.
            let ours = sessions.report().sessions[0].discriminator;
            bytes[8..12].copy_from_slice(&ours.to_be_bytes());
            (bytes[0], bytes[3]) = (0x20 | bytes[0] & 0x1f, LENGTH as u8);
            bytes[1] &= !5;
        }
        if let Ok(packet) = packet::parse(&bytes) {
            assert_eq!(packet::parse(&packet::emit(&packet)), Ok(packet));
        }
        let packet = Packet {
            link: LinkIndex(1),
            source: [192, 0, 2, 2].into(),
            destination: [192, 0, 2, 1].into(),
            ttl: *ttl,
            envelope: Default::default(),
            payload: &bytes,
        };
        sessions.step(now, Input::PacketReceived { packet, multihop: form & 2 != 0 }, &mut actions);
        told += 1;
        let report = sessions.report();
        let rejected: u64 = report.rejected.iter().map(|(_, count)| count).sum();
        assert_eq!(rejected + report.sessions[0].counters.received, told);
    }
});

fn plan() -> SessionPlan {
    let interval = Duration::from_millis(10);
    SessionPlan {
        name: "fuzz".into(),
        neighbour: [192, 0, 2, 2].into(),
        source: None,
        multihop: false,
        intervals: Intervals { desired_min_tx: interval, required_min_rx: interval },
        idle_tx: Duration::from_secs(1),
        multiplier: NonZeroU8::MIN,
        passive: false,
        ttl: 255,
        least_ttl: 200,
        audience: Audience::default(),
    }
}
