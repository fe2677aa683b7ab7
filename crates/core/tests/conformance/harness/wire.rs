//! Packets from elsewhere.

use mainstay_core::secret::Password;
use mainstay_core::vrrp::ah::{self, Outside};
use mainstay_core::vrrp::packet::{Emit, append_signature, emit};
use mainstay_core::vrrp::signature::Signed;

use super::*;

/// A packet a node is going to hear.
#[derive(Debug, Clone)]
pub struct Heard {
    pub link: LinkIndex,
    pub source: IpAddr,
    pub destination: IpAddr,
    pub ttl: u8,
    version: Version,
    vrid: u8,
    priority: u8,
    interval: Duration,
    addresses: Vec<IpAddr>,
    authentication: Authentication,
    pub envelope: Envelope,
    raw: Option<Vec<u8>>,
}

/// What our instance would send if it were another router: 192.0.2.251, priority 200.
pub fn advert() -> Heard {
    Heard {
        link: ETH0,
        source: ip("192.0.2.251"),
        destination: ip("224.0.0.18"),
        ttl: 255,
        version: Version::V3,
        vrid: 10,
        priority: 200,
        interval: s(1),
        addresses: vec![ip("192.0.2.1")],
        authentication: Authentication::None,
        envelope: Envelope::Bare,
        raw: None,
    }
}

impl Heard {
    pub fn from(mut self, source: &str) -> Self {
        self.source = ip(source);
        self
    }

    pub fn to(mut self, destination: &str) -> Self {
        self.destination = ip(destination);
        self
    }

    pub fn on(mut self, link: LinkIndex) -> Self {
        self.link = link;
        self
    }

    pub fn ttl(mut self, ttl: u8) -> Self {
        self.ttl = ttl;
        self
    }

    pub fn vrid(mut self, vrid: u8) -> Self {
        self.vrid = vrid;
        self
    }

    pub fn priority(mut self, priority: u8) -> Self {
        self.priority = priority;
        self
    }

    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    pub fn addresses(mut self, addresses: &[&str]) -> Self {
        self.addresses = addresses.iter().map(|address| ip(address)).collect();
        self
    }

    pub fn v2(mut self) -> Self {
        self.version = Version::V2;
        self
    }

    /// From fe80::c8 to the group, with the addresses of [`Instance::v6`].
    pub fn v6(self) -> Self {
        self.from("fe80::c8").to("ff02::12").addresses(&["fe80::1", "2001:db8::1"])
    }

    pub fn password(mut self, password: &[u8; 8]) -> Self {
        self.authentication = Authentication::Pass((*password).into());
        self
    }

    /// In an authentication header with this number.
    pub fn in_ah(mut self, password: &[u8; 8], sequence: u32) -> Self {
        let password = Password::from(*password);
        self.authentication = Authentication::Ah(password.clone());
        let identification = 1;
        let outside = Outside::of(self.source, self.destination, self.ttl, identification);
        let outside = outside.expect("IPv4, as there is no other");
        self.raw = Some(ah::seal(outside, &password, sequence, &self.payload()));
        self.envelope = Envelope::Ah { identification };
        self
    }

    /// Signed at this moment with this key.
    pub fn signed(mut self, key: u8, stamp: Stamp) -> Self {
        let message = self.payload();
        let signed =
            Signed { version: self.version, vrid: self.vrid, source: self.source, message: &message };
        let signature = signature_plan(key, Mode::Enforce).sign(signed, stamp);
        self.raw = Some(append_signature(&message, &signature, (self.source, self.destination)));
        self
    }

    /// Exactly these bytes, in hexadecimal.
    pub fn raw(mut self, hex: &str) -> Self {
        self.raw = Some(bytes(hex));
        self
    }

    /// With a change to the bytes that leaves the checksum as it was.
    pub fn damaged(mut self, damage: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut payload = self.payload();
        damage(&mut payload);
        self.raw = Some(payload);
        self
    }

    pub fn payload(&self) -> Vec<u8> {
        self.raw.clone().unwrap_or_else(|| {
            emit(&Emit {
                version: self.version,
                vrid: self.vrid,
                priority: self.priority,
                interval: self.interval,
                addresses: &self.addresses,
                authentication: &self.authentication,
                source: self.source,
                destination: self.destination,
                without_pseudo_header: false,
            })
        })
    }
}

/// Bytes from hexadecimal digits.
fn bytes(hex: &str) -> Vec<u8> {
    let pairs = (0..hex.len()).step_by(2);
    pairs.map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal")).collect()
}
