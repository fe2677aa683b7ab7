//! Every input in every state: what happens, or that nothing does.

use std::sync::Arc;

use mainstay_core::address::{Prefix, RouteKey};
use mainstay_core::router::{Carries, Listen, Listening, Packet, Socket};

use super::harness::*;

const EPERM: i32 = 1;

fn ours() -> Plan {
    let instance = instance("VI_1")
        .announcing_once()
        .route(route("203.0.113.0"))
        .rule(rule("203.0.113.0", 100))
        .tracks(track_script("chk", -10))
        .tracks(track_file("load", 1))
        .tracks(track_process("nginx", -10));
    let mut seldom = script("chk");
    seldom.interval = s(1000);
    plan().instance(instance).peer_view().script(seldom).file(file("load")).process(process("nginx"))
}

/// A node in this state whose trackers are all content.
fn node_in(state: State) -> Node {
    if state == Init {
        return Node::cold(ours(), None);
    }
    let mut node = Node::with(ours());
    node.finish_script("chk", 0);
    node.read_file("load", 0);
    node.count_processes("nginx", 1);
    match state {
        Init => unreachable!("returned above"),
        Backup => node.hear(advert()),
        Master => node.become_master(),
        Fault => node.set_link("eth0", false),
    }
    node.expect_state(state);
    node.forget();
    node
}

/// Every input there is, some in several kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fact {
    TickNothingDue,
    TickDue,
    AdvertHigher,
    AdvertLower,
    AdvertResigning,
    PacketDamaged,
    KernelListedAsItIs,
    KernelListedWithoutOurLink,
    OurLinkUnchanged,
    OurLinkDown,
    OtherLinkDown,
    OurLinkRemoved,
    OtherLinkRemoved,
    OtherAddressAdded,
    OurVirtualAddressAdded,
    OtherAddressRemoved,
    OurVirtualAddressRemoved,
    OurRouteRemoved,
    OtherRouteRemoved,
    OurRuleRemoved,
    OtherRuleRemoved,
    OurAddressRefused,
    OurRouteRefused,
    OurRuleRefused,
    AdvertRefused,
    GatesRefused,
    OurAddressReleased,
    HeartbeatOfMaster,
    HeartbeatRefused,
    UnknownLinkMade,
    UnknownLinkRefused,
    ScriptFailed,
    ScriptSucceeded,
    UnknownScriptFinished,
    FileBad,
    FileAsItWas,
    ProcessGone,
    ProcessThere,
    SessionUp,
    SessionDown,
    OurAddressClaimedBySomebody,
    OurAddressClaimedByUs,
    OtherAddressClaimed,
    OurSocketOpening,
    OurSocketOpen,
    OurSocketRefused,
    ReloadedUnchanged,
    ReloadedWithoutInstance,
    ShutdownRequested,
    ClockRead,
}

use Fact::*;

const FACTS: [Fact; 50] = [
    TickNothingDue,
    TickDue,
    AdvertHigher,
    AdvertLower,
    AdvertResigning,
    PacketDamaged,
    KernelListedAsItIs,
    KernelListedWithoutOurLink,
    OurLinkUnchanged,
    OurLinkDown,
    OtherLinkDown,
    OurLinkRemoved,
    OtherLinkRemoved,
    OtherAddressAdded,
    OurVirtualAddressAdded,
    OtherAddressRemoved,
    OurVirtualAddressRemoved,
    OurRouteRemoved,
    OtherRouteRemoved,
    OurRuleRemoved,
    OtherRuleRemoved,
    OurAddressRefused,
    OurRouteRefused,
    OurRuleRefused,
    AdvertRefused,
    GatesRefused,
    OurAddressReleased,
    HeartbeatOfMaster,
    HeartbeatRefused,
    UnknownLinkMade,
    UnknownLinkRefused,
    ScriptFailed,
    ScriptSucceeded,
    UnknownScriptFinished,
    FileBad,
    FileAsItWas,
    ProcessGone,
    ProcessThere,
    SessionUp,
    SessionDown,
    OurAddressClaimedBySomebody,
    OurAddressClaimedByUs,
    OtherAddressClaimed,
    OurSocketOpening,
    OurSocketOpen,
    OurSocketRefused,
    ReloadedUnchanged,
    ReloadedWithoutInstance,
    ShutdownRequested,
    ClockRead,
];

