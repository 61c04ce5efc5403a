//! The command-line program `pgat`.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
