//! mnvkd.
fn main() {}
