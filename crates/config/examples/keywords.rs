//! Prints the keyword table, a row a line: block, keyword, subsystem, and whose word it is, with tabs between.
//!
//! `cargo xtask coverage` reads it; xtask itself depends on none of our crates.

use std::io::{self, BufWriter, Write};

fn main() -> io::Result<()> {
    let rows = mainstay_config::keywords::rows();
    let ours = rows.iter().map(|(_, keyword)| keyword).filter(|keyword| keyword.is_ours());
    // In a block that keepalived does not know even its own words are ours.
    let blocks: Vec<&str> =
        ours.filter(|keyword| keyword.shape.block().is_some()).map(|keyword| keyword.name).collect();
    let mut out = BufWriter::new(io::stdout().lock());
    for (path, keyword) in &rows {
        let ours = keyword.is_ours() || path.split('/').any(|block| blocks.contains(&block));
        let whose = if ours { "mainstay" } else { "keepalived" };
        writeln!(out, "{path}\t{}\t{}\t{whose}", keyword.name, keyword.subsystem)?;
    }
    out.flush()
}
