//! Heartbeats from elsewhere.

use mainstay_core::heartbeat::{AddressDigest, BootId, Entry, Hearing, Heartbeat, Key, packet};

use super::*;

/// A heartbeat a node is going to hear.
#[derive(Debug, Clone)]
pub struct Beat {
    pub link: LinkIndex,
    pub source: IpAddr,
    pub destination: IpAddr,
    pub ttl: u8,
    pub heartbeat: Heartbeat,
    key: Key,
}

/// What the router of [`advert`] would say of itself: 192.0.2.251, MASTER of priority 200, its first word.
pub fn heartbeat() -> Beat {
    let entry = Entry {
        family: Family::V4,
        vrid: 10,
        version: Version::V3,
        state: Master,
        priority: 200,
        interval: s(1),
        gated: false,
        addresses: AddressDigest::of(&[ip("192.0.2.1")]),
        source: ip("192.0.2.251"),
        hearings: vec![],
    };
    Beat {
        link: ETH0,
        source: ip("192.0.2.251"),
        destination: ip("224.0.0.18"),
        ttl: 255,
        heartbeat: Heartbeat {
            boot: BootId(200),
            leg: 1,
            sequence: 1,
            turn: 1,
            leaving: false,
            entries: vec![entry],
        },
        key: Key::default(),
    }
}

impl Beat {
    /// The `number`th one of its sender.
    pub fn nth(mut self, number: u64) -> Self {
        self.heartbeat.sequence = number;
        self.heartbeat.turn = number;
        self
    }

    /// Over eth1, where its sender has another address; its own second leg.
    pub fn on_eth1(mut self) -> Self {
        self.link = ETH1;
        self.source = ip("198.51.100.251");
        self.heartbeat.leg = 2;
        self
    }

    pub fn from(mut self, source: &str) -> Self {
        self.source = ip(source);
        self
    }

    pub fn to(mut self, destination: &str) -> Self {
        self.destination = ip(destination);
        self
    }

    pub fn ttl(mut self, ttl: u8) -> Self {
        self.ttl = ttl;
        self
    }

    pub fn boot(mut self, boot: u64) -> Self {
        self.heartbeat.boot = BootId(boot);
        self
    }

    pub fn key(mut self, key: &str) -> Self {
        self.key = Key::new(key.as_bytes());
        self
    }

    pub fn leaving(mut self) -> Self {
        self.heartbeat.leaving = true;
        self
    }

    /// With a change to its only entry.
    pub fn with(mut self, change: impl FnOnce(&mut Entry)) -> Self {
        change(&mut self.heartbeat.entries[0]);
        self
    }

    pub fn state(self, state: State) -> Self {
        self.with(|entry| entry.state = state)
    }

    pub fn priority(self, priority: u8) -> Self {
        self.with(|entry| entry.priority = priority)
    }

    /// Of another router: 192.0.2.250.
    pub fn of_third(mut self) -> Self {
        self.source = ip("192.0.2.250");
        self.boot(300).with(|entry| entry.source = ip("192.0.2.250"))
    }

    /// It heard this router so long ago, on the link of the adverts.
    pub fn hears(self, source: &str, age: Duration) -> Self {
        self.with(|entry| entry.hearings.push(Hearing { source: ip(source), path: 0, age }))
    }

    pub fn payload(&self) -> Vec<u8> {
        packet::emit(&self.heartbeat, &self.key)
    }
}
