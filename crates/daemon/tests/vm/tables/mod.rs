//! The same file, the same table: what our director and keepalived make of a configuration in the kernel's IPVS.
//!
//! Each file is given to both, in a network namespace each, in which every interface it names is there and nobody
//! answers. The tables are compared in three moments ([`Stage`]): after the start, when all that is asked has been
//! refused and checks have had their time, and after the end. A table is what `ipvsadm` says of it ([`listing`]).
//! Where the two differ, [`review`] must know it.
//!
//! Our own files are [`files`] and the examples. With `cargo xtask vm-tables` those of the corpus come as well.

mod comparison;
mod listing;
mod review;
mod scene;
mod subject;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, ensure};
use mainstay::lab::Lab;

use self::comparison::{Found, Outcome, compare};
use self::review::Review;
use self::subject::{Subject, subjects};

/// Files under comparison at a time. Most of it is waiting for checks.
const AT_ONCE: usize = 8;

#[test]
fn every_file_gives_keepaliveds_table_or_the_difference_is_known() -> Result<()> {
    let subjects = subjects()?;
    let found = compare_all(&subjects);
    let mut review = Review::read()?;
    let (mut equal, mut compared, mut wrong) = (0, 0, Vec::new());
    for (subject, outcome) in subjects.iter().zip(&found) {
        let found = match outcome {
            Ok(Outcome::Compared(found)) => found,
            Ok(Outcome::NothingToCompare(why)) if !subject.is_ours() => {
                println!("{subject}: not compared, {why}");
                continue;
            }
            Ok(Outcome::NothingToCompare(why)) => {
                wrong.push(format!("{subject}: not compared, {why}"));
                continue;
            }
            Err(error) => {
                wrong.push(format!("{subject}: {error:#}"));
                continue;
            }
        };
        compared += 1;
        equal += usize::from(found.iter().all(Found::is_equal));
        for found in found {
            wrong.extend(review.judge(subject, found));
        }
    }
    wrong.extend(review.rest(&subjects));
    println!("tables equal {equal} of {compared}");
    ensure!(compared > 0, "no file was compared");
    ensure!(wrong.is_empty(), "not in differences.tsv as it is:\n{}", wrong.join("\n"));
    Ok(())
}

/// Compares some at a time, each in its own namespaces.
fn compare_all(subjects: &[Subject]) -> Vec<Result<Outcome>> {
    let next = AtomicUsize::new(0);
    let found: Vec<Mutex<Option<Result<Outcome>>>> = subjects.iter().map(|_| Mutex::new(None)).collect();
    // A lab that ends kills whoever lives in a namespace with the number of one of its own, and numbers are used again:
    // all labs stay until nobody works any more.
    let labs: Mutex<Vec<Lab>> = Mutex::default();
    thread::scope(|scope| {
        for worker in 0..AT_ONCE.min(subjects.len()) {
            let (next, found, labs) = (&next, &found, &labs);
            scope.spawn(move || {
                let lab = Lab::new(&format!("tables-{worker}"));
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let (Some(subject), Some(place)) = (subjects.get(number), found.get(number)) else {
                        break;
                    };
                    let outcome = match &lab {
                        Ok(lab) => compare(lab, number, subject),
                        Err(error) => Err(anyhow::anyhow!("no lab: {error:#}")),
                    };
                    *place.lock().expect("nobody panics with it") = Some(outcome);
                }
                labs.lock().expect("nobody panics with it").extend(lab);
            });
        }
    });
    let outcomes = found.into_iter().map(|place| place.into_inner().expect("nobody panicked with it"));
    outcomes.map(|outcome| outcome.context("it was compared")?).collect()
}
