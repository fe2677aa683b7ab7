//! The state machine: RFC 5880 sections 6.2 and 6.8.6, and the detection time.

use std::time::Duration;

use mainstay_core::bfd::packet::ControlPacket;
use mainstay_core::bfd::{Cause, Diagnostic, Input, State};

use crate::world::{End, at, ms, plan, says};

/// Cases B01 to B04: every state against every state the neighbour can tell.
#[test]
fn each_state_answers_each_state_of_the_neighbour_as_the_rfc_says() {
    use State::{AdminDown, Down, Init, Up};
    let table = [
        (Down, [(AdminDown, Down), (Down, Init), (Init, Up), (Up, Down)]),
        (Init, [(AdminDown, Down), (Down, Init), (Init, Up), (Up, Up)]),
        (Up, [(AdminDown, Down), (Down, Down), (Init, Up), (Up, Up)]),
    ];
    for (local, row) in table {
        for (heard, expected) in row {
            let mut end = End::in_state(local);
            let before = end.changes.len();
            end.hear(says(heard));
            assert_eq!(end.state(), expected, "{local} hears {heard}");
            let signalled = expected == Down && local != Down;
            let diagnostic = if signalled { Diagnostic::NeighborSignaledDown } else { Diagnostic::None };
            assert_eq!(end.report().diagnostic, diagnostic, "{local} hears {heard}");
            let told: Vec<_> =
                end.changes[before..].iter().map(|(_, change)| (change.from, change.to)).collect();
            let changed = if local == expected { vec![] } else { vec![(local, expected)] };
            assert_eq!(told, changed, "{local} hears {heard}");
        }
    }
    for heard in State::ALL {
        let mut end = End::in_state(Up);
        let ours = end.id().0;
        end.step(Input::ShutdownRequested);
        end.sent.clear();
        let deadline = end.sessions.next_deadline();
        end.hear_exactly(ControlPacket { your_discriminator: Some(ours), poll: true, ..says(heard) });
        assert!(end.sent.is_empty() && end.sessions.report().rejected.is_empty(), "AdminDown hears {heard}");
        assert_eq!(end.sessions.next_deadline(), deadline, "AdminDown hears {heard}");
    }
}

/// Case B05: silence of Init and Up is the end after the detection time, not before.
#[test]
fn silence_for_the_detection_time_takes_a_session_down() {
    for state in [State::Init, State::Up] {
        let mut end = End::in_state(state);
        end.hear(says(if state == State::Up { State::Up } else { State::Down }));
        end.pass(ms(30) - Duration::from_nanos(1));
        assert_eq!(end.state(), state, "3 x 10 ms are not over");
        end.pass(Duration::from_nanos(1));
        assert_eq!((end.state(), end.report().diagnostic), (State::Down, Diagnostic::DetectionTimeExpired));
        let (_, change) = *end.changes.last().expect("a change");
        assert_eq!(change.cause, Cause::Silence { silence: ms(30) });
        let said = end.take_packets().pop().expect("the neighbour is told");
        assert_eq!((said.state, said.diagnostic), (State::Down, Diagnostic::DetectionTimeExpired));
    }
}

/// Case B05: each packet starts the detection time anew.
#[test]
fn a_session_stays_up_as_long_as_packets_come_in_time() {
    let mut end = End::in_state(State::Up);
    for _ in 0..1_000 {
        end.pass(ms(29));
        end.hear(says(State::Up));
    }
    assert_eq!(end.state(), State::Up);
    assert_eq!(end.verdicts(), [true]);
}

/// Case B06: who is taken down on purpose says so, for a detection time of the neighbour, and is gone.
#[test]
fn a_session_that_is_ended_says_that_it_was_on_purpose() {
    let mut end = End::in_state(State::Up);
    end.step(Input::ShutdownRequested);
    end.pass(ms(5_000));
    let said = end.take_packets();
    assert!((3..=5).contains(&said.len()), "3 x 1 s: {said:?}");
    for packet in said {
        assert_eq!((packet.state, packet.diagnostic), (State::AdminDown, Diagnostic::AdministrativelyDown));
    }
    assert_eq!(end.sessions.next_deadline(), None, "nothing is left");
    assert_eq!(end.sockets_changed, 1);
    assert_eq!(end.verdicts(), [true], "the end of the daemon is no news about the path");
}

/// Case B07: after a detection time of silence the neighbour is unknown again, also while the session is down.
#[test]
fn a_silent_neighbour_is_forgotten_with_its_discriminator() {
    let mut end = End::in_state(State::Down);
    end.hear(says(State::AdminDown));
    assert_eq!((end.state(), end.remote_discriminator()), (State::Down, 7));
    end.pass(ms(31));
    assert_eq!((end.state(), end.remote_discriminator()), (State::Down, 0));
    assert!(end.changes.is_empty(), "{:?}", end.changes);
    end.pass(ms(2_000));
    let last = end.take_packets().pop().expect("it goes on calling");
    assert_eq!(last.your_discriminator, None);
}

/// Case B07: whoever wanted no packets may have been replaced by somebody who does.
#[test]
fn a_neighbour_that_wanted_no_packets_is_called_again_after_its_silence() {
    let mut end = End::in_state(State::Down);
    let mut mute = says(State::AdminDown);
    mute.required_min_rx = Duration::ZERO;
    mute.desired_min_tx = ms(1_000);
    end.hear(mute);
    end.pass(ms(2_999));
    assert!(end.take_sent().is_empty());
    end.pass(ms(1_001));
    assert!(!end.take_sent().is_empty());
}

#[test]
fn a_handshake_takes_two_packets_of_each_end() {
    let mut end = End::new(plan());
    end.until(at(0));
    let first = end.take_packets();
    assert_eq!(
        first.iter().map(|packet| packet.state).collect::<Vec<_>>(),
        [State::Down],
        "it calls at once"
    );
    end.hear(says(State::Down));
    let answer = end.take_packets();
    assert_eq!(answer.len(), 1, "a change is told at once");
    assert_eq!((answer[0].state, answer[0].your_discriminator.map(u32::from)), (State::Init, Some(7)));
    end.hear(says(State::Up));
    assert_eq!(end.state(), State::Up);
    assert_eq!(end.verdicts(), [true]);
    assert_eq!(end.report().counters.went_up, 1);
}

/// A neighbour that was restarted begins with another discriminator, and does not know ours.
#[test]
fn a_restarted_neighbour_is_noticed_by_its_first_packet() {
    let mut end = End::in_state(State::Up);
    let mut reborn = says(State::Down);
    reborn.my_discriminator = 8.try_into().expect("not zero");
    end.hear(reborn);
    assert_eq!(end.state(), State::Down);
    assert_eq!(end.verdicts(), [true, false]);
    end.hear(reborn);
    assert_eq!((end.state(), end.remote_discriminator()), (State::Init, 8));
}
