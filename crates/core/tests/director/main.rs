//! The director, stepped through in a modelled world: what its rules come to for who serves.

mod checks;
mod judgement;
mod kernel;
mod lifecycle;
mod reload;
mod scale;
mod servers;
mod table;
mod world;
