//! Prints the keyword table, a row a line: block, keyword, subsystem, and whose word it is, with tabs between.
//!
//! `cargo xtask coverage` reads it; xtask itself depends on none of our crates.

use std::io::{self, BufWriter, Write};

fn main() -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    for (path, keyword) in mainstay_config::keywords::rows() {
        let whose = if keyword.is_ours() { "mainstay" } else { "keepalived" };
        writeln!(out, "{path}\t{}\t{}\t{whose}", keyword.name, keyword.subsystem)?;
    }
    out.flush()
}
