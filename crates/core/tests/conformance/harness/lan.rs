//! Nodes on the same segments, eth0 and eth1: what one sends, all others hear at once, unless it is cut off.

use mainstay_core::heartbeat::BootId;
use mainstay_core::router::Packet;
use mainstay_core::time::Instant;

use super::*;

/// Several nodes on the same links.
#[derive(Debug)]
pub struct Lan {
    pub nodes: Vec<Node>,
    /// Nodes that are deaf and mute.
    pub cut_off: Vec<usize>,
    /// What does not pass: from whom, to whom, on which link.
    pub cuts: Vec<(usize, usize, LinkIndex)>,
}

impl Lan {
    pub fn of(mut nodes: Vec<Node>) -> Self {
        for (life, node) in nodes.iter_mut().enumerate() {
            node.router = node.router.clone().with_boot_id(BootId(life as u64 + 1));
        }
        let mut lan = Self { nodes, cut_off: vec![], cuts: vec![] };
        lan.deliver();
        lan
    }

    /// Moves all clocks, delivering as it goes.
    pub fn advance(&mut self, by: Duration) {
        let until = self.nodes[0].now + by;
        loop {
            self.deliver();
            let deadlines = self.nodes.iter().filter_map(|node| node.router.next_deadline());
            let Some(next) = deadlines.min().filter(|next| *next <= until) else { break };
            for node in &mut self.nodes {
                node.now = node.now.max(next);
                node.advance_to_next_deadline(next);
            }
        }
        for node in &mut self.nodes {
            node.now = until;
        }
    }

    /// Indexes of the nodes whose first instance is master.
    pub fn masters(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|&index| self.nodes[index].state() == Master).collect()
    }

    /// Hands out what was sent, and the answers to it, until the segment is silent.
    fn deliver(&mut self) {
        for round in 0.. {
            assert!(round < 100, "the nodes answer each other for ever");
            let sent: Vec<(usize, Instant, Sent)> =
                (0..self.nodes.len()).flat_map(|from| self.sent_by(from)).collect();
            if sent.is_empty() {
                return;
            }
            for (from, at, sent) in sent {
                for (to, node) in self.nodes.iter_mut().enumerate() {
                    let isolated = self.cut_off.contains(&to) || self.cut_off.contains(&from);
                    let cut = self.cuts.contains(&(from, to, sent.link));
                    if to == from || isolated || cut || !sent.reaches(node) {
                        continue;
                    }
                    node.now = node.now.max(at);
                    let Sent { link, source, destination, envelope, .. } = sent;
                    let packet =
                        Packet { link, source, destination, ttl: 255, envelope, payload: &sent.payload };
                    node.step(match sent.heartbeat {
                        true => Input::HeartbeatReceived(packet),
                        false => Input::PacketReceived(packet),
                    });
                }
            }
        }
    }

    fn sent_by(&mut self, from: usize) -> Vec<(usize, Instant, Sent)> {
        let node = &mut self.nodes[from];
        let sent = node.new_orders().iter().filter_map(|(at, action)| match action {
            Action::SendAdvert(advert) => Some((
                from,
                *at,
                Sent {
                    heartbeat: false,
                    link: advert.link.expect("every instance here has a link"),
                    source: advert.source,
                    destination: advert.destination,
                    envelope: advert.envelope,
                    payload: advert.payload.to_vec(),
                },
            )),
            Action::SendHeartbeat(datagram) => Some((
                from,
                *at,
                Sent {
                    heartbeat: true,
                    link: datagram.link.expect("every leg here has a link"),
                    source: datagram.source,
                    destination: datagram.destination,
                    envelope: Envelope::Bare,
                    payload: datagram.payload.to_vec(),
                },
            )),
            _ => None,
        });
        let sent = sent.collect();
        node.forget();
        sent
    }
}

#[derive(Debug)]
struct Sent {
    heartbeat: bool,
    link: LinkIndex,
    source: IpAddr,
    destination: IpAddr,
    envelope: Envelope,
    payload: Vec<u8>,
}

impl Sent {
    /// Whether a node listens to where this was sent.
    fn reaches(&self, node: &Node) -> bool {
        self.destination.is_multicast() || node.addresses.contains(&(self.link, self.destination))
    }
}
