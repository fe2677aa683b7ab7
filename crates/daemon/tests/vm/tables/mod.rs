//! The same file, the same table: what our director and keepalived make of a configuration in the kernel's IPVS.
//!
//! Each file is given to both, in a network namespace each, in which every interface it names is there and nobody
//! answers. The tables are compared in three moments ([`Stage`]): after the start, when all that is asked has been
//! refused and checks have had their time, and after the end. A table is what `ipvsadm` says of it ([`listing`]).
//! Where the two differ, [`review`] must know it.
//!
//! Our own files are [`files`] and the examples. With `cargo xtask vm-tables` those of the corpus come as well.

mod comparison;
mod gate;
mod group;
mod listing;
mod review;
mod scene;
mod subject;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use self::comparison::{Found, Outcome, compare};
use self::gate::Gate;
use self::review::Review;
use self::subject::{Subject, subjects, wanted};

/// Files under comparison at a time. Most of it is waiting for checks.
const AT_ONCE: usize = 24;
/// Files whose daemons start or end at a time: no more than a guest has processors.
const BUSY_AT_ONCE: usize = 2;

#[test]
fn every_file_gives_keepaliveds_table_or_the_difference_is_known() -> Result<()> {
    let wanted = wanted();
    let subjects = subjects(&wanted)?;
    let mut review = Review::read()?;
    let found = compare_all(&subjects, &review);
    let (mut equal, mut empty, mut refused, mut wrong) = (0, 0, 0, Vec::new());
    for (subject, outcome) in subjects.iter().zip(&found) {
        match outcome {
            Ok(Outcome::Compared(found)) => {
                equal += usize::from(found.iter().all(Found::is_equal));
                wrong.extend(found.iter().filter_map(|found| review.judge(subject, found)));
            }
            Ok(Outcome::Untouched) => empty += 1,
            Ok(Outcome::Refused(words)) => {
                refused += 1;
                wrong.extend(review.judge_refused(subject, words));
            }
            Err(error) => wrong.push(format!("{subject}: {error:#}")),
        }
    }
    wrong.extend(review.rest(&subjects, &wanted));
    let compared = subjects.len() - empty - refused;
    println!(
        "tables equal {equal} of {compared}; {empty} files have no virtual server for either, with {refused} \
         keepalived does not run"
    );
    ensure!(compared > 0, "no file was compared");
    ensure!(wrong.is_empty(), "not in differences.tsv as it is:\n{}", wrong.join("\n"));
    Ok(())
}

/// Compares some at a time, each in its own namespaces.
fn compare_all(subjects: &[Subject], review: &Review) -> Vec<Result<Outcome>> {
    let next = AtomicUsize::new(0);
    let gate = Gate::new(BUSY_AT_ONCE);
    let found: Vec<Mutex<Option<Result<Outcome>>>> = subjects.iter().map(|_| Mutex::new(None)).collect();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(subjects.len()) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let (Some(subject), Some(place)) = (subjects.get(number), found.get(number)) else {
                        break;
                    };
                    let start = Instant::now();
                    let outcome = compare(subject, &gate, review);
                    println!("{subject}: {:.0?}", start.elapsed());
                    *place.lock().expect("nobody panics with it") = Some(outcome);
                }
            });
        }
    });
    let outcomes = found.into_iter().map(|place| place.into_inner().expect("nobody panicked with it"));
    outcomes.map(|outcome| outcome.context("it was compared")?).collect()
}
