//! The client: asks the web service behind the virtual address a hundred times a second, and remembers every answer.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::web;

/// Time between two questions.
pub const PERIOD: Duration = Duration::from_millis(10);

/// What the client remembers.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    answers: Arc<Mutex<Vec<Answer>>>,
    failures: Arc<Mutex<Vec<Instant>>>,
    enough: Arc<AtomicBool>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// When it had arrived.
    pub at: Instant,
    /// What it said: the name of the node.
    pub from: String,
}

/// Asks until [`Memory::stop`]. Runs on a thread inside the client's namespace. A question that is not answered within
/// `patience` is given up, and the next one asked.
pub fn ask(service: SocketAddr, patience: Duration, memory: &Memory) {
    let mut next = Instant::now();
    while !memory.enough.load(Ordering::Relaxed) {
        match web::fetch(service, patience) {
            Ok(from) => memory.remember(Answer { at: Instant::now(), from }),
            Err(_) => lock(&memory.failures).push(Instant::now()),
        }
        next += PERIOD;
        match next.checked_duration_since(Instant::now()) {
            Some(rest) => thread::sleep(rest),
            None => next = Instant::now(),
        }
    }
}

impl Memory {
    fn remember(&self, answer: Answer) {
        lock(&self.answers).push(answer);
    }

    /// Ends [`ask`] after its present question.
    pub fn stop(&self) {
        self.enough.store(true, Ordering::Relaxed);
    }

    /// The last answer.
    #[must_use]
    pub fn last(&self) -> Option<Answer> {
        lock(&self.answers).last().cloned()
    }

    /// The answers that came in since, oldest first.
    #[must_use]
    pub fn since(&self, start: Instant) -> Vec<Answer> {
        let answers = lock(&self.answers);
        let first = answers.partition_point(|answer| answer.at < start);
        answers[first..].to_vec()
    }

    /// How many answers came in since, by node.
    #[must_use]
    pub fn tally(&self, start: Instant) -> Vec<(String, usize)> {
        let mut tally: Vec<(String, usize)> = Vec::new();
        for answer in self.since(start) {
            match tally.iter_mut().find(|(name, _)| *name == answer.from) {
                Some((_, count)) => *count += 1,
                None => tally.push((answer.from, 1)),
            }
        }
        tally
    }

    /// How many questions have failed since.
    #[must_use]
    pub fn failures(&self, start: Instant) -> usize {
        lock(&self.failures).iter().filter(|at| **at >= start).count()
    }

    /// The longest time without an answer between `start` and `end`.
    ///
    /// The last answer before `start` counts as its beginning, so a failure that begins at `start` is measured whole.
    #[must_use]
    pub fn longest_silence(&self, start: Instant, end: Instant) -> Duration {
        let answers = lock(&self.answers);
        let times: Vec<Instant> = answers.iter().map(|answer| answer.at).collect();
        longest_gap(&times, start, end)
    }
}

/// What was remembered counts even if a thread panicked over it.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn longest_gap(times: &[Instant], start: Instant, end: Instant) -> Duration {
    let mut before = start;
    let mut longest = Duration::ZERO;
    for &time in times.iter().filter(|&&time| time >= start && time <= end) {
        longest = longest.max(time - before);
        before = time;
    }
    longest.max(end - before)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milliseconds(figures: &[u64]) -> (Instant, Vec<Instant>) {
        let zero = Instant::now();
        (zero, figures.iter().map(|&figure| zero + Duration::from_millis(figure)).collect())
    }

    #[test]
    fn the_longest_silence_lies_between_two_answers() {
        let (zero, times) = milliseconds(&[10, 20, 650, 660]);
        assert_eq!(longest_gap(&times, zero, zero + Duration::from_millis(670)), Duration::from_millis(630));
    }

    #[test]
    fn a_silence_that_lasts_to_the_end_counts() {
        let (zero, times) = milliseconds(&[10, 20]);
        assert_eq!(longest_gap(&times, zero, zero + Duration::from_millis(900)), Duration::from_millis(880));
    }

    #[test]
    fn answers_outside_the_time_asked_about_do_not_count() {
        let (zero, times) = milliseconds(&[10, 500, 510, 2000]);
        let (start, end) = (zero + Duration::from_millis(505), zero + Duration::from_millis(600));
        assert_eq!(longest_gap(&times, start, end), Duration::from_millis(90));
    }
}
