//! The program `haetae`.

fn main() {}
