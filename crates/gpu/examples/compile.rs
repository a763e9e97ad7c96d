//! Compiles every kernel for the compute capabilities named, without a device.
//!
//! `cargo run -p vicinal-gpu --example compile -- 80 90 100`

use std::process::ExitCode;
use vicinal_gpu::{Module, compile};

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its user")]
fn main() -> ExitCode {
    let mut failed = 0;
    for capability in std::env::args().skip(1) {
        let Ok(capability) = capability.parse() else {
            eprintln!("{capability} is no compute capability; 90 stands for 9.0");
            return ExitCode::FAILURE;
        };
        for module in Module::all() {
            match compile(module, capability) {
                Ok(code) => println!("sm_{capability} {}: {} bytes", module.name(), code.len()),
                Err(error) => {
                    eprintln!("{error}");
                    failed += 1;
                }
            }
        }
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
