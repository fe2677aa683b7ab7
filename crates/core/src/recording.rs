//! Recordings: everything a router was told and when, so that what it did can be looked at again, step by step.
//!
//! A router is a function of what it is told. A recording holds that, from its first moment on, and for each step a
//! digest of what was ordered: whoever replays it sees whether the same orders come out. It begins with [`MAGIC`], the
//! format, and the version of Mainstay that made it; then frames follow, four bytes of length (little endian) and a
//! postcard value each: one [`Head`], then [`Entry`] after [`Entry`].
//!
//! The values are those of this version's types: another version may not be able to read them, and says so.

use alloc::borrow::{Cow, ToOwned as _};
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::heartbeat::BootId;
use crate::router::{Action, Input, Resume, Router, RouterPlan};
use crate::time::{Duration, Instant};

/// The first bytes of a recording.
pub const MAGIC: &[u8; 8] = b"MSTAPE\r\n";

/// The format of frames and of everything that is not a value of the router's types.
pub const FORMAT: u16 = 1;

/// What the router was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head<'a> {
    /// When, by its own clock.
    pub now: Instant,
    /// The machine's uptime then.
    pub since_boot: Duration,
    /// What it calls this life of its own in heartbeats.
    pub boot: BootId,
    /// What it found the kernel answering for ([`Router::with_open_gates`]).
    pub open: Option<BTreeSet<IpAddr>>,
    /// Its plan.
    pub plan: Cow<'a, RouterPlan>,
    /// What a crashed predecessor left.
    pub resume: Option<Cow<'a, Resume>>,
}

impl Head<'_> {
    /// The router it was.
    #[must_use]
    pub fn into_router(self) -> Router {
        let Self { now, since_boot, boot, open, plan, resume } = self;
        Router::new(now, since_boot, plan.into_owned(), resume.as_deref())
            .with_boot_id(boot)
            .with_open_gates(open)
    }
}

/// Something that happened to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry<'a> {
    /// A step.
    Step(#[serde(borrow)] Step<'a>),
    /// So many steps are missing, because whoever wrote them did not keep up. The rest cannot be replayed.
    Lost(u64),
    /// The recording reached its greatest size and ends here.
    Full,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step<'a> {
    /// When.
    pub now: Instant,
    /// What the router was told.
    #[serde(borrow)]
    pub input: Input<'a>,
    /// [`digest`] of what it ordered.
    pub digest: u64,
}

/// Why a recording cannot be replayed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It does not begin like one.
    #[error("this is no recording")]
    NotARecording,
    /// It was made by another version.
    #[error("recorded by Mainstay {0}, and what it holds has another form here")]
    OtherVersion(String),
    /// A frame does not decode.
    #[error("frame {0} is damaged")]
    Damaged(u64),
    /// Steps are missing.
    #[error("{steps} steps after step {after} were not written in time: what follows is not known")]
    Lost {
        /// The last step that is there.
        after: u64,
        /// How many are missing.
        steps: u64,
    },
}

