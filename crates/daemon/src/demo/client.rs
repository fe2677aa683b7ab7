//! The client: asks the web service behind the virtual address a hundred times a second, and remembers every answer.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::web;

/// Time between two questions.
pub const PERIOD: Duration = Duration::from_millis(10);

/// A question not answered in this time is given up, and the next one asked. It bounds what an outage is measured to.
const PATIENCE: Duration = Duration::from_millis(50);

/// What the client remembers.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    answers: Arc<Mutex<Vec<Answer>>>,
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

/// Asks until [`Memory::stop`]. Runs on a thread inside the client's namespace.
pub fn ask(service: SocketAddr, memory: &Memory) {
    let mut next = Instant::now();
    while !memory.enough.load(Ordering::Relaxed) {
        if let Ok(from) = web::fetch(service, PATIENCE) {
            memory.remember(Answer { at: Instant::now(), from });
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
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).push(answer);
    }

    /// Ends [`ask`] after its present question.
    pub fn stop(&self) {
        self.enough.store(true, Ordering::Relaxed);
    }

    /// The last answer.
    #[must_use]
    pub fn last(&self) -> Option<Answer> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).last().cloned()
    }

    /// The answers that came in since, oldest first.
    #[must_use]
    pub fn since(&self, start: Instant) -> Vec<Answer> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let first = answers.partition_point(|answer| answer.at < start);
        answers[first..].to_vec()
    }

    /// The longest time without an answer between `start` and `end`.
    ///
    /// The last answer before `start` counts as its beginning, so a failure that begins at `start` is measured whole.
    #[must_use]
    pub fn longest_silence(&self, start: Instant, end: Instant) -> Duration {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let times: Vec<Instant> = answers.iter().map(|answer| answer.at).collect();
        longest_gap(&times, start, end)
    }
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
