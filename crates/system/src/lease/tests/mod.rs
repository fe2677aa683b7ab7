//! Against the kernel itself: what `nft` lists, and what a neighbour in another namespace is answered.

mod change;
mod guard;
mod leased;
mod listing;
mod scale;

use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use mainstay_core::router::Advert as CoreAdvert;
use mainstay_core::vrrp::ah::Envelope;

use super::*;
use crate::lab;
use crate::vrrp::Sender;

/// Our own addresses and the virtual ones.
const OWN4: &str = "192.0.2.1";
const OWN6: &str = "2001:db8::1";
const VIP4: &str = "192.0.2.9";
const VIP6: &str = "2001:db8::9";

/// The neighbour: another namespace at the other end of `x0`.
struct Neighbour {
    namespace: File,
}

/// In a namespace where `x0` has our own and the virtual addresses, with a neighbour.
fn with_neighbour(test: impl FnOnce(&Neighbour) + Send) {
    lab::in_new_namespace(|| {
        use_addresses_at_once();
        let neighbour = Neighbour::new();
        neighbour.within(use_addresses_at_once);
        neighbour.connect("x0", "y0");
        for address in [OWN4, VIP4] {
            lab::ip(&format!("address add {address}/24 dev x0"));
        }
        for address in [OWN6, VIP6] {
            lab::ip(&format!("address add {address}/64 dev x0 nodad"));
        }
        neighbour.within(|| {
            lab::ip("address add 192.0.2.2/24 dev y0");
            lab::ip("address add 2001:db8::2/64 dev y0 nodad");
        });
        test(&neighbour);
    });
}

/// Without waiting for somebody else who might have the same link-local address.
fn use_addresses_at_once() {
    std::fs::write("/proc/sys/net/ipv6/conf/default/accept_dad", "0").expect("root");
}

impl Neighbour {
    fn new() -> Self {
        let (give, take) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            crate::namespace::enter_new_network().expect("these tests run as root");
            lab::ip("link set lo up");
            give.send(File::open("/proc/thread-self/ns/net").expect("it is ours")).expect("somebody listens");
        });
        Self { namespace: take.recv().expect("the namespace is made") }
    }

    /// A pair of links between us and it, both up.
    fn connect(&self, ours: &str, theirs: &str) {
        let namespace = format!("/proc/{}/fd/{}", std::process::id(), self.namespace.as_raw_fd());
        lab::ip(&format!("link add {ours} type veth peer name {theirs} netns {namespace}"));
        lab::ip(&format!("link set {ours} up"));
        self.within(|| lab::ip(&format!("link set {theirs} up")));
    }

    /// Runs in the neighbour's namespace.
    fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                nix::sched::setns(&self.namespace, nix::sched::CloneFlags::CLONE_NEWNET).expect("root");
                work()
            });
            thread.join().expect("the neighbour does as told")
        })
    }

    /// Whether it gets an answer from an address it knows nothing of yet: ARP or neighbour discovery, then a ping.
    fn is_answered_by(&self, address: &str) -> bool {
        self.within(|| {
            let quiet = |program: &str, arguments: &str| {
                let mut command = Command::new(program);
                command.args(arguments.split_whitespace()).stdout(Stdio::null()).stderr(Stdio::null());
                command.status().expect("it is installed").success()
            };
            quiet("ip", &format!("neighbour flush to {address}"));
            quiet("ping", &format!("-n -c 1 -W 0.5 {address}"))
        })
    }

    /// Whether it gets an answer to a ping although it knows the hardware address already.
    fn reaches(&self, address: &str, link: &str) -> bool {
        let mac = std::fs::read_to_string(format!("/sys/class/net/{link}/address"));
        let mac = mac.unwrap_or_else(|_| hardware_address(link));
        self.within(|| {
            lab::ip(&format!("neighbour replace {address} lladdr {} nud permanent dev y0", mac.trim()));
            let answered = Command::new("ping")
                .args(["-n", "-c", "1", "-W", "0.5", address])
                .stdout(Stdio::null())
                .status();
            lab::ip(&format!("neighbour del {address} dev y0"));
            answered.expect("ping is installed").success()
        })
    }

    /// Starts to ping every two milliseconds.
    fn pings(&self, address: &str) -> Pings {
        let address = address.to_owned();
        Pings(self.within(|| {
            let mut command = Command::new("ping");
            command.args(["-n", "-i", "0.002", "-W", "0.1", &address]).stdout(Stdio::piped());
            command.spawn().expect("ping is installed")
        }))
    }
}

