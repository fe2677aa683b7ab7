//! Connections through every way of forwarding, and what is counted of them.
//!
//! ```text
//!              10.1.0.2            10.1.0.1 (virtual)   10.0.0.1
//!       client ---------------------- balancer --------------------- behind  10.0.0.3 (answers through the balancer)
//!         |                              |
//!         |                              +--------------------------- aside  10.0.3.3 (has the virtual address, too)
//!         +------------------------------------------------------------+
//!              10.2.0.2                                          10.2.0.3 (answers directly)
//! ```

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use mainstay_core::ipvs::{Change, Forwarding, ServiceKey, Statistics, TunnelChecksum, TunnelKind};
use mainstay_system::ipvs::{Balancer, Kernel, ListedDestination, ListedService};
use mainstay_system::namespace::enter_network;

use super::words::{destination, persistent, service, tcp, tunnel};
use crate::stage::{in_new_namespace, run};

const CLIENT: &str = "traffic-client";
const BEHIND: &str = "traffic-behind";
const ASIDE: &str = "traffic-aside";

/// Longer than a guest on a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(20);

/// The namespaces of a test; they go with it.
struct Network;

impl Network {
    fn build() -> Self {
        let network = Self;
        for name in [CLIENT, BEHIND, ASIDE] {
            run(&format!("ip netns add {name}"));
            run(&format!("ip -n {name} link set lo up"));
        }
        let cable = |here: &str, our: &str, there: &str, name: &str, their: &str| {
            run(&format!("ip link add {here} type veth peer name {name} netns {there}"));
            run(&format!("ip address add {our} dev {here}"));
            run(&format!("ip link set {here} up"));
            run(&format!("ip -n {there} address add {their} dev {name}"));
            run(&format!("ip -n {there} link set {name} up"));
        };
        cable("client", "10.1.0.1/24", CLIENT, "front", "10.1.0.2/24");
        cable("behind", "10.0.0.1/24", BEHIND, "front", "10.0.0.3/24");
        cable("aside", "10.0.3.1/24", ASIDE, "front", "10.0.3.3/24");
        run("sysctl -qw net.ipv4.ip_forward=1");
        run(&format!("ip -n {BEHIND} route add default via 10.0.0.1"));
        run(&format!("ip link add back netns {ASIDE} type veth peer name back netns {CLIENT}"));
        for (name, address) in [(ASIDE, "10.2.0.3/24"), (CLIENT, "10.2.0.2/24")] {
            run(&format!("ip -n {name} address add {address} dev back"));
            run(&format!("ip -n {name} link set back up"));
        }
        run(&format!("ip -n {ASIDE} route add 10.1.0.0/24 via 10.2.0.2"));
        run(&format!("ip -n {ASIDE} address add 10.1.0.1/32 dev lo"));
        network
    }

    /// What a tunnel to `aside` comes out of.
    fn open_tunnels() {
        run(&format!("ip -n {ASIDE} link add ours type ipip local 10.0.3.3"));
        run(&format!("ip -n {ASIDE} link set ours up"));
        run(&format!("ip -n {ASIDE} link set tunl0 up"));
        // A GRE link takes either only packets with a checksum or only those without.
        run(&format!("ip -n {ASIDE} address add 10.0.3.4/24 dev front"));
        for (name, what) in [("plain", "local 10.0.3.3"), ("checked", "local 10.0.3.4 csum")] {
            run(&format!("ip -n {ASIDE} link add {name} type gre {what}"));
            run(&format!("ip -n {ASIDE} link set {name} up"));
        }
        run("modprobe fou");
        run(&format!("ip -n {ASIDE} fou add port 6080 gue"));
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in [CLIENT, BEHIND, ASIDE] {
            // Another failure may be on its way already.
            let _ = Command::new("ip").args(["netns", "delete", name]).status();
        }
    }
}

/// A server that says a word to everybody, until the test program ends.
fn serve(namespace: &'static str, port: u16, word: &'static str) {
    let (ready, listening) = mpsc::channel();
    thread::spawn(move || {
        enter_network(namespace).expect("the namespace was made");
        let listener = TcpListener::bind(("0.0.0.0", port)).expect("a free port");
        ready.send(()).expect("somebody waits");
        for stream in listener.incoming() {
            // A client that went away is the client's matter.
            let _ = stream.and_then(|mut stream| stream.write_all(word.as_bytes()));
        }
    });
    listening.recv_timeout(PATIENCE).expect("the server listens");
}

/// What the virtual server says to the client.
fn ask(port: u16) -> String {
    let client = thread::spawn(move || {
        enter_network(CLIENT).expect("the namespace was made");
        let place = SocketAddr::from(([10, 1, 0, 1], port));
        let mut stream = TcpStream::connect_timeout(&place, PATIENCE).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time");
        let mut said = String::new();
        stream.read_to_string(&mut said).expect("an answer");
        said
    });
    client.join().expect("an answer")
}

