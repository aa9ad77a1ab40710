//! The program `haetae`.

use std::process::ExitCode;

fn main() -> ExitCode {
    haetae::cli::main()
}
