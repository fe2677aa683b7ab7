//! The director with real web servers in namespaces of their own, and a table in its memory.
//!
//! Needs the right to make network namespaces, and nginx. Read in this order: [`stage`], then the files about one thing
//! each.

mod life;
mod serving;
mod stage;
