//! Questions users ask about speed and memory, answered with figures.