/// `/sys` shows the links of the namespace it was mounted in, `ip` ours.
fn hardware_address(link: &str) -> String {
    let shown = lab::ip_shows(&format!("link show {link}"));
    let words: Vec<&str> = shown.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "link/ether").expect("an Ethernet link");
    words[at + 1].to_owned()
}

/// A running `ping`.
struct Pings(Child);

impl Pings {
    /// Ends it and gives the sequence numbers that were not answered, but for the last ones, which were on their way.
    fn lost(mut self) -> (usize, Vec<usize>) {
        let id = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).expect("a pid"));
        nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGINT).expect("it runs");
        let mut shown = String::new();
        let mut output = self.0.stdout.take().expect("piped");
        std::io::Read::read_to_string(&mut output, &mut shown).expect("text");
        self.0.wait().expect("it ends");
        let numbers: BTreeSet<usize> = shown
            .lines()
            .filter_map(|line| line.split("icmp_seq=").nth(1)?.split(' ').next()?.parse().ok())
            .collect();
        let last = numbers.last().copied().unwrap_or(0);
        (last, (1..last).filter(|number| !numbers.contains(number)).collect())
    }
}

/// A gate before the virtual addresses on `x0`.
fn gate(guard: Guard) -> Gate {
    Gate {
        id: GateId(7),
        instance: "VI_1".into(),
        link: on("x0"),
        family: Family::V4,
        vrid: 51,
        in_ah: false,
        destinations: vec![lab::address("224.0.0.18")],
        addresses: [VIP4, VIP6].map(|address| (on("x0"), lab::address(address))).to_vec(),
        lease: Duration::from_millis(250),
        guard,
    }
}

const NEVER: Guard = Guard::Lease { until: None };

fn on(link: &str) -> GateLink {
    GateLink { index: lab::index(link), name: link.to_owned() }
}

/// Gates that stand.
fn standing(gates: &[Gate]) -> Gates {
    let mut standing = Gates::open().expect("opens");
    standing.become_these(gates, clock::now()).expect("made");
    standing
}

/// An advert as the router sends it.
fn advert(source: &str, destination: &str, vrid: u8, priority: u8, link: LinkIndex) -> CoreAdvert {
    CoreAdvert {
        instance: "VI_1".into(),
        link: Some(link),
        source: lab::address(source),
        destination: lab::address(destination),
        ttl: None,
        envelope: Envelope::Bare,
        payload: Arc::new([0x31, vrid, priority, 1, 0, 10, 0, 0, 192, 0, 2, 9]),
        not_after: None,
    }
}

/// Sends an advert of the gate by `x0`.
fn advertise(sender: &mut Sender, priority: u8) {
    let advert = advert(OWN4, "224.0.0.18", 51, priority, lab::index("x0"));
    sender.send(std::slice::from_ref(&advert), |_, errno| panic!("refused: {errno}"));
}

fn nft(arguments: &str) -> String {
    let output =
        Command::new("nft").args(arguments.split_whitespace()).output().expect("nftables is installed");
    assert!(output.status.success(), "nft {arguments}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Makes rules from text.
fn nft_makes(text: &str) {
    let mut child =
        Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().expect("nftables is installed");
    let mut input = child.stdin.take().expect("piped");
    std::io::Write::write_all(&mut input, text.as_bytes()).expect("written");
    drop(input);
    assert!(child.wait().expect("ends").success(), "{text}");
}

fn sleep_ms(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}