/// Tells the node this fact. (The match over [`Input`] in `every_input_is_a_row` keeps the list complete.)
fn tell(node: &mut Node, fact: Fact) {
    let link = |node: &Node, index: LinkIndex| {
        node.links.iter().find(|link| link.index == index).expect("a link of the node").clone()
    };
    let route_key = |destination: &str| RouteKey {
        destination: Prefix { address: ip(destination), length: 24 },
        table: 254,
        metric: 0,
        tos: 0,
        kind: 1,
    };
    match fact {
        TickNothingDue => node.tick(),
        // A deadline may be a hint that comes too early; the first that has an effect is meant.
        TickDue => {
            let until = node.now + s(2000);
            while !node.has_effects() && node.advance_to_next_deadline(until) {}
        }
        AdvertHigher => node.hear(advert()),
        AdvertLower => node.hear(advert().priority(50)),
        AdvertResigning => node.hear(advert().priority(0)),
        PacketDamaged => node.hear(advert().damaged(|payload| payload[7] ^= 1)),
        KernelListedAsItIs => node.list_kernel(),
        KernelListedWithoutOurLink => {
            node.links.retain(|link| link.index != ETH0);
            node.addresses.retain(|(link, _)| *link != ETH0);
            node.list_kernel();
        }
        OurLinkUnchanged => node.step(Input::LinkChanged(link(node, ETH0))),
        OurLinkDown => node.set_link("eth0", false),
        OtherLinkDown => node.set_link("eth1", false),
        OurLinkRemoved => {
            node.links.retain(|link| link.index != ETH0);
            node.step(Input::LinkRemoved(ETH0));
        }
        OtherLinkRemoved => node.step(Input::LinkRemoved(ETH1)),
        OtherAddressAdded => node.step(Input::AddressAdded(ETH1, ip("198.51.100.7"))),
        OurVirtualAddressAdded => {
            node.addresses.insert((ETH0, ip("192.0.2.1")));
            node.step(Input::AddressAdded(ETH0, ip("192.0.2.1")));
        }
        OtherAddressRemoved => node.step(Input::AddressRemoved(ETH1, ip("198.51.100.252"))),
        OurVirtualAddressRemoved => {
            node.addresses.remove(&(ETH0, ip("192.0.2.1")));
            node.step(Input::AddressRemoved(ETH0, ip("192.0.2.1")));
        }
        OurRouteRemoved => node.step(Input::RouteRemoved(route_key("203.0.113.0"))),
        OtherRouteRemoved => node.step(Input::RouteRemoved(route_key("198.18.0.0"))),
        OurRuleRemoved => node.step(Input::RuleRemoved { preference: 100, table: 100 }),
        OtherRuleRemoved => node.step(Input::RuleRemoved { preference: 7, table: 7 }),
        OurAddressRefused => {
            node.addresses.remove(&(ETH0, ip("192.0.2.1")));
            node.step(Input::AddressRefused { address: virtual_address("192.0.2.1", "eth0"), errno: EPERM });
        }
        OurRouteRefused => {
            node.step(Input::RouteRefused { route: route("203.0.113.0"), errno: EPERM });
        }
        OurRuleRefused => {
            node.step(Input::RuleRefused { rule: rule("203.0.113.0", 100), errno: EPERM });
        }
        AdvertRefused => node.step(Input::AdvertRefused { instance: "VI_1".into(), errno: EPERM }),
        GatesRefused => node.step(Input::GatesRefused { errno: EPERM }),
        OurAddressReleased => node.step(Input::AddressReleased(virtual_address("192.0.2.1", "eth0"))),
        HeartbeatOfMaster => node.hear_heartbeat(heartbeat()),
        HeartbeatRefused => node.step(Input::HeartbeatRefused { leg: 1, errno: EPERM }),
        UnknownLinkMade => node.step(Input::LinkMade { link: "vrrp.9".into(), found: vec![] }),
        UnknownLinkRefused => node.step(Input::LinkRefused { link: "vrrp.9".into(), errno: EPERM }),
        ScriptFailed => node.finish_script("chk", 1),
        ScriptSucceeded => node.finish_script("chk", 0),
        UnknownScriptFinished => node.finish_script("nobody's", 1),
        FileBad => node.read_file("load", -5),
        FileAsItWas => node.read_file("load", 0),
        ProcessGone => node.count_processes("nginx", 0),
        ProcessThere => node.count_processes("nginx", 1),
        SessionUp => node.session_becomes("gw", true),
        SessionDown => node.session_becomes("gw", false),
        OurAddressClaimedBySomebody => node.claim(ETH0, "192.0.2.1", STRANGER),
        OurAddressClaimedByUs => {
            let mac = node.mac(ETH0);
            node.claim(ETH0, "192.0.2.1", mac);
        }
        OtherAddressClaimed => node.claim(ETH0, "192.0.2.77", STRANGER),
        OurSocketOpening => listening(node, Listening::Opening),
        OurSocketOpen => listening(node, Listening::Open),
        OurSocketRefused => listening(node, Listening::Refused(EPERM)),
        ReloadedUnchanged => node.reload(ours()),
        ReloadedWithoutInstance => {
            let mut without = ours();
            without.0.instances.clear();
            node.reload(without);
        }
        ClockRead => node.step(Input::ClockRead { since_1970: s(1_800_000_000) }),
        ShutdownRequested => node.step(Input::ShutdownRequested),
    }
}

