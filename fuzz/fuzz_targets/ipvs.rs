//! Any bytes at all as what the kernel tells of its load balancer: nothing panics, and what was understood can be said
//! again and is then understood as the same.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, unused_imports)]
#[path = "../parts/ipvs.rs"]
mod ipvs;

use ipvs::codec::{Answer, Order, answers};

/// Any number the kernel may have given the family.
const FAMILY: u16 = 0x22;

fuzz_target!(|input: &[u8]| {
    for (sequence, answer) in answers(input, FAMILY) {
        let mut again = Vec::new();
        match &answer {
            Answer::Service(listed) => {
                Order::AddService(&listed.service).append(&mut again, FAMILY, sequence);
                let read = answers(&again, FAMILY).find_map(|(_, answer)| match answer {
                    Answer::Service(read) => Some(read.service),
                    _ => None,
                });
                // Names are cut to what a message takes; the kernel's are never that long.
                if listed.service.scheduler.name().len() <= 16 {
                    assert_eq!(read.map(|read| read.key), Some(listed.service.key));
                }
            }
            Answer::Destination(listed) => {
                let service = mainstay_core::ipvs::ServiceKey::Mark {
                    family: mainstay_core::address::Family::V4,
                    mark: 1,
                };
                Order::AddDestination(&service, &listed.destination).append(&mut again, FAMILY, sequence);
                let read = answers(&again, FAMILY).find_map(|(_, answer)| match answer {
                    Answer::Destination(read) => Some(read.destination),
                    _ => None,
                });
                assert_eq!(read, Some(listed.destination));
            }
            Answer::Timeouts(timeouts) => {
                Order::SetTimeouts(timeouts).append(&mut again, FAMILY, sequence);
                assert!(answers(&again, FAMILY).any(|(_, read)| read == answer));
            }
            Answer::Daemon(daemon) => {
                Order::StartDaemon(daemon).append(&mut again, FAMILY, sequence);
                let roles = answers(&again, FAMILY).filter_map(|(_, answer)| match answer {
                    Answer::Daemon(read) => Some((read.role, read.id)),
                    _ => None,
                });
                assert!(roles.eq([(daemon.role, daemon.id)]));
            }
            Answer::Verdict(_)
            | Answer::End(_)
            | Answer::Family(_)
            | Answer::Info(_)
            | Answer::Unreadable => {}
        }
    }
});
