//! What becomes of an address in the set of open ones when the gates are made anew.

use mainstay_core::lease::{Gate, Guard};
use mainstay_core::time::{Duration, Instant};

/// How an address is in the set, as the kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// In the set until somebody takes it out.
    Lasting,
    /// In the set for a while.
    Leased,
}

/// How long an address is to be in the set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stay {
    Lasting,
    Leased { lease_ms: u64, rest_ms: u64 },
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Nothing,
    Add(Stay),
    /// Out and in again in one transaction: the kernel leaves an element that is added twice as it was.
    Replace(Stay),
    Remove,
}

/// An element that is there with a lease stays as it is: the kernel knows better than we when the last advert left.
/// None is made for a gate whose last advert is older than its lease: a closed gate is opened by an advert only.
pub fn settle(element: Option<Element>, gate: &Gate, now: Instant) -> Change {
    let rest = match gate.guard {
        Guard::Open => Some(Stay::Lasting),
        Guard::Lease { until } => until.and_then(|until| {
            let rest_ms = whole_milliseconds(until.saturating_since(now));
            // The kernel takes no element with more to go than its timeout. The rest of a lease that was shortened since
            // is such a one; the next advert brings the new timeout.
            let lease_ms = milliseconds(gate.lease).max(rest_ms);
            (rest_ms > 0).then_some(Stay::Leased { lease_ms, rest_ms })
        }),
    };
    match (element, rest, gate.guard) {
        (None, Some(stay), _) => Change::Add(stay),
        (None, None, _)
        | (Some(Element::Lasting), _, Guard::Open)
        | (Some(Element::Leased), _, Guard::Lease { .. }) => Change::Nothing,
        (Some(Element::Leased), _, Guard::Open) => Change::Replace(Stay::Lasting),
        (Some(Element::Lasting), Some(stay), Guard::Lease { .. }) => Change::Replace(stay),
        (Some(Element::Lasting), None, Guard::Lease { .. }) => Change::Remove,
    }
}

/// A lease in the kernel's unit. Rounded down, so that it never lasts longer than it was said; never 0, which would
/// mean "for ever".
pub fn milliseconds(lease: Duration) -> u64 {
    whole_milliseconds(lease).max(1)
}

fn whole_milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mainstay_core::address::{Family, LinkIndex};
    use mainstay_core::lease::{GateId, GateLink};

    const NOW: Instant = Instant::from_nanos(10_000_000_000);

    fn with(guard: Guard) -> Gate {
        Gate {
            id: GateId(7),
            instance: "V".into(),
            link: GateLink { index: LinkIndex(2), name: "eth0".to_owned() },
            family: Family::V4,
            vrid: 51,
            in_ah: false,
            destinations: Vec::new(),
            addresses: Vec::new(),
            lease: Duration::from_millis(2500),
            guard,
        }
    }

    fn renewed(ago_ms: u64) -> Guard {
        Guard::Lease { until: Some(NOW + Duration::from_millis(2500) - Duration::from_millis(ago_ms)) }
    }

    const NEVER: Guard = Guard::Lease { until: None };

    fn change(element: Option<Element>, guard: Guard) -> Change {
        settle(element, &with(guard), NOW)
    }

    #[test]
    fn a_running_lease_is_left_to_the_kernel() {
        for guard in [NEVER, renewed(0), renewed(2400), renewed(60_000)] {
            assert_eq!(change(Some(Element::Leased), guard), Change::Nothing, "{guard:?}");
        }
    }

    #[test]
    fn a_gate_without_an_element_is_open_for_the_rest_of_its_lease() {
        let rest = |rest_ms| Change::Add(Stay::Leased { lease_ms: 2500, rest_ms });
        assert_eq!(change(None, renewed(0)), rest(2500));
        assert_eq!(change(None, renewed(2499)), rest(1));
        assert_eq!(change(None, renewed(2500)), Change::Nothing);
        assert_eq!(change(None, renewed(9000)), Change::Nothing);
        assert_eq!(change(None, NEVER), Change::Nothing);
    }

    #[test]
    fn the_rest_of_a_lease_that_was_shortened_is_no_longer_than_its_own_timeout() {
        let until = Guard::Lease { until: Some(NOW + Duration::from_secs(7)) };
        assert_eq!(change(None, until), Change::Add(Stay::Leased { lease_ms: 7000, rest_ms: 7000 }));
    }

    #[test]
    fn a_gate_that_nothing_closes_has_a_lasting_element() {
        assert_eq!(change(None, Guard::Open), Change::Add(Stay::Lasting));
        assert_eq!(change(Some(Element::Leased), Guard::Open), Change::Replace(Stay::Lasting));
        assert_eq!(change(Some(Element::Lasting), Guard::Open), Change::Nothing);
    }

    #[test]
    fn a_lasting_element_becomes_a_lease_when_a_peer_is_known() {
        let rest = Stay::Leased { lease_ms: 2500, rest_ms: 2000 };
        assert_eq!(change(Some(Element::Lasting), renewed(500)), Change::Replace(rest));
        assert_eq!(change(Some(Element::Lasting), NEVER), Change::Remove);
        assert_eq!(change(Some(Element::Lasting), renewed(2500)), Change::Remove);
    }

    #[test]
    fn a_lease_is_never_zero_which_would_last_for_ever() {
        assert_eq!(milliseconds(Duration::from_micros(2500)), 2);
        assert_eq!(milliseconds(Duration::ZERO), 1);
    }
}
