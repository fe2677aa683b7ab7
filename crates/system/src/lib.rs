//! Linux behind small traits.
