//! What cargo cannot do by itself: `cargo xtask web build`, `serve` and `test`; `cargo xtask deny`.

mod browser;
mod bundle;
mod deny;
mod serve;
mod tools;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::net::IpAddr;
use std::process::ExitCode;

/// Tasks of pgat's developers
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// The browser page
    #[command(subcommand)]
    Web(Web),
    /// Check bans, licences and sources of all crates, by deny.toml
    Deny,
}

#[derive(Subcommand)]
enum Web {
    /// Build the page into target/web: static files that any web server can serve, and that need no other
    Build(Build),
    /// Build the page and serve it
    Serve {
        /// Serve target/web as it is
        #[arg(long)]
        no_build: bool,
        #[command(flatten)]
        build: Build,
        #[arg(long, default_value_t = 8080)]
        port: u16,
        /// Address to listen at
        #[arg(long, default_value = "127.0.0.1")]
        host: IpAddr,
    },
    /// Build the page and the native pgat (or take the one that env PGAT_BIN names), check the page's types, run the tests in Chromium
    Test {
        /// Use target/web and the native pgat as they are
        #[arg(long)]
        no_build: bool,
        #[command(flatten)]
        build: Build,
        /// Show the browser
        #[arg(long)]
        headed: bool,
        /// Run only the test files whose path matches, such as `lost` or `path.spec.js`; all if left out
        filter: Vec<String>,
    },
}

#[derive(clap::Args, Clone, Copy)]
struct Build {
    /// Build quickly: larger and slower
    #[arg(long)]
    dev: bool,
    /// Run wasm-opt (env WASM_OPT, or the one on PATH) for a few per cent
    #[arg(long)]
    opt: bool,
}

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    match task {
        Task::Web(task) => web(task),
        Task::Deny => deny::run(),
    }
}

fn web(task: Web) -> Result<()> {
    let target = tools::target_folder()?;
    let folder = target.join("web");
    match task {
        Web::Build(build) => bundle::build(&target, build.dev, build.opt),
        Web::Serve { no_build, build, port, host } => {
            if !no_build {
                bundle::build(&target, build.dev, build.opt)?;
            }
            let server = serve::Server::bind(&folder, (host, port).into())?;
            eprintln!("{}  (Ctrl-C ends it)", server.url()?);
            eprintln!("browsers offer WebGPU to https and to this machine itself (localhost, 127.0.0.1) alone");
            server.run();
            Ok(())
        }
        Web::Test { no_build, build, headed, filter } => {
            if !no_build {
                bundle::build(&target, build.dev, build.opt)?;
            }
            browser::test(&target, !no_build, headed, &filter)
        }
    }
}
