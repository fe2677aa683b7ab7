//! BFD, stepped through in a modelled world: the cases B01 to B14 of the reference (ha.md sections 2 and 5.2), and two
//! ends over a bad path.

mod acceptance;
mod machine;
mod pair;
mod reload;
mod sending;
mod world;
