//! A thousand gates with a thousand addresses.

use super::*;

const LINKS: u8 = 4;
const PER_LINK: u8 = 250;

/// Gate `number` of link `link`.
fn one(link: u8, number: u8, guard: Guard) -> Gate {
    let name = format!("x{link}");
    Gate {
        id: GateId(u32::from(link) * 1000 + u32::from(number)),
        instance: format!("instance-{link}-{number}").into(),
        link: on(&name),
        vrid: number,
        addresses: vec![(on(&name), IpAddr::from([10, link, 1, number]))],
        lease: Duration::from_secs(600),
        ..gate(guard)
    }
}

fn all(guard: Guard) -> Vec<Gate> {
    (0..LINKS).flat_map(|link| (1..=PER_LINK).map(move |number| one(link, number, guard))).collect()
}

/// Microseconds an advert takes to send, mean of all gates' adverts, best of five.
fn send_all() -> f64 {
    let adverts: Vec<_> = all(NEVER)
        .iter()
        .map(|gate| {
            advert(&format!("10.{}.0.1", gate.id.0 / 1000), "224.0.0.18", gate.vrid, 100, gate.link.index)
        })
        .collect();
    let mut sender = Sender::default();
    let times = (0..5).map(|_| {
        let start = std::time::Instant::now();
        sender.send(&adverts, |_, errno| panic!("refused: {errno}"));
        start.elapsed().as_secs_f64() * 1e6 / adverts.len() as f64
    });
    times.fold(f64::MAX, f64::min)
}

#[test]
fn a_thousand_gates_are_made_and_changed_in_no_time() {
    lab::in_new_namespace(|| {
        for link in 0..LINKS {
            lab::link(&format!("x{link}"));
            lab::ip(&format!("link set x{link} up"));
            lab::ip(&format!("address add 10.{link}.0.1/16 dev x{link}"));
        }
        let without = send_all();
        let mut gates = Gates::open().expect("opens");
        let mut timed = |what: &str, wanted: &[Gate]| {
            let start = std::time::Instant::now();
            gates.become_these(wanted, clock::now()).expect("made");
            println!("{what}: {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
            // Some 0.2 s, but not on an emulated machine that others keep busy.
            assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        };
        timed("1,000 gates made", &all(NEVER));
        let first = send_all();
        println!("an advert costs {without:.2} us without gates, {first:.2} us with them");
        assert!(first < without * 20.0 + 50.0);
        timed("nothing to change", &all(NEVER));
        let mut one_open = all(NEVER);
        one_open[0].guard = Guard::Open;
        timed("one opened for good", &one_open);
        timed("all opened for good", &all(Guard::Open));
        timed(
            "all leased again",
            &all(Guard::Lease { until: Some(clock::now() + Duration::from_secs(600)) }),
        );
        let mut one_less = all(NEVER);
        let _ = one_less.pop();
        timed("one less: everything made anew", &one_less);
        let held = gates.netfilter.held(TABLE).expect("lists").expect("a table");
        assert_eq!(held.len(), 999, "open gates stayed open");
        let mut successor = Gates::open().expect("opens");
        let start = std::time::Instant::now();
        successor.become_these(&all(NEVER), clock::now()).expect("adopted");
        println!("adopted by a successor: {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
        let start = std::time::Instant::now();
        successor.become_these(&[], clock::now()).expect("removed");
        println!("removed: {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
        assert_eq!(nft("list ruleset"), "");
    });
}

#[test]
fn one_gate_may_have_hundreds_of_addresses() {
    lab::in_new_namespace(|| {
        lab::link("x0");
        lab::ip("link set x0 up");
        lab::ip("address add 192.0.2.1/24 dev x0");
        let four = (0..400u16).map(|n| IpAddr::from([10, 0, (n >> 8) as u8, (n & 0xff) as u8]));
        let six = (0..400u16).map(|n| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n]));
        let addresses = four.chain(six).map(|address| (on("x0"), address)).collect();
        let mut gates = standing(&[Gate { addresses, lease: Duration::from_secs(60), ..gate(NEVER) }]);
        let mut held = || gates.netfilter.held(TABLE).expect("lists").expect("a table").len();
        let mut sender = Sender::default();
        advertise(&mut sender, 100);
        assert_eq!(held(), 800);
        advertise(&mut sender, 0);
        assert_eq!(held(), 0);
    });
}
