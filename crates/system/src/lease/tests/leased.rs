//! Adverts and the time: what opens a gate, what closes it, and how precisely.

use super::*;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether an address is open, by the kernel's own list.
fn is_open(gates: &mut Gates, address: &str) -> bool {
    gates.netfilter.held(TABLE).expect("lists").expect("a table").contains_key(&lab::address(address))
}

#[test]
fn an_advert_opens_the_gate_and_its_end_closes_it() {
    with_neighbour(|neighbour| {
        let mut gates = standing(&[Gate { lease: Duration::from_millis(1500), ..gate(NEVER) }]);
        let mut sender = Sender::default();
        advertise(&mut sender, 100);
        for address in [VIP4, VIP6] {
            assert!(neighbour.is_answered_by(address), "{address}");
        }
        sleep_ms(1500);
        assert!(!is_open(&mut gates, VIP4));
        for address in [VIP4, VIP6] {
            assert!(!neighbour.is_answered_by(address), "{address}");
        }
    });
}

#[test]
fn adverts_over_ipv6_and_to_peers_open_it_too() {
    with_neighbour(|_| {
        let destinations = ["ff02::12", "192.0.2.2", "2001:db8::2"];
        let wanted = Gate { destinations: destinations.map(lab::address).to_vec(), ..gate(NEVER) };
        let mut gates = standing(std::slice::from_ref(&wanted));
        let mut sender = Sender::default();
        for (source, destination) in
            [("2001:db8::1", "ff02::12"), (OWN4, "192.0.2.2"), ("2001:db8::1", "2001:db8::2")]
        {
            let one = |priority| advert(source, destination, 51, priority, lab::index("x0"));
            sender.send(&[one(100)], |_, errno| panic!("refused: {errno}"));
            // A peer's hardware address may have to be asked for first.
            for _ in 0..20 {
                if is_open(&mut gates, VIP4) {
                    break;
                }
                sleep_ms(10);
            }
            assert!(is_open(&mut gates, VIP4) && is_open(&mut gates, VIP6), "{destination}");
            sender.send(&[one(0)], |_, errno| panic!("refused: {errno}"));
            assert!(!is_open(&mut gates, VIP4) && !is_open(&mut gates, VIP6), "{destination}");
        }
    });
}

