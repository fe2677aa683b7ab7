//! What travels on the simulated LAN.

use std::net::IpAddr;
use std::sync::Arc;

use mainstay_core::address::LinkIndex;

/// A hardware address.
pub type Mac = [u8; 6];

/// Somebody with a port of the switch: nodes first, then hosts.
pub type Station = usize;

/// The hardware address of a station.
#[must_use]
pub const fn mac_of(station: Station) -> Mac {
    [2, 0, 0, 0, 0, station as u8]
}

/// The station of a hardware address.
#[must_use]
pub const fn station_of(mac: Mac) -> Station {
    mac[5] as Station
}

/// One Ethernet frame.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Who sent it.
    pub source: Mac,
    /// To whom.
    pub to: To,
    /// What.
    pub body: Body,
}

/// Destination of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// `ff:ff:ff:ff:ff:ff`.
    Everybody,
    /// The VRRP group's address.
    Group,
    /// One station's address.
    One(Mac),
}

/// Content of a frame.
#[derive(Debug, Clone)]
pub enum Body {
    /// A VRRP message in its IP packet.
    Vrrp(Vrrp),
    /// A heartbeat in its UDP datagram.
    Heartbeat(Beat),
    /// ARP, or neighbour discovery, which for our purpose is the same.
    Arp(Arp),
}

/// A VRRP message with what its receiver is told of the IP header.
#[derive(Debug, Clone)]
pub struct Vrrp {
    /// Who really sent it: for the judge, not for the receiver.
    pub sender: Station,
    /// IP source.
    pub source: IpAddr,
    /// IP destination.
    pub destination: IpAddr,
    /// TTL.
    pub ttl: u8,
    /// VRRP message.
    pub payload: Arc<[u8]>,
    /// A bit was flipped on the way: for the judge, not for the receiver.
    pub damaged: bool,
}

/// A heartbeat with what its receiver is told of the IP header. It always has a TTL of 255, and nothing routes it.
#[derive(Debug, Clone)]
pub struct Beat {
    /// Who really sent it: for the judge, not for the receiver.
    pub sender: Station,
    /// The link it travels on.
    pub link: LinkIndex,
    /// IP source.
    pub source: IpAddr,
    /// IP destination.
    pub destination: IpAddr,
    /// Payload of the datagram.
    pub payload: Arc<[u8]>,
    /// A bit was flipped on the way: for the judge, not for the receiver.
    pub damaged: bool,
}

/// An ARP packet.
#[derive(Debug, Clone, Copy)]
pub struct Arp {
    /// Whether it asks (gratuitous ones ask for their own address) or answers.
    pub request: bool,
    /// Whose hardware address.
    pub mac: Mac,
    /// ... belongs to which address.
    pub sender: IpAddr,
    /// Address asked for, or answered to.
    pub target: IpAddr,
}

impl Arp {
    /// Whether it announces rather than asks.
    #[must_use]
    pub fn is_gratuitous(&self) -> bool {
        self.sender == self.target
    }
}
