//! The engine on worlds in memory.
