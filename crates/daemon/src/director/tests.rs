//! The life of the process, by its frames.

use std::thread;
use std::time::Duration;

use mainstay_core::director::DirectorPlan;

use super::*;
use crate::frames::{Channel, Ipvs};

fn start(plan: DirectorPlan, ipvs: Ipvs) -> ToDirector {
    let socket = std::env::temp_dir().join(format!("mainstay-director-{}.sock", std::process::id()));
    ToDirector::Start {
        plan: Box::new(plan),
        process: Box::default(),
        resume: None,
        ipvs,
        socket,
        shown: None,
    }
}

/// The next frame of a director that runs in a thread, memories apart.
fn heard(supervisor: &mut Channel<FromDirector, ToDirector>) -> Option<FromDirector> {
    for _ in 0..500 {
        let peer = supervisor.receive().expect("reads");
        while let Some(frame) = supervisor.next().expect("frames") {
            if !matches!(frame, FromDirector::Remember(_)) {
                return Some(frame);
            }
        }
        if peer == crate::frames::Peer::Gone {
            return None;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("nothing for five seconds");
}

#[test]
fn it_lives_by_its_frames() {
    let (mut supervisor, theirs) = Channel::pair().expect("a socket pair");
    let director = thread::spawn(move || run(theirs.into()));
    for (said, answered) in [
        (start(DirectorPlan::default(), Ipvs::None), FromDirector::Ready),
        (
            ToDirector::Reload { plan: Box::default(), process: Box::default(), shown: None },
            FromDirector::ReloadApplied,
        ),
        (ToDirector::Shutdown, FromDirector::Finished),
    ] {
        supervisor.send(&said).expect("queued");
        assert_eq!(heard(&mut supervisor), Some(answered));
    }
    director.join().expect("no panic").expect("a good end");
    assert_eq!(heard(&mut supervisor), None);
}

#[test]
fn what_comes_with_the_first_word_is_heard_too() {
    let (mut supervisor, theirs) = Channel::pair().expect("a socket pair");
    supervisor.send(&start(DirectorPlan::default(), Ipvs::Memory)).expect("queued");
    supervisor.send(&ToDirector::Shutdown).expect("queued");
    let director = thread::spawn(move || run(theirs.into()));
    // The table was not looked at, so there is nothing it could be ready for.
    assert_eq!(heard(&mut supervisor), Some(FromDirector::Finished));
    director.join().expect("no panic").expect("a good end");
}

#[test]
fn it_ends_with_the_supervisor() {
    let (supervisor, theirs) = Channel::<FromDirector, ToDirector>::pair().expect("a socket pair");
    let director = thread::spawn(move || run(theirs.into()));
    drop(supervisor);
    director.join().expect("no panic").expect("a good end");
}

#[test]
fn it_ends_with_the_supervisor_in_the_middle_of_its_work() {
    let (mut supervisor, theirs) = Channel::pair().expect("a socket pair");
    let director = thread::spawn(move || run(theirs.into()));
    supervisor.send(&start(DirectorPlan::default(), Ipvs::Memory)).expect("queued");
    assert_eq!(heard(&mut supervisor), Some(FromDirector::Ready));
    drop(supervisor);
    director.join().expect("no panic").expect("a good end");
}

#[test]
fn a_panic_is_caught_and_says_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let panics = async {
        tokio::task::yield_now().await;
        assert_eq!(1, 2, "on purpose");
    };
    assert_eq!(runtime.block_on(asking::guarded(panics)), None);
    assert_eq!(runtime.block_on(asking::guarded(async { 7 })), Some(7));
}
