//! Fifty thousand checkers: no step looks at all of them.

use std::time::{Duration, Instant};

use mainstay_core::director::{DirectorPlan, Input};

use crate::world::{Answer, SECOND, World, plan, real, virtual_server};

fn large(servers: u16, reals: u16) -> DirectorPlan {
    let servers = (0..servers).map(|number| {
        let mut server = virtual_server(&format!("192.0.{}.{}:80", number >> 8, number & 255), 0);
        server.real_servers = (0..reals)
            .map(|of| {
                let id = u32::from(number) * u32::from(reals) + u32::from(of);
                let [_, a, b, c] = id.to_be_bytes();
                real(&format!("10.{a}.{b}.{c}:80"))
            })
            .collect();
        server
    });
    plan(servers.collect())
}

/// Without optimisation, beside other tests, everything takes longer; what grows with the square takes minutes.
const PATIENCE: Duration = Duration::from_secs(if cfg!(debug_assertions) { 40 } else { 4 });

#[test]
fn fifty_thousand_checkers_take_their_turns() {
    let started = Instant::now();
    let mut world = World::new(large(50, 1000));
    world.pass(30 * SECOND);
    assert_eq!(world.asked.len(), 150_000);
    for octet in 0..=255 {
        world.server(&format!("10.0.7.{octet}"), Answer::Bad);
    }
    world.pass(15 * SECOND);
    assert_eq!(world.lines.len(), 256);
    let reloading = Instant::now();
    world.changes.clear();
    world.reload(large(50, 1000));
    assert!(world.changes.is_empty());
    let reload = reloading.elapsed();
    world.tell(Input::ShutdownRequested);
    assert_eq!(world.kernel.map(|table| table.services.len()), Some(0));
    println!("all {:?}, reload {reload:?}", started.elapsed());
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
}
