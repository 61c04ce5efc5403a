//! The command line. Results go to stdout, everything else to stderr.
//!
//! Exit status: 0 success; 1 negative result (`verify` above its tolerance, a failed self-test, a plan that does not fit); 2 error; 130
//! training stopped by Ctrl-C or a termination signal, so that a script does not continue with a partly trained model. A closed pipe is
//! not an error.

mod bench;
mod bench_budgets;
mod budget;
mod check;
mod console;
mod context;
mod doctor;
mod ending;
mod error;
mod evaluate;
mod forecast;
mod init;
mod inspect;
mod memory;
mod migrate;
mod open;
mod out;
mod plan;
mod progress;
mod resume;
mod setting;
mod shaders;
mod synth;
mod train;
mod tune;
mod verify;

use clap::{Args, Parser, Subcommand};
use context::{BackendKind, Context};
pub(crate) use ending::Ending;
use std::process::ExitCode;

/// Probabilistic forecasting of many time series, on any GPU.
#[derive(Parser)]
#[command(name = "pgat", version, max_term_width = 110)]
#[command(after_help = "Exit status: 0 success, 1 failed check or no plan fits, 2 error, 130 training stopped by Ctrl-C (resumable)")]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
#[command(next_help_heading = "Options of every command")]
struct Global {
    /// Use the adapter whose name, backend or driver contains NAME [default: the best adapter, see `pgat doctor`]
    #[arg(long, global = true, value_name = "NAME")]
    device: Option<String>,
    /// Where to compute [default: gpu; for `train --resume`: the backend of the run]
    #[arg(long, global = true, value_enum)]
    backend: Option<BackendKind>,
    /// Log more details to stderr; repeat for even more
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    verbose: u8,
    /// Print only warnings and errors to stderr
    #[arg(short, long, global = true)]
    quiet: bool,
}

#[derive(Subcommand)]
enum Command {
    Doctor(doctor::Options),
    Init(init::Options),
    Check(check::Options),
    Train(train::Options),
    Evaluate(evaluate::Options),
    Forecast(forecast::Options),
    Inspect(inspect::Options),
    Verify(verify::Options),
    Bench(bench::Options),
    Tune(tune::Options),
    Plan(plan::Options),
    Synth(synth::Options),
    Migrate(migrate::Options),
    #[command(hide = true)]
    Shaders(shaders::Options),
}

/// Runs the command line.
pub(crate) fn main() -> ExitCode {
    let Cli { global, command } = Cli::parse();
    console::log(global.verbose, global.quiet);
    let context = Context { device: global.device, backend: global.backend, quiet: global.quiet };
    match run(&context, command) {
        Ok(ending) => ending.into(),
        Err(e) if console::is_closed_pipe(&e) => ExitCode::SUCCESS,
        Err(e) => {
            error::print(&e);
            ExitCode::from(2)
        }
    }
}

fn run(context: &Context, command: Command) -> anyhow::Result<Ending> {
    context.check()?;
    match command {
        Command::Doctor(options) => doctor::run(context, &options),
        Command::Init(options) => init::run(context, &options),
        Command::Check(options) => check::run(context, &options),
        Command::Train(options) => train::run(context, &options),
        Command::Evaluate(options) => evaluate::run(context, &options),
        Command::Forecast(options) => forecast::run(context, &options),
        Command::Inspect(options) => inspect::run(context, &options),
        Command::Verify(options) => verify::run(context, &options),
        Command::Bench(options) => bench::run(context, &options),
        Command::Tune(options) => tune::run(context, &options),
        Command::Plan(options) => plan::run(context, &options),
        Command::Synth(options) => synth::run(context, &options),
        Command::Migrate(options) => migrate::run(context, &options),
        Command::Shaders(options) => shaders::run(&options),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_options_fit_together() {
        super::Cli::command().debug_assert();
    }
}
