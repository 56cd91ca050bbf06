//! Kargo as a library: warehouses, freight, stages and promotions as one queue state machine, steps behind a trait.
