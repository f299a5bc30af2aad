//! meaning
