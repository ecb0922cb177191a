//! `monitorctl`: the suite on one machine, and the door to the deployed one.

use std::process::ExitCode;

fn main() -> ExitCode {
    monitorctl::command::main()
}
