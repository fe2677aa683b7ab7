//! `bfd_instance`.

use super::shape::{Kind::*, MOST, Shape::*};
use super::{Block, Contents, Keyword, row};

/// The block.
pub(super) static BLOCK: Block = Block { contents: Contents::Keywords(&[KEYWORDS]) };

/// Its words.
#[rustfmt::skip]
static KEYWORDS: &[Keyword] = &[
    row("neighbor_ip", One(Address), "IP", "required", "bfd",
        "Peer"),
    row("neighbour_ip", One(Address), "IP", "-", "bfd",
        "Synonym").synonym_of("neighbor_ip"),
    row("source_ip", One(Address), "IP", "any", "bfd",
        "Local address"),
    row("min_rx", Milliseconds(1, MOST), "MS (us)", "10", "bfd",
        "Required min RX"),
    row("min_tx", Milliseconds(1, MOST), "MS (us)", "10", "bfd",
        "Desired min TX"),
    row("idle_tx", Milliseconds(1_000, MOST), "MS >=1000", "1000", "bfd",
        "TX while not up"),
    row("multiplier", Number(1, 255), "1..255", "5", "bfd",
        "Detect multiplier"),
    row("passive", Empty, "(none)", "active", "bfd",
        "Wait for peer"),
    row("ttl", Number(1, 255), "1..255", "255 (v4)", "bfd",
        "TTL sent"),
    row("hoplimit", Number(1, 255), "1..255", "64 (v6)", "bfd",
        "Hop limit sent"),
    row("max_hops", Number(-1, 255), "-1..255", "0", "bfd",
        "Allowed TTL reduction in received packets (255 = no check)"),
    row("multihop", Boolean, "[BOOL]", "off", "bfd",
        "UDP 4784 instead of 3784"),
    row("weight", Between(1, 2), "-253..253 [reverse]", "0", "bfd",
        "Default VRRP weight"),
    row("vrrp", Empty, "(none)", "both", "bfd",
        "Send events to VRRP only"),
    row("checker", Empty, "(none)", "both", "bfd",
        "Send events to checkers only"),
];
