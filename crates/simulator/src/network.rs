//! The LAN: a learning switch, and what can go wrong on the way.

use std::sync::Arc;
use std::time::Duration;

use crate::frame::{Body, Frame, Station, To, station_of};
use crate::moment::Moment;
use crate::random::Random;

/// How long a switch remembers where a hardware address was seen.
const AGEING: Duration = Duration::from_secs(300);

/// Rates and delays that hold for every frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weather {
    /// Shortest time on the way.
    pub least_delay: Duration,
    /// Longest time on the way; the spread also reorders.
    pub most_delay: Duration,
    /// Frames lost in a million.
    pub loss: u32,
    /// Frames doubled in a million.
    pub duplication: u32,
    /// VRRP messages and heartbeats with one bit flipped, in a million.
    pub damage: u32,
}

impl Weather {
    /// A quiet LAN.
    pub const FAIR: Self = Self {
        least_delay: Duration::from_micros(40),
        most_delay: Duration::from_micros(400),
        loss: 0,
        duplication: 0,
        damage: 0,
    };
}

/// How well something passes from one station to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Passage {
    /// Not at all.
    Closed,
    /// Some of it.
    Poor,
    /// All of it.
    Free,
}

/// The network between stations.
#[derive(Debug)]
pub struct Network {
    /// What holds for every frame now.
    pub weather: Weather,
    stations: usize,
    /// Stations that are hosts come last; nobody sends them VRRP they would look at.
    nodes: usize,
    /// Where each station's hardware address was seen last.
    learned: Vec<Option<(Station, Moment)>>,
    /// How many reasons there are for nothing to pass from one station to another.
    cut: Vec<u8>,
    /// The same for multicast.
    multicast_cut: Vec<u8>,
    /// The same for VRRP, as a firewall may have it that lets UDP pass.
    advert_cut: Vec<u8>,
}

impl Network {
    /// A network of so many nodes, and stations in all.
    #[must_use]
    pub fn new(nodes: usize, stations: usize, weather: Weather) -> Self {
        let pairs = stations * stations;
        Self {
            weather,
            stations,
            nodes,
            learned: vec![None; stations],
            cut: vec![0; pairs],
            multicast_cut: vec![0; pairs],
            advert_cut: vec![0; pairs],
        }
    }

    /// One reason more (or less) for nothing to pass from `from` to `to`.
    pub fn cut(&mut self, from: Station, to: Station, more: bool) {
        count(&mut self.cut[from * self.stations + to], more);
    }

    /// One reason more (or less) for no multicast to pass from `from` to `to`.
    pub fn cut_multicast(&mut self, from: Station, to: Station, more: bool) {
        count(&mut self.multicast_cut[from * self.stations + to], more);
    }

    /// One reason more (or less) for no VRRP message to pass from `from` to `to`.
    pub fn cut_adverts(&mut self, from: Station, to: Station, more: bool) {
        count(&mut self.advert_cut[from * self.stations + to], more);
    }

    /// How well heartbeats and adverts pass from `from` to `to`.
    #[must_use]
    pub fn passage(&self, from: Station, to: Station, multicast: bool) -> Passage {
        let pair = from * self.stations + to;
        if self.cut[pair] > 0 || (multicast && self.multicast_cut[pair] > 0) {
            Passage::Closed
        } else if self.advert_cut[pair] > 0 || self.weather.loss > 0 || self.weather.damage > 0 {
            Passage::Poor
        } else {
            Passage::Free
        }
    }

    /// Whether an ordinary packet gets from one station to another. Wherever else a switch sends it, nobody looks at it.
    pub fn passes(&mut self, now: Moment, from: Station, to: Station, random: &mut Random) -> bool {
        self.learned[from] = Some((from, now));
        self.cut[from * self.stations + to] == 0 && !random.chance(self.weather.loss)
    }

