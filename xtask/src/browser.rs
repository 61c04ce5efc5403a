//! `cargo xtask web test`: tests the page in a real browser and compares it with the native program.

use crate::serve::Server;
use crate::tools::{self, root};
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Checks the types and runs the Playwright tests against the page in `target/web`.
pub(crate) fn test(target: &Path, build: bool, headed: bool, filter: &[String]) -> Result<()> {
    let chromium = chromium()?;
    let node = tools::need(&["node"], &["nodejs", "npm"], "install Node.js 20 or newer: https://nodejs.org")?;
    let modules = tools::npm_packages()?;
    let given = env::var_os("PGAT_BIN").map(PathBuf::from);
    if build && given.is_none() {
        tools::run(tools::cargo().args(["build", "--package", "pgat-forecast", "--bin", "pgat"]).arg("--target-dir").arg(target))?;
    }
    let pgat = given.unwrap_or_else(|| target.join("debug").join(format!("pgat{}", env::consts::EXE_SUFFIX)));
    let pgat = std::path::absolute(&pgat).unwrap_or(pgat);
    let web = root().join("web");
    eprintln!("checking types");
    for project in [".", "tests"] {
        tools::run(Command::new(&node).arg(modules.join("typescript/bin/tsc")).args(["--project", project]).current_dir(&web))?;
    }

    let server = Server::bind(&target.join("web"), ([127, 0, 0, 1], 0).into())?;
    let url = server.url()?;
    std::thread::spawn(move || server.run());
    let pictures = target.join("web-screenshots");
    if filter.is_empty() && pictures.exists() {
        fs::remove_dir_all(&pictures).with_context(|| pictures.display().to_string())?;
    }
    let mut playwright = Command::new(node);
    playwright.arg(modules.join("@playwright/test/cli.js")).arg("test").args(filter).current_dir(web);
    playwright.env("PGAT_URL", url).env("PGAT_BIN", pgat).env("CHROMIUM", chromium).env("PGAT_SCREENSHOTS", &pictures);
    playwright.env("PGAT_RESULTS", target.join("web-results"));
    if headed {
        playwright.arg("--headed");
    }
    let result = tools::run(&mut playwright);
    eprintln!("screenshots are in {}", pictures.display());
    result
}

/// The browser: the one in the environment variable CHROMIUM, or an installed one, or Debian's package, which this installs.
fn chromium() -> Result<PathBuf> {
    if let Ok(name) = env::var("CHROMIUM") {
        return tools::find(&name).with_context(|| format!("CHROMIUM={name}: there is no such program"));
    }
    let names = [
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
        "chrome",
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    ];
    tools::need(&names, &["chromium"], "install Chromium or Chrome, or give its path in CHROMIUM")
}
