//! The whole story in one command, one controller binary per product, one example per trait.
