//! Which nodes can tell each other by heartbeat what is so: the ways that are open between them.
//!
//! Two nodes whose heartbeats pass need not be two holders for long, whatever happens to one link: that shortens what a
//! cut, a loss and a kernel that sends no adverts excuse ([`crate::judge`]).

use crate::fault::NodeId;
use crate::network::Passage;
use crate::scenario::Second;
use crate::world::World;

impl World {
    /// Tells the judge how well each node can hear each other one now. Called whenever a fault begins or ends.
    pub(crate) fn look_at_ways(&mut self) {
        for from in 0..self.nodes.len() {
            for to in (0..self.nodes.len()).filter(|to| *to != from) {
                let passage = self.passage(from, to);
                self.judge.note_passage(self.now, (from, to), passage);
            }
        }
    }

    fn passage(&self, from: NodeId, to: NodeId) -> Passage {
        let main = self.network.passage(from, to, !self.scenario.unicast);
        let both = [from, to].map(|node| &self.nodes[node].kernel);
        let main = if both.iter().any(|kernel| !kernel.carrier) {
            Passage::Closed
        } else if both[0].refuses_to_send {
            main.min(Passage::Poor)
        } else {
            main
        };
        let second = match self.scenario.second {
            Second::None => Passage::Closed,
            Second::Multicast => self.second.passage(from, to, true),
            Second::Unicast => self.second.passage(from, to, false),
        };
        main.max(second)
    }
}