#[test]
fn connections_pass_in_every_way_of_forwarding() {
    in_new_namespace(|| {
        let _network = Network::build();
        Network::open_tunnels();
        serve(BEHIND, 8080, "behind");
        let gue = TunnelKind::Gue { port: 6080 };
        let ways = [
            ("10.0.0.3:8080", Forwarding::Masquerade, "behind"),
            ("10.0.3.3:2", Forwarding::DirectRoute, "aside"),
            ("10.0.3.3:3", tunnel(TunnelKind::Ipip, TunnelChecksum::None), "aside"),
            ("10.0.3.3:4", tunnel(gue, TunnelChecksum::None), "aside"),
            ("10.0.3.3:5", tunnel(gue, TunnelChecksum::Full), "aside"),
            ("10.0.3.3:6", tunnel(TunnelKind::Gre, TunnelChecksum::None), "aside"),
            ("10.0.3.4:7", tunnel(TunnelKind::Gre, TunnelChecksum::Full), "aside"),
        ];
        let mut kernel = Kernel::open().expect("ip_vs");
        for (port, (place, forwarding, word)) in (1..).zip(ways) {
            if word == "aside" {
                serve(ASIDE, port, "aside");
            }
            let key = tcp(&format!("10.1.0.1:{port}"));
            let to = destination(place, forwarding);
            let changes = [Change::AddService(service(key, "rr")), Change::AddDestination(key, to)];
            assert_eq!(kernel.apply(&changes).expect("answers").refusals, []);
            assert_eq!(ask(port), word, "{forwarding:?}");
            let statistics = counted(&mut kernel, key);
            assert_eq!(statistics.totals.connections, 1, "{forwarding:?}");
            // Answers pass us only where addresses are translated.
            let passes = statistics.totals.packets_out > 0;
            assert_eq!(passes, forwarding == Forwarding::Masquerade, "{forwarding:?}");
        }
    });
}

/// The counters of a service that has been used. The kernel adds them up every two seconds.
fn counted(kernel: &mut Kernel, key: ServiceKey) -> Statistics {
    for _ in 0..100 {
        let listing = kernel.list().expect("a list");
        let listed = listing.services.iter().find(|listed| listed.service.key == key).expect("ours");
        if listed.statistics.totals.connections > 0 {
            return listed.statistics;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("nothing was counted of {key}");
}

/// The numbers `ipvsadm` shows behind a service or a destination.
fn shown(option: &str, place: &str) -> Vec<u64> {
    let text = run(&format!("ipvsadm -Ln --exact {option}"));
    let line = text.lines().find(|line| line.split_whitespace().nth(1) == Some(place));
    let words = line.unwrap_or_else(|| panic!("no {place} in\n{text}")).split_whitespace().skip(2);
    words.filter_map(|word| word.parse().ok()).collect()
}

fn totals(statistics: &Statistics) -> Vec<u64> {
    let totals = statistics.totals;
    vec![totals.connections, totals.packets_in, totals.packets_out, totals.bytes_in, totals.bytes_out]
}

fn rates(statistics: &Statistics) -> Vec<u64> {
    let rates = statistics.rates;
    vec![rates.connections, rates.packets_in, rates.packets_out, rates.bytes_in, rates.bytes_out]
}

fn only(kernel: &mut Kernel) -> (ListedService, ListedDestination) {
    let listing = kernel.list().expect("a list");
    let [service] = &listing.services[..] else { panic!("one service: {listing:?}") };
    let [destination] = service.destinations[..] else { panic!("one destination: {listing:?}") };
    (service.clone(), destination)
}

#[test]
fn counters_rates_and_connections_are_what_ipvsadm_shows() {
    in_new_namespace(|| {
        let _network = Network::build();
        serve(BEHIND, 8080, "behind");
        let key = tcp("10.1.0.1:80");
        let mut kernel = Kernel::open().expect("ip_vs");
        let sticky = persistent(service(key, "rr"), 300, "255.255.255.255", None);
        let to = destination("10.0.0.3:8080", Forwarding::Masquerade);
        let changes = [Change::AddService(sticky), Change::AddDestination(key, to)];
        assert_eq!(kernel.apply(&changes).expect("answers").refusals, []);
        for _ in 0..30 {
            assert_eq!(ask(80), "behind");
        }

        // The kernel estimates rates every two seconds: compared when they stand still meanwhile.
        let mut compared = false;
        for _ in 0..60 {
            let (service, destination) = only(&mut kernel);
            let pairs = [("10.1.0.1:80", service.statistics), ("10.0.0.3:8080", destination.statistics)];
            let theirs = pairs.map(|(place, _)| shown("--rate", place));
            if service.statistics.rates.bytes_in > 0 && only(&mut kernel) == (service, destination) {
                assert_eq!(theirs, pairs.map(|(_, statistics)| rates(&statistics)));
                compared = true;
                break;
            }
            thread::sleep(Duration::from_millis(100));
        }
        assert!(compared, "rates did not stand still, or were never above zero");

        // And what it has counted: all of it after two seconds without traffic.
        thread::sleep(Duration::from_secs(3));
        let (service, destination) = only(&mut kernel);
        assert_eq!(service.statistics.totals.connections, 30);
        assert_eq!(shown("--stats", "10.1.0.1:80"), totals(&service.statistics));
        assert_eq!(shown("--stats", "10.0.0.3:8080"), totals(&destination.statistics));
        let connections = destination.connections;
        let now = [connections.persistent, connections.active, connections.inactive].map(u64::from);
        assert_eq!(shown("--persistent-conn", "10.0.0.3:8080")[1..], now);
        assert_eq!((connections.persistent, connections.active + connections.inactive), (1, 30));

        kernel.zero(Some(&key)).expect("cleared");
        let (service, destination) = only(&mut kernel);
        assert_eq!((totals(&service.statistics), totals(&destination.statistics)), (vec![0; 5], vec![0; 5]));
    });
}