/// What a node does that becomes master.
const BECOME_MASTER: &[&str] = &[
    "advert 100",
    "add 192.0.2.1",
    "add route 203.0.113.0",
    "add rule 100",
    "announce 192.0.2.1 x5",
    "notify VI_1 MASTER",
];
/// What a master does that is not allowed to be one.
const LEAVE_MASTER: &[&str] =
    &["advert 0", "remove rule 100", "remove route 203.0.113.0", "remove 192.0.2.1", "notify VI_1 FAULT"];
const NOTHING: &[&str] = &[];

/// The state after this fact, and the effects. `None`: the instance is gone.
fn expected(state: State, fact: Fact) -> (Option<State>, Vec<&'static str>) {
    let stays = |effects: &[&'static str]| (Some(state), effects.to_vec());
    let to = |state: State, effects: &[&'static str]| (Some(state), effects.to_vec());
    match (state, fact) {
        // The time of day is for signatures; by itself it changes nothing.
        (Init | Backup | Master | Fault, ClockRead) => stays(&[]),

        // ---- before the kernel was listed, facts are remembered at most ----
        (Init, KernelListedAsItIs) => to(Backup, &["notify VI_1 BACKUP", "run chk"]),
        (Init, KernelListedWithoutOurLink) => to(Fault, &["notify VI_1 FAULT", "run chk"]),
        (Init, ReloadedWithoutInstance) => (None, vec![]),
        (Init, ShutdownRequested) => stays(&["finished"]),
        (
            Init,
            TickNothingDue
            | TickDue
            | AdvertHigher
            | HeartbeatOfMaster
            | AdvertLower
            | AdvertResigning
            | PacketDamaged
            | OurLinkUnchanged
            | OurLinkDown
            | OtherLinkDown
            | OurLinkRemoved
            | OtherLinkRemoved
            | OtherAddressAdded
            | OurVirtualAddressAdded
            | OtherAddressRemoved
            | OurVirtualAddressRemoved
            | OurRouteRemoved
            | OtherRouteRemoved
            | OurRuleRemoved
            | OtherRuleRemoved
            | OurAddressRefused
            | OurRouteRefused
            | OurRuleRefused
            | AdvertRefused
            | GatesRefused
            | OurAddressReleased
            | HeartbeatRefused
            | UnknownLinkMade
            | UnknownLinkRefused
            | ScriptFailed
            | ScriptSucceeded
            | UnknownScriptFinished
            | FileBad
            | FileAsItWas
            | ProcessGone
            | ProcessThere
            | SessionUp
            | SessionDown
            | OurAddressClaimedBySomebody
            | OurAddressClaimedByUs
            | OtherAddressClaimed
            | OurSocketOpening
            | OurSocketOpen
            | OurSocketRefused
            | ReloadedUnchanged,
        ) => stays(NOTHING),

        // ---- backup ----
        (Backup, TickDue) => to(Master, BECOME_MASTER),
        (Backup, OurLinkDown | OurLinkRemoved | KernelListedWithoutOurLink | OurSocketRefused) => {
            to(Fault, &["notify VI_1 FAULT"])
        }
        // Not ours to keep: somebody put it there while we are backup.
        (Backup, OurVirtualAddressAdded) => stays(NOTHING),
        (Backup, ReloadedWithoutInstance) => (None, vec!["notify VI_1 FAULT"]),
        (Backup, ShutdownRequested) => to(Init, &["notify VI_1 STOP", "finished"]),
        (
            Backup,
            TickNothingDue
            | AdvertHigher
            | HeartbeatOfMaster
            | AdvertLower
            | AdvertResigning
            | PacketDamaged
            | KernelListedAsItIs
            | OurLinkUnchanged
            | OtherLinkDown
            | OtherLinkRemoved
            | OtherAddressAdded
            | OtherAddressRemoved
            | OurVirtualAddressRemoved
            | OurRouteRemoved
            | OtherRouteRemoved
            | OurRuleRemoved
            | OtherRuleRemoved
            | OurAddressRefused
            | OurRouteRefused
            | OurRuleRefused
            | AdvertRefused
            | GatesRefused
            | OurAddressReleased
            | HeartbeatRefused
            | UnknownLinkMade
            | UnknownLinkRefused
            | ScriptFailed
            | ScriptSucceeded
            | UnknownScriptFinished
            | FileBad
            | FileAsItWas
            | ProcessGone
            | ProcessThere
            | SessionUp
            | SessionDown
            | OurAddressClaimedBySomebody
            | OurAddressClaimedByUs
            | OtherAddressClaimed
            | OurSocketOpening
            | OurSocketOpen
            | ReloadedUnchanged,
        ) => stays(NOTHING),

        // ---- master ----
        (Master, TickDue) => stays(&["advert 100"]),
        // By a heartbeat a master is heard as by its advert.
        (Master, AdvertHigher | HeartbeatOfMaster) => to(
            Backup,
            &["remove rule 100", "remove route 203.0.113.0", "remove 192.0.2.1", "notify VI_1 BACKUP"],
        ),
        (Master, AdvertLower) => {
            stays(&["advert 100", "announce 192.0.2.1 x5", "notify VI_1 MASTER_RX_LOWER_PRI"])
        }
        // What is not listed is ordered again; what is there is adopted.
        (Master, KernelListedAsItIs) => stays(&["add route 203.0.113.0", "add rule 100"]),
        (Master, AdvertResigning) => stays(&["advert 100"]),
        (Master, OurLinkDown | OurSocketRefused) => to(Fault, LEAVE_MASTER),
        // There is no link to send priority 0 on.
        (Master, OurLinkRemoved | KernelListedWithoutOurLink) => to(Fault, &LEAVE_MASTER[1..]),
        (Master, OurVirtualAddressRemoved) => stays(&["add 192.0.2.1"]),
        // Defended, and told (RFC 5227 section 2.4).
        (Master, OurAddressClaimedBySomebody) => stays(&["announce 192.0.2.1"]),
        (Master, OurRouteRemoved) => stays(&["add route 203.0.113.0"]),
        (Master, OurRuleRemoved) => stays(&["add rule 100"]),
        // It has one address only, and would be master of nothing.
        (Master, OurAddressRefused) => to(Fault, LEAVE_MASTER),
        // Told, and tried again later: the file of the other node has it too.
        (Master, OurRouteRefused | OurRuleRefused) => stays(NOTHING),
        (Master, ReloadedWithoutInstance) => (None, LEAVE_MASTER.to_vec()),
        (Master, ShutdownRequested) => to(
            Init,
            &[
                "advert 0",
                "remove rule 100",
                "remove route 203.0.113.0",
                "remove 192.0.2.1",
                "notify VI_1 STOP",
                "finished",
            ],
        ),
        (
            Master,
            TickNothingDue
            | PacketDamaged
            | OurLinkUnchanged
            | OtherLinkDown
            | OtherLinkRemoved
            | OtherAddressAdded
            | OurVirtualAddressAdded
            | OtherAddressRemoved
            | OtherRouteRemoved
            | OtherRuleRemoved
            | AdvertRefused
            | GatesRefused
            | OurAddressReleased
            | HeartbeatRefused
            | UnknownLinkMade
            | UnknownLinkRefused
            | ScriptFailed
            | ScriptSucceeded
            | UnknownScriptFinished
            | FileBad
            | FileAsItWas
            | ProcessGone
            | ProcessThere
            | SessionUp
            | SessionDown
            | OurAddressClaimedByUs
            | OtherAddressClaimed
            | OurSocketOpening
            | OurSocketOpen
            | ReloadedUnchanged,
        ) => stays(NOTHING),

        // ---- fault ----
        (Fault, TickDue) => stays(&["run chk"]),
        (Fault, ReloadedWithoutInstance) => (None, vec!["notify VI_1 FAULT"]),
        (Fault, ShutdownRequested) => to(Init, &["notify VI_1 STOP", "finished"]),
        (
            Fault,
            TickNothingDue
            | AdvertHigher
            | HeartbeatOfMaster
            | AdvertLower
            | AdvertResigning
            | PacketDamaged
            | KernelListedAsItIs
            | KernelListedWithoutOurLink
            | OurLinkUnchanged
            | OurLinkDown
            | OtherLinkDown
            | OurLinkRemoved
            | OtherLinkRemoved
            | OtherAddressAdded
            | OurVirtualAddressAdded
            | OtherAddressRemoved
            | OurVirtualAddressRemoved
            | OurRouteRemoved
            | OtherRouteRemoved
            | OurRuleRemoved
            | OtherRuleRemoved
            | OurAddressRefused
            | OurRouteRefused
            | OurRuleRefused
            | AdvertRefused
            | GatesRefused
            | OurAddressReleased
            | HeartbeatRefused
            | UnknownLinkMade
            | UnknownLinkRefused
            | ScriptFailed
            | ScriptSucceeded
            | UnknownScriptFinished
            | FileBad
            | FileAsItWas
            | ProcessGone
            | ProcessThere
            | SessionUp
            | SessionDown
            | OurAddressClaimedBySomebody
            | OurAddressClaimedByUs
            | OtherAddressClaimed
            | OurSocketOpening
            | OurSocketOpen
            | OurSocketRefused
            | ReloadedUnchanged,
        ) => stays(NOTHING),
    }
}

/// Before the kernel is listed no socket is wanted, and then it is one nobody asked for.
fn listening(node: &mut Node, listening: Listening) {
    let group = Listen::Group(ip("224.0.0.18"));
    let socket = node.router.wanted_sockets().first().copied().unwrap_or(Socket {
        link: Some(ETH0),
        listen: group,
        carries: Carries::Adverts,
    });
    node.step(Input::SocketBecame { socket, listening });
}

#[test]
fn every_fact_in_every_state_does_what_the_table_says() {
    let mut wrong = vec![];
    for state in [Init, Backup, Master, Fault] {
        for fact in FACTS {
            let mut node = node_in(state);
            tell(&mut node, fact);
            let after = node.router.report().instances.first().map(|instance| instance.state);
            let effects = node.effects();
            let (expected_state, expected_effects) = expected(state, fact);
            if (after, &effects)
                != (expected_state, &expected_effects.iter().map(|&effect| effect.into()).collect())
            {
                wrong.push(format!(
                    "{state}, {fact:?}:\n  expected {expected_state:?} {expected_effects:?}\n  found    {after:?} {effects:?}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} pairs:\n{}", wrong.len(), 4 * FACTS.len(), wrong.join("\n"));
}

/// Fails to compile when an input is added, so that nobody forgets a row above.
#[test]
fn every_input_is_a_row() {
    let row = |input: Input<'_>| match input {
        Input::Tick => TickDue,
        Input::ClockRead { .. } => Fact::ClockRead,
        Input::PacketReceived(Packet { .. }) => AdvertHigher,
        Input::HeartbeatReceived(_) => HeartbeatOfMaster,
        Input::HeartbeatRefused { .. } => Fact::HeartbeatRefused,
        Input::KernelListed { .. } => KernelListedAsItIs,
        Input::LinkChanged(_) => OurLinkDown,
        Input::LinkRemoved(_) => OurLinkRemoved,
        Input::AddressAdded(..) => OurVirtualAddressAdded,
        Input::AddressRemoved(..) => OurVirtualAddressRemoved,
        Input::RouteRemoved(_) => OurRouteRemoved,
        Input::RuleRemoved { .. } => OurRuleRemoved,
        Input::AddressRefused { .. } => OurAddressRefused,
        Input::RouteRefused { .. } => OurRouteRefused,
        Input::RuleRefused { .. } => OurRuleRefused,
        Input::AdvertRefused { .. } => Fact::AdvertRefused,
        Input::GatesRefused { .. } => Fact::GatesRefused,
        Input::AddressReleased(_) => OurAddressReleased,
        Input::LinkMade { .. } => UnknownLinkMade,
        Input::LinkRefused { .. } => UnknownLinkRefused,
        Input::ScriptFinished { .. } => ScriptFailed,
        Input::FileRead { .. } => FileBad,
        Input::ProcessesCounted { .. } => ProcessGone,
        Input::SessionBecame { .. } => SessionDown,
        Input::ClaimHeard { .. } => OurAddressClaimedBySomebody,
        Input::SocketBecame { .. } => OurSocketRefused,
        Input::Reloaded(_) => ReloadedUnchanged,
        Input::ShutdownRequested => Fact::ShutdownRequested,
    };
    let instance: Arc<str> = "VI_1".into();
    assert!(FACTS.contains(&row(Input::AdvertRefused { instance, errno: EPERM })));
}