#[test]
fn adverts_in_authentication_headers_open_and_close_it_and_others_do_not() {
    with_neighbour(|_| {
        let mut gates = standing(&[Gate { in_ah: true, ..gate(NEVER) }]);
        let mut sender = Sender::default();
        let mut send = |advert| sender.send(&[advert], |_, errno| panic!("refused: {errno}"));
        let bare = |vrid, priority| advert(OWN4, "224.0.0.18", vrid, priority, lab::index("x0"));
        let sealed = |vrid, priority, next| {
            let bare = bare(vrid, priority);
            let header = [next, 4, 0, 0, 192, 0, 2, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            let payload = [&header, &*bare.payload].concat().into();
            CoreAdvert { envelope: Envelope::Ah { identification: 1 }, payload, ..bare }
        };
        for other in [bare(51, 100), sealed(52, 100, 112), sealed(51, 100, 6)] {
            send(other);
            assert!(!is_open(&mut gates, VIP4));
        }
        send(sealed(51, 100, 112));
        assert!(is_open(&mut gates, VIP4) && is_open(&mut gates, VIP6));
        send(sealed(51, 0, 112));
        assert!(!is_open(&mut gates, VIP4) && !is_open(&mut gates, VIP6));
    });
}

#[test]
fn adverts_of_others_open_nothing() {
    with_neighbour(|_| {
        let mut gates = standing(&[gate(NEVER)]);
        lab::link("x1");
        lab::ip("link set x1 up");
        lab::ip("address add 198.51.100.1/24 dev x1");
        let mut sender = Sender::default();
        for other in [
            advert(OWN4, "224.0.0.18", 52, 100, lab::index("x0")),
            advert(OWN4, "224.0.0.19", 51, 100, lab::index("x0")),
            advert(OWN6, "ff02::12", 51, 100, lab::index("x0")),
            advert("198.51.100.1", "224.0.0.18", 51, 100, lab::index("x1")),
        ] {
            sender.send(&[other], |_, errno| panic!("refused: {errno}"));
        }
        assert!(!is_open(&mut gates, VIP4));
    });
}

#[test]
fn priority_zero_closes_it_at_once() {
    with_neighbour(|neighbour| {
        let mut gates = standing(&[Gate { lease: Duration::from_secs(60), ..gate(NEVER) }]);
        let mut sender = Sender::default();
        advertise(&mut sender, 1);
        assert!(is_open(&mut gates, VIP4) && is_open(&mut gates, VIP6));
        advertise(&mut sender, 0);
        assert!(!is_open(&mut gates, VIP4) && !is_open(&mut gates, VIP6));
        assert!(!neighbour.is_answered_by(VIP4));
    });
}

#[test]
fn nothing_closes_an_open_gate_but_being_told() {
    with_neighbour(|neighbour| {
        let short = |guard| Gate { lease: Duration::from_millis(20), ..gate(guard) };
        let mut gates = standing(&[short(Guard::Open)]);
        let mut sender = Sender::default();
        for priority in [100, 0, 100] {
            advertise(&mut sender, priority);
            sleep_ms(50);
            assert!(neighbour.is_answered_by(VIP4) && neighbour.is_answered_by(VIP6), "{priority}");
        }
        gates.become_these(&[short(NEVER)], clock::now()).expect("leased");
        assert!(!neighbour.is_answered_by(VIP4));
    });
}

#[test]
fn a_gate_that_is_told_to_close_closes() {
    with_neighbour(|_| {
        let lease = Duration::from_secs(60);
        let mut gates = standing(&[Gate { lease, ..gate(NEVER) }]);
        gates.close(GateId(7)).expect("closed already");
        let mut sender = Sender::default();
        advertise(&mut sender, 100);
        gates.close(GateId(8)).expect("there is none");
        assert!(is_open(&mut gates, VIP4));
        gates.close(GateId(7)).expect("closes");
        assert!(!is_open(&mut gates, VIP4) && !is_open(&mut gates, VIP6));
        advertise(&mut sender, 100);
        assert!(is_open(&mut gates, VIP4));
    });
}

#[test]
fn a_master_that_advertised_before_the_gate_was_made_holds_the_rest_of_its_lease() {
    with_neighbour(|_| {
        let for_ms = |ms| Guard::Lease { until: Some(clock::now() + Duration::from_millis(ms)) };
        let mut gates = standing(&[gate(for_ms(150))]);
        assert!(is_open(&mut gates, VIP4) && is_open(&mut gates, VIP6));
        sleep_ms(150);
        assert!(!is_open(&mut gates, VIP4));
        // And one whose last advert is too old stays closed.
        gates.become_these(&[gate(for_ms(0))], clock::now()).expect("nothing to do");
        assert!(!is_open(&mut gates, VIP4));
    });
}

/// Sends adverts in this interval while `work` runs. Gives the longest time between two.
fn while_advertising(interval: Duration, work: impl FnOnce()) -> Duration {
    let stop = AtomicBool::new(false);
    let here = File::open("/proc/thread-self/ns/net").expect("it is ours");
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            nix::sched::setns(&here, nix::sched::CloneFlags::CLONE_NEWNET).expect("root");
            // On a busy machine it is the kernel that is to be measured, not this thread.
            let _ = crate::realtime::round_robin(50);
            let (mut sender, mut longest) = (Sender::default(), Duration::ZERO);
            let mut last = clock::now();
            while !stop.load(Ordering::Relaxed) {
                advertise(&mut sender, 100);
                longest = longest.max(clock::now().saturating_since(last));
                last = clock::now();
                std::thread::sleep(interval);
            }
            longest
        });
        std::thread::sleep(interval * 2);
        {
            let _stopped_however_it_ends = Stop(&stop);
            work();
        }
        sending.join().expect("sends")
    })
}

struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Pings while adverts leave and `work` is done with each. The lease is two and a half intervals. Not one ping may be
/// lost, provided that this machine let us send in time: else it is tried again, in the end more slowly (an emulated
/// machine is no more exact than that).
fn without_a_gap(neighbour: &Neighbour, address: &str, gates: &mut Gates, work: impl Fn(&mut Gates, &Gate)) {
    for interval_ms in [10, 10, 10, 40, 160] {
        let interval = Duration::from_millis(interval_ms);
        let wanted = Gate { lease: interval * 5 / 2, ..gate(NEVER) };
        gates.become_these(std::slice::from_ref(&wanted), clock::now()).expect("made");
        let mut outcome = (0, Vec::new());
        let late = while_advertising(interval, || {
            let pings = neighbour.pings(address);
            for _ in 0..50 {
                std::thread::sleep(interval);
                work(gates, &wanted);
            }
            outcome = pings.lost();
        });
        // A jiffy and its rounding less than the lease.
        if late < wanted.lease - Duration::from_millis(9) {
            let (sent, lost) = outcome;
            assert!(sent > 50, "only {sent} answers");
            assert!(lost.is_empty(), "{address}: lost {lost:?} of {sent}, adverts at most {late:?} apart");
            println!("{address}: {sent} pings, none lost, an advert every {interval_ms} ms");
            return;
        }
        println!("adverts were up to {late:?} apart instead of {interval:?}: once more");
    }
    panic!("this machine is too busy to send in time");
}

#[test]
fn a_lease_that_is_renewed_in_time_has_no_gap() {
    with_neighbour(|neighbour| {
        let mut gates = standing(&[]);
        for address in [VIP4, VIP6] {
            without_a_gap(neighbour, address, &mut gates, |_, _| ());
        }
    });
}

#[test]
fn a_successor_takes_the_gates_over_without_a_gap() {
    with_neighbour(|neighbour| {
        let mut gates = standing(&[]);
        without_a_gap(neighbour, VIP4, &mut gates, |gates, wanted| {
            *gates = standing(std::slice::from_ref(wanted));
        });
        drop(gates);
        sleep_ms(500);
        let mut successor = standing(&[gate(NEVER)]);
        assert!(!is_open(&mut successor, VIP4), "a closed gate is not opened by a restart");
    });
}

/// When a lease of this length ended, by 20 leases that began at different moments, in microseconds after the advert.
/// Each end lies between two looks at the kernel's list: the last one with the address (lower bound) and the first one
/// without it (upper bound).
fn ends(lease: Duration) -> Vec<(u128, u128)> {
    let mut ends = Vec::new();
    with_neighbour(|_| {
        let many: Vec<Gate> = (1..=20)
            .map(|vrid| Gate {
                id: GateId(vrid.into()),
                instance: format!("V{vrid}").into(),
                vrid,
                addresses: vec![(on("x0"), IpAddr::from([192, 0, 2, 100 + vrid]))],
                lease,
                ..gate(NEVER)
            })
            .collect();
        let mut gates = standing(&many);
        let mut sender = Sender::default();
        let (mut waiting, mut sent) = (many.iter(), BTreeMap::new());
        loop {
            if let Some(gate) = waiting.next() {
                let before = clock::now();
                let advert = advert(OWN4, "224.0.0.18", gate.vrid, 100, lab::index("x0"));
                sender.send(&[advert], |_, errno| panic!("refused: {errno}"));
                sent.insert(gate.addresses[0].1, (before, clock::now(), Duration::ZERO));
            } else if sent.is_empty() {
                break;
            }
            let start = clock::now();
            let held = gates.netfilter.held(TABLE).expect("lists").expect("a table");
            let end = clock::now();
            sent.retain(|address, (before, after, seen)| {
                if held.contains_key(address) {
                    *seen = start.saturating_since(*after);
                    return true;
                }
                ends.push((seen.as_micros(), end.saturating_since(*before).as_micros()));
                false
            });
        }
    });
    ends
}

#[test]
fn precision() {
    for lease_ms in [25, 250, 2500] {
        let mut ends = ends(Duration::from_millis(lease_ms));
        ends.sort_unstable();
        let [min, median, max] = [0, ends.len() / 2, ends.len() - 1]
            .map(|place| (ends[place].0 + ends[place].1) / 2)
            .map(|micros| micros as f64 / 1000.0);
        println!(
            "a lease of {lease_ms} ms ended after {min:.1} ms, {median:.1} ms, {max:.1} ms (min, median, max)"
        );
        let lease = u128::from(lease_ms) * 1000;
        // Two jiffies of the slowest clock Linux has, 100 Hz.
        assert!(ends.iter().all(|(_, gone)| *gone + 20_000 >= lease), "too early: {ends:?}");
        assert!(ends.iter().all(|(seen, _)| *seen <= lease), "too late: {ends:?}");
    }
}
