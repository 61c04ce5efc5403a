//! External programs: finding, running and installing them.

use anyhow::{Context as _, Result, bail};
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The root folder of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// The cargo that runs this program.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    cargo
}

/// cargo's target folder.
pub(crate) fn target_folder() -> Result<PathBuf> {
    let text = output(cargo().args(["metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&text).context("cargo metadata")?;
    Ok(metadata["target_directory"].as_str().context("cargo metadata prints no target_directory")?.into())
}

/// Runs a program. Its output goes to the terminal.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{} cannot be run", name(command)))?;
    if !status.success() {
        bail!("{} failed ({status})", name(command));
    }
    Ok(())
}

/// Runs a program and returns its stdout.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("{} cannot be run", name(command)))?;
    if !output.status.success() {
        bail!("{} failed ({})", name(command), output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("{} prints text that is not UTF-8", name(command)))
}

fn name(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args().take(2));
    words.map(|w| w.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Finds a program by its absolute path, or by its name on PATH.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = Path::new(name);
    if path.is_absolute() {
        return path.is_file().then(|| path.into());
    }
    let folders = env::var_os("PATH")?;
    let endings: &[&str] = if cfg!(windows) { &[".exe", ".cmd"] } else { &[""] };
    let mut all = env::split_paths(&folders).flat_map(|f| endings.iter().map(move |e| f.join(format!("{name}{e}"))));
    all.find(|p| p.is_file())
}

/// Finds the first of several programs. If there is none, installs packages on Debian and Ubuntu.
pub(crate) fn need(names: &[&str], packages: &[&str], otherwise: &str) -> Result<PathBuf> {
    let any = || names.iter().find_map(|n| find(n));
    if let Some(found) = any() {
        return Ok(found);
    }
    if find("apt-get").is_some() {
        run(Command::new(root().join("scripts/apt-install.sh")).args(packages))?;
    }
    any().with_context(|| format!("{} is missing: {otherwise}", names.first().unwrap_or(&"a program")))
}

/// Makes web/node_modules match the lock file. Runs no scripts of packages and downloads no browser.
pub(crate) fn npm_packages() -> Result<PathBuf> {
    let modules = root().join("web/node_modules");
    let changed = |file: PathBuf| file.metadata().and_then(|m| m.modified()).ok();
    let (done, lock) = (changed(modules.join(".package-lock.json")), changed(root().join("web/package-lock.json")));
    if done.is_none() || done < lock {
        let npm = need(&["npm"], &["nodejs", "npm"], "install Node.js 20 or newer, which includes it: https://nodejs.org")?;
        eprintln!("running npm ci in web/");
        let mut ci = Command::new(npm);
        ci.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(root().join("web"));
        run(ci.env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1").stdout(Stdio::null()))?;
    }
    Ok(modules)
}

/// Installs the Rust target for browsers if it is missing.
pub(crate) fn wasm_target() -> Result<()> {
    let sysroot = output(Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())).arg("--print=sysroot").current_dir(root()))?;
    if Path::new(sysroot.trim()).join("lib/rustlib/wasm32-unknown-unknown").is_dir() {
        return Ok(());
    }
    let rustup =
        find("rustup").context("the target wasm32-unknown-unknown is missing, and there is no rustup to add it: https://rustup.rs")?;
    run(Command::new(rustup).args(["target", "add", "wasm32-unknown-unknown"]).current_dir(root()))
}