/// A number for what was ordered: FNV-1a (64 bits) of how it reads in a trace.
#[must_use]
pub fn digest(actions: &[Action]) -> u64 {
    struct Fnv(u64);
    impl core::fmt::Write for Fnv {
        fn write_str(&mut self, text: &str) -> core::fmt::Result {
            for byte in text.bytes() {
                self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
            Ok(())
        }
    }
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
    for action in actions {
        // This writer takes everything.
        let _ = write!(hash, "{action:?};");
    }
    hash.0
}

/// The beginning of a recording, with its head.
#[must_use]
pub fn begin(version: &str, head: &Head<'_>) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(FORMAT.to_le_bytes());
    let version = version.as_bytes().get(..255).unwrap_or(version.as_bytes());
    bytes.push(version.len() as u8);
    bytes.extend(version);
    append_frame(&mut bytes, head);
    bytes
}

/// One entry as a frame.
#[must_use]
pub fn frame(entry: &Entry<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    append_frame(&mut bytes, entry);
    bytes
}

/// A step whose outcome is not known yet: the input is gone once the router has taken it.
#[derive(Debug)]
pub struct Begun(Vec<u8>);

impl Begun {
    /// Notes what the router is about to be told.
    #[must_use]
    pub fn new(now: Instant, input: &Input<'_>) -> Self {
        // As `Entry::Step` is written: its number, then the fields of the step.
        const STEP: u32 = 0;
        Self(postcard::to_extend(&(STEP, now, input), Vec::from([0; LENGTH])).unwrap_or_default())
    }

    /// The frame of the step.
    #[must_use]
    pub fn end(self, actions: &[Action]) -> Vec<u8> {
        let mut bytes = postcard::to_extend(&digest(actions), self.0).unwrap_or_default();
        set_length(&mut bytes, 0);
        bytes
    }
}

/// Bytes of a frame's length.
const LENGTH: usize = 4;

fn append_frame<T: Serialize>(bytes: &mut Vec<u8>, value: &T) {
    let at = bytes.len();
    bytes.extend([0; LENGTH]);
    // Writing to memory fails only for values postcard has no form for; ours have one, as the tests show.
    *bytes = postcard::to_extend(value, core::mem::take(bytes)).unwrap_or_default();
    set_length(bytes, at);
}

fn set_length(bytes: &mut [u8], at: usize) {
    let length = bytes.len().saturating_sub(at + LENGTH) as u32;
    if let Some(place) = bytes.get_mut(at..at + LENGTH) {
        place.copy_from_slice(&length.to_le_bytes());
    }
}

/// A recording that is being replayed.
#[derive(Debug)]
pub struct Replay<'a> {
    /// The router as it is after the steps taken so far.
    pub router: Router,
    /// Version that recorded it.
    version: &'a str,
    rest: &'a [u8],
    frames: u64,
    steps: u64,
}

/// One step, replayed.
#[derive(Debug)]
pub struct Replayed<'a> {
    /// Which, from 1.
    pub number: u64,
    /// When, and what the router was told.
    pub step: Step<'a>,
    /// What it orders now.
    pub actions: Vec<Action>,
}

impl Replayed<'_> {
    /// Whether it orders now what it ordered then.
    #[must_use]
    pub fn is_as_recorded(&self) -> bool {
        digest(&self.actions) == self.step.digest
    }
}

impl<'a> Replay<'a> {
    /// Reads the head of a recording.
    ///
    /// # Errors
    /// When it is none, or of another version.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(Unreadable::NotARecording)?;
        let (format, rest) = rest.split_first_chunk().ok_or(Unreadable::NotARecording)?;
        let (length, rest) = rest.split_first().ok_or(Unreadable::NotARecording)?;
        let (version, rest) = rest.split_at_checked(usize::from(*length)).ok_or(Unreadable::NotARecording)?;
        let version = core::str::from_utf8(version).map_err(|_| Unreadable::NotARecording)?;
        let other = || Unreadable::OtherVersion(version.to_owned());
        if u16::from_le_bytes(*format) != FORMAT {
            return Err(other());
        }
        let (frame, rest) = split_frame(rest).ok_or(Unreadable::Damaged(0))?;
        let head: Head<'_> = decode(frame).ok_or_else(other)?;
        let router = head.into_router();
        Ok(Self { router, version, rest, frames: 0, steps: 0 })
    }

    /// Version that recorded it.
    #[must_use]
    pub const fn version(&self) -> &'a str {
        self.version
    }

    /// Takes the next step; `None` at the end. A last frame that is not complete is none: its writer was killed.
    ///
    /// # Errors
    /// When something is missing or damaged.
    pub fn step(&mut self) -> Option<Result<Replayed<'a>, Unreadable>> {
        let (frame, rest) = split_frame(self.rest)?;
        self.rest = rest;
        self.frames += 1;
        let step = match decode(frame) {
            Some(Entry::Step(step)) => step,
            Some(Entry::Lost(steps)) => {
                self.rest = &[];
                return Some(Err(Unreadable::Lost { after: self.steps, steps }));
            }
            Some(Entry::Full) => return None,
            None => {
                self.rest = &[];
                return Some(Err(Unreadable::Damaged(self.frames)));
            }
        };
        self.steps += 1;
        let mut actions = Vec::new();
        self.router.step(step.now, step.input.clone(), &mut actions);
        Some(Ok(Replayed { number: self.steps, step, actions }))
    }
}

fn split_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH>()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}

