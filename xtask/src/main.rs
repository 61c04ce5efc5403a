//! Development tasks that cargo itself does not have: `cargo xtask web build`, `serve` and `test`; `cargo xtask deny`.

mod browser;
mod bundle;
mod deny;
mod serve;
mod tools;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::net::IpAddr;
use std::process::ExitCode;

/// Development tasks of pgat
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
    /// Check the bans, licences and sources of all crates against deny.toml
    Deny,
}

#[derive(Subcommand)]
enum Web {
    /// Build the page into target/web: static files for any web server, without references to other servers
    Build(Build),
    /// Build the page and serve it
    Serve {
        /// Serve the existing target/web without building
        #[arg(long)]
        no_build: bool,
        #[command(flatten)]
        build: Build,
        /// Port to listen on; 0 for any free port
        #[arg(long, default_value_t = 8080)]
        port: u16,
        /// Address to listen on
        #[arg(long, default_value = "127.0.0.1")]
        host: IpAddr,
    },
    /// Build the page and the native pgat, check the page's types, and run the tests in Chromium; if the environment variable PGAT_BIN is
    /// set, the tests use that program instead of building the native pgat
    Test {
        /// Use the existing target/web and native pgat without building
        #[arg(long)]
        no_build: bool,
        #[command(flatten)]
        build: Build,
        /// Show the browser window
        #[arg(long)]
        headed: bool,
        /// Run only the test files whose path matches, such as `lost` or `path.spec.js` [default: all]
        filter: Vec<String>,
    },
}

#[derive(clap::Args, Clone, Copy)]
struct Build {
    /// Build with the profile wasm-dev: a faster build, but larger and slower code
    #[arg(long)]
    dev: bool,
    /// Run wasm-opt, which makes the module a few per cent smaller (from the environment variable WASM_OPT or from PATH)
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
            eprintln!("{}  (Ctrl-C stops the server)", server.url()?);
            eprintln!("browsers offer WebGPU only on https and on this machine itself (localhost, 127.0.0.1)");
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
