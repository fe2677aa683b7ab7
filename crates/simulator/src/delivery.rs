//! Frames: sent, carried, received; and the traffic of hosts.

use std::net::IpAddr;
use std::time::Duration;

use crate::fault::Cause;
use crate::frame::{Arp, Body, Frame, Station, To, mac_of, station_of};
use crate::kernel::SECOND_INDEX;
use crate::node::{Fact, Node, RING};
use crate::world::{Event, World};

/// Time between two packets of a host to each virtual router.
const PERIOD: Duration = Duration::from_secs(1);

impl World {
    /// A station sends a frame.
    pub(crate) fn send(&mut self, from: Station, frame: &Frame) {
        if let Some(node) = self.nodes.get(from)
            && !node.kernel.carrier
        {
            return;
        }
        let lost = self.network.carry(self.now, from, frame, &mut self.random, |to, after, frame| {
            self.queue.push(self.now + after, Event::Arrive(to, frame));
        });
        if lost > 0 && matches!(frame.body, Body::Vrrp(_)) {
            self.judge.excuse_for_a_while(self.now, Cause::Loss);
        }
    }

    /// The hardware destination of an IP destination.
    pub(crate) fn destination(&self, address: IpAddr) -> To {
        let is_of = |node: &Node| node.own == address || node.kernel.second == Some(address);
        let station = self.nodes.iter().position(is_of);
        station.map_or(To::Group, |station| To::One(mac_of(station)))
    }

    /// A frame arrives at a station.
    pub(crate) fn arrive(&mut self, station: Station, frame: Frame) {
        if station >= self.nodes.len() {
            if let Body::Arp(arp) = &frame.body {
                self.hosts[station - self.nodes.len()].hear(self.now, arp);
            }
            return;
        }
        let node = &mut self.nodes[station];
        let for_us = match frame.to {
            To::Everybody | To::Group => true,
            To::One(mac) => mac == node.kernel.mac,
        };
        let second = matches!(&frame.body, Body::Heartbeat(beat) if beat.link == SECOND_INDEX);
        if !for_us || !(node.kernel.carrier || second) || node.off > 0 {
            return;
        }
        if node.paused > 0 {
            if node.ring.len() < RING {
                node.ring.push(frame);
            }
            return;
        }
        match frame.body {
            Body::Vrrp(vrrp) => {
                let to_us = frame.to == To::Group || node.kernel.has(vrrp.destination);
                if node.listens && to_us {
                    self.tell(station, Fact::Packet(vrrp));
                }
            }
            Body::Heartbeat(beat) => self.beat_arrives(station, frame.to, beat),
            Body::Arp(arp) => {
                if node.watches(arp.sender) {
                    self.tell(station, Fact::Claim(arp.sender, arp.mac));
                }
                let node = &self.nodes[station];
                if arp.request && !arp.is_gratuitous() && node.holds(self.now, arp.target) {
                    let mac = node.kernel.mac;
                    let answer = Arp { request: false, mac, sender: arp.target, target: arp.sender };
                    let to = To::One(arp.mac);
                    self.send(station, &Frame { source: mac, to, body: Body::Arp(answer) });
                }
            }
        }
    }

    /// A host sends a packet to each virtual router. It takes no time on its way: all that matters is whom it reaches.
    pub(crate) fn probe(&mut self, host: usize) {
        let station = self.nodes.len() + host;
        for router in 0..self.scenario.routers {
            let address = self.scenario.virtual_address(router, 0);
            let (to, question) = self.hosts[host].probe(self.now, address);
            let reached = to.map(station_of).filter(|to| {
                self.network.passes(self.now, station, *to, &mut self.random)
                    && self.nodes.get(*to).is_some_and(|node| node.holds(self.now, address))
            });
            self.trace.mix(reached.map_or(0, |node| node as u64 + 1));
            self.judge.probed(self.now, host, address, reached);
            if let Some(frame) = question {
                self.send(station, &frame);
            }
        }
        self.later(PERIOD, Event::Probe(host));
    }
}
