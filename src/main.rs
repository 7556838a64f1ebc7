//! Maps `run()` to an exit code.

fn main() {}
