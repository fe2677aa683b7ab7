//! What an administrator sees.

use super::*;

#[test]
fn nft_lists_the_table_in_words() {
    with_neighbour(|_| {
        let twice = vec![lab::address("224.0.0.18"), lab::address("ff02::12")];
        let _gates = standing(&[Gate { destinations: twice, ..gate(Guard::Open) }, second()]);
        let shown = nft("list ruleset");
        for line in [
            "table netdev mainstay {",
            "comment \"VIP leases of Mainstay; an advert that leaves opens the gate of its addresses\"",
            "elements = { 192.0.2.9 }",
            "elements = { 2001:db8::9 }",
            "elements = { \"x0\" . 192.0.2.2 . 52 : jump renew-VI_2 }",
            "arp daddr ip @gated4 arp daddr ip != @held4 drop",
            "icmpv6 type nd-neighbor-solicit",
            "ip daddr @gated4 ip daddr != @held4 fib daddr . iif type local drop",
            "ip6 daddr @gated6 ip6 daddr != @held6 fib daddr . iif type local drop",
            "type filter hook ingress device \"x0\" priority -500; policy accept;",
            "type filter hook egress device \"x0\" priority 500; policy accept;",
            "comment \"192.0.2.10\"",
        ] {
            assert!(shown.contains(line), "{line} in {shown}");
        }
        assert!(!shown.contains("jump renew-VI_1"), "nothing renews a gate that nothing closes: {shown}");
    });
}

fn second() -> Gate {
    Gate {
        id: GateId(8),
        instance: "VI_2".into(),
        vrid: 52,
        destinations: vec![lab::address("192.0.2.2")],
        addresses: vec![(on("x0"), lab::address("192.0.2.10"))],
        ..gate(NEVER)
    }
}

#[test]
fn an_open_gate_shows_how_long_it_will_be() {
    with_neighbour(|_| {
        let _gates = standing(&[Gate { lease: Duration::from_millis(62_500), ..gate(NEVER) }]);
        advertise(&mut Sender::default(), 100);
        let shown = nft("list set netdev mainstay held4");
        assert!(shown.contains("192.0.2.9 timeout 1m2s500ms expires 1m"), "{shown}");
    });
}
