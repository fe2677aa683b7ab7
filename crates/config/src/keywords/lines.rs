//! Lines that are not keyword and arguments but a small language each: addresses, routes, rules.

use super::{Block, Contents, Keyword, option};

/// `static_ipaddress`.
pub(super) static STATIC_ADDRESSES: Block = Block { contents: Contents::Lines(&[ADDRESS, TRACKED_ADDRESS]) };
/// `virtual_ipaddress` and `virtual_ipaddress_excluded`.
pub(super) static VIRTUAL_ADDRESSES: Block = Block { contents: Contents::Lines(&[ADDRESS, VIRTUAL_ADDRESS]) };
/// `static_routes`.
pub(super) static STATIC_ROUTES: Block = Block { contents: Contents::Lines(&[ROUTE, TRACKED]) };
/// `virtual_routes`.
pub(super) static VIRTUAL_ROUTES: Block = Block { contents: Contents::Lines(&[ROUTE]) };
/// `static_rules`.
pub(super) static STATIC_RULES: Block = Block { contents: Contents::Lines(&[RULE, TRACKED]) };
/// `virtual_rules`.
pub(super) static VIRTUAL_RULES: Block = Block { contents: Contents::Lines(&[RULE]) };

/// Every address line.
#[rustfmt::skip]
static ADDRESS: &[Keyword] = &[
    option("<IPADDR>[/MASK]", "address, prefix default /32 or /128", "-", "addresses", "The address itself"),
    option("brd|broadcast", "ADDR|-|+", "none", "addresses",
        "Broadcast address; - clears, + sets host bits (IPv4 only)"),
    option("dev", "IFNAME", "instance interface / default_interface", "addresses", "Interface to put it on"),
    option("scope", "site|link|host|nowhere|global", "global", "addresses", "IPv4 scope (ignored for IPv6)"),
    option("label", "STRING<16", "none", "addresses", "IPv4 label"),
    option("peer", "ADDR[/MASK]", "none", "addresses", "Point-to-point peer"),
    option("home", "(flag)", "off", "addresses", "IFA_F_HOMEADDRESS"),
    option("-nodad", "(flag)", "nodad is on for VIPs", "addresses", "Re-enable duplicate address detection"),
    option("mngtmpaddr", "(flag)", "off", "addresses", "IFA_F_MANAGETEMPADDR"),
    option("noprefixroute", "(flag)", "off", "addresses", "IFA_F_NOPREFIXROUTE"),
    option("autojoin", "(flag)", "off", "addresses", "IFA_F_MCAUTOJOIN"),
    option("no_track", "(flag)", "tracked", "addresses", "Deleting it does not fault the instance"),
    option("preferred_lft", "SECS|forever", "0 for /128 else forever", "addresses",
        "IPv6 preferred lifetime"),
];

/// A static address, too.
#[rustfmt::skip]
static TRACKED_ADDRESS: &[Keyword] = &[
    option("track_group", "GROUP", "none", "static", "Fault the group when the address is lost"),
];

/// A virtual address, too.
#[rustfmt::skip]
static VIRTUAL_ADDRESS: &[Keyword] = &[
    option("use_vmac", "(flag)", "off", "vrrp/vmac", "Create a VMAC for this address on its dev"),
];

