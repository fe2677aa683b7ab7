//! The stories in `scenarios/`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::story::Story;
use crate::trace::Mode;

/// Where they are.
#[must_use]
pub fn all() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_story = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "story");
    let mut stories: Vec<_> = entries.map(|entry| entry.path()).filter(is_story).collect();
    stories.sort();
    stories
}

/// Reads one and plays it.
///
/// # Errors
/// It cannot be read, or does not come out as told.
pub fn play(path: &Path, mode: Mode) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let told = || name.to_string();
    let text = std::fs::read_to_string(path).with_context(told)?;
    let outcome = Story::read(&text).and_then(|story| story.play(mode)).with_context(told)?;
    println!("{name}: {} events, hash {:016x}", outcome.events, outcome.hash);
    for (cause, time) in &outcome.dual {
        println!("  two holders for {time:?} ({cause:?})");
    }
    Ok(())
}