    /// Carries a frame: tells `deliver` who receives it, how much later, and what arrives, perhaps damaged. Returns to how
    /// many it was lost. VRRP messages and heartbeats go to nodes only: a host does not look at them.
    pub fn carry(
        &mut self,
        now: Moment,
        from: Station,
        frame: &Frame,
        random: &mut Random,
        mut deliver: impl FnMut(Station, Duration, Frame),
    ) -> u32 {
        self.learned[station_of(frame.source)] = Some((from, now));
        let outlet = match frame.to {
            To::One(mac) => self.learned[station_of(mac)].filter(|(_, seen)| now.since(*seen) < AGEING),
            To::Everybody | To::Group => None,
        }
        .map(|(port, _)| port);
        let stations = match frame.body {
            Body::Vrrp(_) | Body::Heartbeat(_) => self.nodes,
            Body::Arp(_) => self.stations,
        };
        // Nearly always everything arrives, once and whole.
        let fair = self.weather.loss == 0 && self.weather.duplication == 0 && self.weather.damage == 0;
        let mut lost = 0;
        for to in (0..stations).filter(|to| *to != from && outlet.is_none_or(|port| port == *to)) {
            let pair = from * self.stations + to;
            let multicast = frame.to == To::Group;
            let is_advert = matches!(frame.body, Body::Vrrp(_));
            let is_cut = self.cut[pair] > 0
                || (multicast && self.multicast_cut[pair] > 0)
                || (is_advert && self.advert_cut[pair] > 0);
            if is_cut || (!fair && random.chance(self.weather.loss)) {
                lost += 1;
                continue;
            }
            let copies = if !fair && random.chance(self.weather.duplication) { 2 } else { 1 };
            for _ in 0..copies {
                let after = random.between(self.weather.least_delay, self.weather.most_delay);
                let mut frame = frame.clone();
                let fragile = match &mut frame.body {
                    Body::Vrrp(vrrp) => Some((&mut vrrp.payload, &mut vrrp.damaged)),
                    Body::Heartbeat(beat) => Some((&mut beat.payload, &mut beat.damaged)),
                    Body::Arp(_) => None,
                };
                if let Some((payload, is_damaged)) = fragile
                    && !fair
                    && random.chance(self.weather.damage)
                {
                    *payload = damaged(payload, random);
                    *is_damaged = true;
                    lost += 1;
                }
                deliver(to, after, frame);
            }
        }
        lost
    }
}

fn count(reasons: &mut u8, more: bool) {
    *reasons = if more { reasons.saturating_add(1) } else { reasons.saturating_sub(1) };
}

/// One bit flipped somewhere.
fn damaged(payload: &Arc<[u8]>, random: &mut Random) -> Arc<[u8]> {
    let mut bytes = payload.to_vec();
    if !bytes.is_empty() {
        let at = random.index(bytes.len());
        bytes[at] ^= 1 << random.below(8);
    }
    Arc::from(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Arp, mac_of};

    fn frame(from: Station, to: To) -> Frame {
        let address = std::net::IpAddr::from([10, 0, 0, 1]);
        let arp = Arp { request: true, mac: mac_of(from), sender: address, target: address };
        Frame { source: mac_of(from), to, body: Body::Arp(arp) }
    }

    fn receivers(network: &mut Network, now: Moment, from: Station, to: To) -> Vec<Station> {
        let mut random = Random::new(1);
        let frame = frame(from, to);
        let mut receivers = Vec::new();
        let _ = network.carry(now, from, &frame, &mut random, |to, _, _| receivers.push(to));
        receivers
    }

    #[test]
    fn the_switch_floods_what_it_does_not_know_and_forgets_with_age() {
        let mut network = Network::new(3, 3, Weather::FAIR);
        let to = To::One(mac_of(1));
        assert_eq!(receivers(&mut network, Moment(0), 0, to), [1, 2]);
        assert_eq!(receivers(&mut network, Moment(0), 1, To::Everybody), [0, 2]);
        assert_eq!(receivers(&mut network, Moment(1), 0, to), [1]);
        assert_eq!(receivers(&mut network, Moment(0) + AGEING, 0, to), [1, 2]);
    }

    #[test]
    fn a_cut_goes_one_way_and_may_concern_multicast_only() {
        let mut network = Network::new(2, 2, Weather::FAIR);
        network.cut(0, 1, true);
        network.cut_multicast(1, 0, true);
        assert_eq!(receivers(&mut network, Moment(0), 0, To::Everybody), []);
        assert_eq!(receivers(&mut network, Moment(0), 1, To::Group), []);
        assert_eq!(receivers(&mut network, Moment(0), 1, To::Everybody), [0]);
        network.cut(0, 1, false);
        assert_eq!(receivers(&mut network, Moment(0), 0, To::Everybody), [1]);
    }
}
