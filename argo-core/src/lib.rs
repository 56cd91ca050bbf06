//! Object identity, plans, clocks, appliers, git sources and the controller runtime that every Argo crate here stands on.
