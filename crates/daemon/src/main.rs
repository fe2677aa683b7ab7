//! `mainstay`: see the library of this package.

fn main() {}
