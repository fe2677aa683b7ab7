//! `keepalived_bfd.data`: the sessions, with keepalived's keys; counters and what was discarded are ours.

use std::fmt::{self, Write as _};

use mainstay_core::bfd::{BfdReport, Diagnostic, RemoteReport, SessionPlan, SessionReport, State};
use mainstay_core::time::{Duration, Instant};

/// The file.
pub fn sessions(plans: &[SessionPlan], report: &BfdReport, now: Instant) -> String {
    let mut text = String::from("------< BFD Topology >------\n");
    let mut line = |line: fmt::Arguments<'_>| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{line}");
    };
    for plan in plans {
        line(format_args!(" BFD Instance = {}", plan.name));
        configured(&mut line, plan);
        if let Some(session) = report.sessions.iter().find(|session| *session.name == *plan.name) {
            standing(&mut line, session, now);
        }
    }
    if !report.rejected.is_empty() {
        line(format_args!("------< BFD packets discarded >------"));
    }
    for (rejection, count) in &report.rejected {
        line(format_args!(" {rejection} = {count}"));
    }
    text
}

fn configured(line: &mut impl FnMut(fmt::Arguments<'_>), plan: &SessionPlan) {
    let yes_or_no = |yes: bool| if yes { "Yes" } else { "No" };
    line(format_args!("   Neighbor IP = {}", plan.neighbour));
    if let Some(source) = plan.source {
        line(format_args!("   Source IP = {source}"));
    }
    line(format_args!("   Required min RX interval = {}", micros(plan.intervals.required_min_rx)));
    line(format_args!("   Desired min TX interval = {}", micros(plan.intervals.desired_min_tx)));
    line(format_args!("   Desired idle TX interval = {}", micros(plan.idle_tx)));
    line(format_args!("   Detection multiplier = {}", plan.multiplier));
    line(format_args!("   {} = {}", if plan.neighbour.is_ipv4() { "TTL" } else { "hoplimit" }, plan.ttl));
    line(format_args!("   Lowest TTL accepted = {}", plan.least_ttl));
    line(format_args!("   multihop = {}", plan.multihop));
    line(format_args!("   passive = {}", plan.passive));
    line(format_args!("   send event to VRRP process = {}", yes_or_no(plan.audience.vrrp)));
    line(format_args!("   send event to checker process = {}", yes_or_no(plan.audience.checkers)));
}

fn standing(line: &mut impl FnMut(fmt::Arguments<'_>), session: &SessionReport, now: Instant) {
    let remote = session.neighbour_says;
    let interval = |of: fn(&RemoteReport) -> Duration| micros(remote.as_ref().map_or(Duration::ZERO, of));
    line(format_args!("   local state = {}", session.state));
    line(format_args!("   remote state = {}", remote.map_or(State::Down, |remote| remote.state)));
    line(format_args!("   local discriminator = {:#x}", session.discriminator));
    line(format_args!("   remote discriminator = {:#x}", remote.map_or(0, |remote| remote.discriminator)));
    line(format_args!("   local diag = {}", session.diagnostic));
    line(format_args!("   remote diag = {}", remote.map_or(Diagnostic::None, |remote| remote.diagnostic)));
    line(format_args!("   remote min tx intv = {}", interval(|remote| remote.desired_min_tx)));
    line(format_args!("   remote min rx intv = {}", interval(|remote| remote.required_min_rx)));
    line(format_args!("   local demand = 0"));
    line(format_args!("   remote demand = {}", u8::from(remote.is_some_and(|remote| remote.demand))));
    line(format_args!("   remote detect multiplier = {}", remote.map_or(0, |remote| remote.multiplier)));
    line(format_args!("   {}poll, !final", if session.polls { "" } else { "!" }));
    line(format_args!("   local tx intv = {}", micros(session.transmit_interval)));
    line(format_args!("   local detection time = {}", interval(|remote| remote.detection_time)));
    match remote {
        Some(remote) => {
            let ago = now.saturating_since(remote.heard);
            line(format_args!("   last_seen = {} ago", micros(ago)));
        }
        None => line(format_args!("   last_seen = [never]")),
    }
    let counters = session.counters;
    line(format_args!("   Packets received = {}", counters.received));
    line(format_args!("   Packets sent = {}", counters.sent));
    line(format_args!("   Packets refused by the kernel = {}", counters.send_errors));
    line(format_args!("   Went up = {}", counters.went_up));
    line(format_args!("   Went down = {}", counters.went_down));
}

fn micros(interval: Duration) -> String {
    format!("{} us", interval.as_micros())
}

#[cfg(test)]
mod tests {
    use mainstay_core::address::LinkIndex;
    use mainstay_core::bfd::packet::{ControlPacket, emit};
    use mainstay_core::bfd::{Audience, Input, Intervals, Sessions};
    use mainstay_core::router::Packet;
    use mainstay_core::vrrp::ah::Envelope;

    use super::*;

    /// What keepalived 2.2.7 writes of a session, without the state of its own event loop.
    const KEYS_OF_KEEPALIVED: [&str; 25] = [
        "Neighbor IP",
        "Source IP",
        "Required min RX interval",
        "Desired min TX interval",
        "Desired idle TX interval",
        "Detection multiplier",
        "TTL",
        "passive",
        "send event to VRRP process",
        "send event to checker process",
        "local state",
        "remote state",
        "local discriminator",
        "remote discriminator",
        "local diag",
        "remote diag",
        "remote min tx intv",
        "remote min rx intv",
        "local demand",
        "remote demand",
        "remote detect multiplier",
        "!poll, !final",
        "local tx intv",
        "local detection time",
        "last_seen",
    ];

    fn plan() -> SessionPlan {
        let interval = Duration::from_millis(10);
        SessionPlan {
            name: "gw".into(),
            neighbour: [192, 0, 2, 2].into(),
            source: Some([192, 0, 2, 1].into()),
            multihop: false,
            intervals: Intervals { desired_min_tx: interval, required_min_rx: interval },
            idle_tx: Duration::from_secs(1),
            multiplier: 3.try_into().expect("not zero"),
            passive: false,
            ttl: 255,
            least_ttl: 255,
            audience: Audience::default(),
        }
    }

    #[test]
    fn a_session_is_told_with_keepalived_s_keys() {
        let mut sessions = Sessions::new(Instant::ZERO, 1, vec![plan()], []);
        let hello = emit(&ControlPacket {
            state: State::Down,
            diagnostic: Diagnostic::PathDown,
            poll: false,
            is_final: false,
            control_plane_independent: false,
            demand: false,
            multiplier: 5.try_into().expect("not zero"),
            my_discriminator: 7.try_into().expect("not zero"),
            your_discriminator: None,
            desired_min_tx: Duration::from_secs(1),
            required_min_rx: Duration::from_millis(10),
            required_min_echo_rx: Duration::ZERO,
        });
        for payload in [&hello[..], b"garbage"] {
            let (source, destination) = ([192, 0, 2, 2].into(), [192, 0, 2, 1].into());
            let packet = Packet {
                link: LinkIndex(2),
                source,
                destination,
                ttl: 255,
                envelope: Envelope::Bare,
                payload,
            };
            sessions.step(Instant::ZERO, Input::PacketReceived { packet, multihop: false }, &mut Vec::new());
        }
        let text = super::sessions(&[plan()], &sessions.report(), Instant::ZERO + Duration::from_millis(3));
        let has = |line: &str| text.lines().any(|told| told.trim_start() == line);
        for key in KEYS_OF_KEEPALIVED {
            assert!(has(key) || text.contains(&format!("   {key} = ")), "{key} in\n{text}");
        }
        for line in [
            "BFD Instance = gw",
            "Required min RX interval = 10000 us",
            "local state = Init",
            "remote diag = Path Down",
            "remote discriminator = 0x7",
            "local tx intv = 1000000 us",
            "local detection time = 5000000 us",
            "last_seen = 3000 us ago",
            "truncated = 1",
        ] {
            assert!(has(line), "{line} in\n{text}");
        }
    }

    #[test]
    fn a_session_that_heard_nothing_says_so() {
        let sessions = Sessions::new(Instant::ZERO, 1, vec![plan()], []);
        let text = super::sessions(&[plan()], &sessions.report(), Instant::ZERO);
        assert!(text.contains("last_seen = [never]") && text.contains("remote state = Down"), "{text}");
    }
}
