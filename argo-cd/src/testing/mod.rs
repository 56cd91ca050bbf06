//! Worlds for users' tests.
