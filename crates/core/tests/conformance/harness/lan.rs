//! Nodes on one segment: what one sends, all others hear at once, unless it is cut off.

use mainstay_core::router::Packet;
use mainstay_core::time::Instant;

use super::*;

/// Several nodes on one link.
#[derive(Debug)]
pub struct Lan {
    pub nodes: Vec<Node>,
    /// Nodes that are deaf and mute.
    pub cut_off: Vec<usize>,
}

impl Lan {
    pub fn of(nodes: Vec<Node>) -> Self {
        let mut lan = Self { nodes, cut_off: vec![] };
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
                    if to == from || self.cut_off.contains(&to) || self.cut_off.contains(&from) {
                        continue;
                    }
                    node.now = node.now.max(at);
                    node.step(Input::PacketReceived(Packet {
                        link: ETH0,
                        source: sent.source,
                        destination: sent.destination,
                        ttl: 255,
                        payload: &sent.payload,
                    }));
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
                    source: advert.source,
                    destination: advert.destination,
                    payload: advert.payload.to_vec(),
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
    source: IpAddr,
    destination: IpAddr,
    payload: Vec<u8>,
}