/// Every route line.
#[rustfmt::skip]
static ROUTE: &[Keyword] = &[
    option("inet|inet6|ip|ip6", "(flag)", "derived", "routes", "Force family"),
    option("[to] DEST", "ADDR/MASK|default", "-", "routes", "Destination"),
    option("src", "ADDR", "-", "routes", "Preferred source"),
    option("via|gw", "ADDR", "-", "routes", "Gateway (may be other family)"),
    option("or", "ADDR", "-", "routes", "Old form of a second gateway (builds a 2-hop nexthop)"),
    option("dev|oif", "IF", "-", "routes", "Output interface (tracked unless no_track)"),
    option("table", "ID|name", "main", "routes", "Routing table"),
    option("vrf", "IF", "-", "routes", "VRF device, sets table"),
    option("scope", "name", "by type", "routes", "Scope"),
    option("tos|dsfield", "N", "0", "routes", "TOS"),
    option("protocol", "N|name", "keepalived(18)", "routes", "Route protocol"),
    option("metric|priority|preference", "N", "0", "routes", "Metric"),
    option("type word", "unicast|local|blackhole|unreachable|prohibit|throw|...", "unicast", "routes",
        "Route type"),
    option("nexthop", "via A dev I weight N onlink encap..", "-", "routes", "Multipath hop (repeatable)"),
    option("weight", "N 1..256", "1", "routes", "Hop weight"),
    option("onlink", "(flag)", "off", "routes", "Gateway on link"),
    option("mtu", "[lock] N", "-", "routes", "Metric mtu"),
    option("advmss", "[lock] N", "-", "routes", "Metric"),
    option("hoplimit", "[lock] N", "-", "routes", "Metric"),
    option("window", "[lock] N", "-", "routes", "Metric"),
    option("rtt", "[lock] N", "-", "routes", "Metric"),
    option("rttvar", "[lock] N", "-", "routes", "Metric"),
    option("reordering", "[lock] N", "-", "routes", "Metric"),
    option("cwnd", "[lock] N", "-", "routes", "Metric"),
    option("ssthresh", "[lock] N", "-", "routes", "Metric"),
    option("rto_min", "[lock] T", "-", "routes", "Metric"),
    option("initcwnd", "[lock] N", "-", "routes", "Metric"),
    option("initrwnd", "[lock] N", "-", "routes", "Metric"),
    option("quickack", "BOOL", "-", "routes", "Metric"),
    option("congctl", "[lock] NAME", "-", "routes", "Congestion control"),
    option("features", "ecn", "-", "routes", "Route features"),
    option("fastopen_no_cookie", "0|1", "-", "routes", "TFO without cookie"),
    option("realms", "[a/]b", "-", "routes", "Realms"),
    option("expires", "SECS", "-", "routes", "IPv6 expiry"),
    option("pref", "low|medium|high", "medium", "routes", "IPv6 router preference"),
    option("ttl-propagate", "enabled|disabled", "-", "routes", "MPLS TTL propagation"),
    option("as", "[to] ADDR", "-", "routes", "New destination (RTA_NEWDST)"),
    option("encap", "mpls|ip|ip6|ila ... (id, dst, src, tos, tc, ttl, hoplimit, flags)", "-", "routes",
        "Lightweight tunnel encap"),
    option("add|append|prepend", "(flag)", "prepend", "routes", "Insertion mode"),
    option("no_track", "(flag)", "tracked", "routes", "Losing the route does not fault the instance"),
];

/// Every rule line.
#[rustfmt::skip]
static RULE: &[Keyword] = &[
    option("inet|inet6", "(flag)", "IPv4 if ambiguous", "rules", "Family"),
    option("from", "PREFIX", "-", "rules", "Source selector"),
    option("to", "PREFIX", "-", "rules", "Destination selector"),
    option("not", "(flag)", "off", "rules", "Invert"),
    option("tos|dsfield", "N", "-", "rules", "TOS selector"),
    option("fwmark", "N[/MASK]", "-", "rules", "Mark selector"),
    option("iif|dev", "IF", "-", "rules", "Input interface (tracked)"),
    option("oif", "IF", "-", "rules", "Output interface (tracked)"),
    option("preference|priority|order", "N", "auto-assigned with warning", "rules", "Rule priority"),
    option("table|lookup", "ID|name", "-", "rules", "Table action"),
    option("l3mdev", "(flag)", "-", "rules", "l3mdev table"),
    option("goto", "PRIO", "-", "rules", "Jump action"),
    option("nop", "(flag)", "-", "rules", "No-op action"),
    option("type word", "unicast|blackhole|unreachable|prohibit", "unicast", "rules", "Action"),
    option("realms", "[a/]b", "-", "rules", "Realms"),
    option("suppress_prefixlength|sup_pl", "N", "-", "rules", "Suppress"),
    option("suppress_ifgroup|sup_group", "ID", "-", "rules", "Suppress group"),
    option("tunnel-id", "N", "-", "rules", "Tunnel id selector"),
    option("uidrange", "A-B", "-", "rules", "UID selector"),
    option("ipproto|ip_proto", "NAME|N", "-", "rules", "L4 protocol selector"),
    option("sport", "A[-B]", "-", "rules", "Source port selector"),
    option("dport", "A[-B]", "-", "rules", "Destination port selector"),
    option("protocol", "N|name", "keepalived", "rules", "Rule protocol"),
    option("no_track", "(flag)", "tracked", "rules", "Losing the rule does not fault the instance"),
];

/// A static route or rule, too.
#[rustfmt::skip]
static TRACKED: &[Keyword] = &[
    option("track_group", "GROUP", "-", "static", "Track group"),
];