fn decode<'a, T: Deserialize<'a>>(frame: &'a [u8]) -> Option<T> {
    match postcard::take_from_bytes(frame) {
        Ok((value, [])) => Some(value),
        Ok(_) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::LinkIndex;
    use crate::router::Packet;
    use crate::vrrp::ah::Envelope;

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    /// A recording of three steps: made, told of the kernel, and asked to end.
    fn recording(falsified: bool) -> Vec<u8> {
        let plan = RouterPlan::default();
        let head = Head {
            now: at(1),
            since_boot: Duration::from_secs(1),
            boot: BootId::default(),
            open: None,
            plan: Cow::Borrowed(&plan),
            resume: None,
        };
        let mut bytes = begin("0.1.0", &head);
        let mut router = Router::new(head.now, head.since_boot, plan.clone(), None);
        let packet = Packet {
            link: LinkIndex(2),
            source: [10, 0, 0, 1].into(),
            destination: [224, 0, 0, 18].into(),
            ttl: 255,
            envelope: Envelope::Bare,
            payload: &[0x31, 9, 100, 0, 0, 100, 0, 0],
        };
        let inputs = [
            Input::KernelListed { links: Vec::new(), addresses: Vec::new() },
            Input::PacketReceived(packet),
            Input::ShutdownRequested,
        ];
        for (input, seconds) in inputs.into_iter().zip(2..) {
            let begun = Begun::new(at(seconds), &input);
            let mut actions = Vec::new();
            router.step(at(seconds), input, &mut actions);
            if falsified {
                actions.clear();
            }
            bytes.extend(begun.end(&actions));
        }
        bytes
    }

    #[test]
    fn a_recording_replays_to_the_same_orders() {
        let bytes = recording(false);
        let mut replay = Replay::new(&bytes).expect("a recording");
        let mut numbers = Vec::new();
        while let Some(replayed) = replay.step() {
            let replayed = replayed.expect("whole");
            assert!(replayed.is_as_recorded(), "{replayed:?}");
            numbers.push((replayed.number, replayed.step.now));
        }
        assert_eq!(numbers, [(1, at(2)), (2, at(3)), (3, at(4))]);
    }

    #[test]
    fn other_orders_than_recorded_are_seen() {
        let bytes = recording(true);
        let mut replay = Replay::new(&bytes).expect("a recording");
        let last = core::iter::from_fn(|| replay.step()).last().expect("steps").expect("whole");
        assert!(!last.actions.is_empty() && !last.is_as_recorded(), "{last:?}");
    }

    #[test]
    fn a_step_written_in_two_parts_reads_like_one_written_at_once() {
        let input = Input::AddressRemoved(LinkIndex(7), [10, 0, 0, 9].into());
        let step = Step { now: at(5), input: input.clone(), digest: digest(&[]) };
        assert_eq!(Begun::new(at(5), &input).end(&[]), frame(&Entry::Step(step)));
    }

    #[test]
    fn what_is_missing_is_said_and_ends_the_replay() {
        let mut bytes = recording(false);
        bytes.extend(frame(&Entry::Lost(5)));
        bytes.extend(frame(&Entry::Full));
        let mut replay = Replay::new(&bytes).expect("a recording");
        let ends: Vec<_> = core::iter::from_fn(|| replay.step()).skip(3).map(Result::err).collect();
        assert_eq!(ends, [Some(Unreadable::Lost { after: 3, steps: 5 })]);
    }

    #[test]
    fn a_recording_cut_off_anywhere_replays_as_far_as_it_goes() {
        let bytes = recording(false);
        for length in 0..bytes.len() {
            let Ok(mut replay) = Replay::new(&bytes[..length]) else { continue };
            let steps: Vec<_> = core::iter::from_fn(|| replay.step()).collect();
            assert!(steps.len() < 3 && steps.iter().all(Result::is_ok), "{length}: {steps:?}");
        }
    }

    #[test]
    fn damage_and_other_files_are_told_apart() {
        assert_eq!(Replay::new(b"#!/bin/sh\n").err(), Some(Unreadable::NotARecording));
        let mut bytes = recording(false);
        bytes[8] = 9;
        assert_eq!(Replay::new(&bytes).err(), Some(Unreadable::OtherVersion("0.1.0".into())));
    }
}
