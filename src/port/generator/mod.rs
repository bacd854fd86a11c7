//! `generator`: seeded synthetic traffic.
