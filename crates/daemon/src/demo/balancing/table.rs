//! The table of IPVS as people read it, and as the log tells it where the kernel has none.

use super::stage::{VIRTUAL_ADDRESS, WEB_ADDRESSES, WEB_NAMES};
use crate::demo::web;

/// The weight of each web server that is in the table.
pub type Weights = [Option<u32>; 2];

/// The table that the director's orders lead to.
#[derive(Debug, Clone, Default)]
pub struct Told {
    service: Option<Weights>,
}

impl Told {
    /// The table now; `None` without the service.
    #[must_use]
    pub const fn table(&self) -> Option<Weights> {
        self.service
    }

    /// Takes in a line of the log: an order is told before it is given.
    pub fn hear(&mut self, line: &str) {
        let Some((_, order)) = line.split_once("IPVS: ") else { return };
        if order.starts_with("add service ") {
            self.service = Some([None; 2]);
        } else if order.starts_with("delete service ") {
            self.service = None;
        }
        let Some(weights) = &mut self.service else { return };
        for (weight, address) in weights.iter_mut().zip(WEB_ADDRESSES) {
            let Some((verb, rest)) = order.split_once(&format!(" [{address}]:{} ", web::PORT)) else {
                continue;
            };
            match verb {
                "add" | "edit" => *weight = rest.rsplit(' ').next().and_then(|figure| figure.parse().ok()),
                "delete" => *weight = None,
                _ => {}
            }
        }
    }
}

/// The table in the manner of `ipvsadm -Ln`.
#[must_use]
pub fn shown(table: Option<Weights>) -> String {
    let port = web::PORT;
    let Some(weights) = table else { return "     empty".to_owned() };
    let mut text = format!("     TCP  {VIRTUAL_ADDRESS}:{port} rr");
    for ((weight, address), name) in weights.into_iter().zip(WEB_ADDRESSES).zip(WEB_NAMES) {
        if let Some(weight) = weight {
            let note = if weight == 0 { ": no new connections" } else { "" };
            text += &format!("\n       -> {address}:{port}  Masq  weight {weight}   ({name}{note})");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use mainstay_core::ipvs::{
        Change, Destination, DestinationKey, Forwarding, Protocol, Scheduler, Service, ServiceKey,
    };

    use super::*;

    fn service() -> ServiceKey {
        ServiceKey::Address { protocol: Protocol::Tcp, address: VIRTUAL_ADDRESS, port: web::PORT }
    }

    fn key(index: usize) -> DestinationKey {
        DestinationKey { address: WEB_ADDRESSES[index], port: web::PORT }
    }

    fn destination(index: usize, weight: u32) -> Destination {
        let (key, forwarding) = (key(index), Forwarding::Masquerade);
        Destination { key, forwarding, weight, upper_threshold: 0, lower_threshold: 0 }
    }

    #[test]
    fn the_log_tells_every_change_of_the_table() {
        let mut told = Told::default();
        for (change, expected) in [
            (Change::AddService(Service::new(service(), Scheduler::RoundRobin)), Some([None, None])),
            (Change::AddDestination(service(), destination(0, 1)), Some([Some(1), None])),
            (Change::AddDestination(service(), destination(1, 1)), Some([Some(1), Some(1)])),
            (Change::EditDestination(service(), destination(1, 0)), Some([Some(1), Some(0)])),
            (Change::DeleteDestination(service(), key(0)), Some([None, Some(0)])),
            (Change::DeleteService(service()), None),
        ] {
            told.hear(&format!("2026-11-21T09:48:26.787549Z DEBUG IPVS: {change}"));
            assert_eq!(told.table(), expected, "{change}");
        }
    }

    #[test]
    fn the_table_is_shown_as_ipvsadm_shows_it() {
        assert_eq!(
            shown(Some([None, Some(0)])),
            "     TCP  192.0.2.100:80 rr\n       -> 198.51.100.12:80  Masq  weight 0   (web2: no new connections)"
        );
        assert_eq!(shown(None), "     empty");
    }
}
