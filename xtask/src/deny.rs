//! `cargo xtask deny`: checks the bans, licences and sources of all crates in Cargo.lock against deny.toml. Runs cargo-deny if it is
//! installed. If not (its build takes minutes), does the same three checks with the libraries that cargo-deny uses.

use crate::tools::root;
use anyhow::{Context as _, Result, ensure};
use cargo_metadata::{DependencyKind, MetadataCommand, Package};
use serde::Deserialize;
use spdx::{Expression, Licensee};
use std::process::{Command, Stdio};

/// The keys of deny.toml that this program reads. cargo-deny reads more.
#[derive(Deserialize)]
struct Rules {
    licenses: Licenses,
    bans: Bans,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Banned>,
}

#[derive(Deserialize)]
struct Banned {
    name: String,
}

/// Runs the checks. The error lists every crate that breaks a rule.
pub(crate) fn run() -> Result<()> {
    let installed = Command::new("cargo").args(["deny", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if installed.is_ok_and(|status| status.success()) {
        let status = Command::new("cargo").args(["deny", "check", "bans", "licenses", "sources"]).current_dir(root()).status()?;
        ensure!(status.success(), "cargo deny found crates that break deny.toml (listed above)");
        return Ok(());
    }
    let text = std::fs::read_to_string(root().join("deny.toml")).context("deny.toml")?;
    let rules: Rules = toml::from_str(&text).context("deny.toml")?;
    let metadata = MetadataCommand::new().current_dir(root()).features(cargo_metadata::CargoOpt::AllFeatures).exec()?;
    let found: Vec<String> = metadata.packages.iter().flat_map(|package| problems(package, &rules)).collect();
    ensure!(found.is_empty(), "{}", found.join("\n"));
    eprintln!("{} crates: bans, licences and sources conform to deny.toml", metadata.packages.len());
    Ok(())
}

/// The rules that a crate breaks.
fn problems(package: &Package, rules: &Rules) -> Vec<String> {
    let name = format!("{} {}", package.name, package.version);
    let mut found = vec![];
    if rules.bans.deny.iter().any(|banned| banned.name == package.name.as_str()) {
        found.push(format!("{name} is banned"));
    }
    let allowed = |licensee: &spdx::LicenseReq| {
        let one = |text: &String| Licensee::parse(text).is_ok_and(|l| l.satisfies(licensee));
        rules.licenses.allow.iter().any(one)
    };
    match package.license.as_deref().map(|text| Expression::parse_mode(text, spdx::ParseMode::LAX)) {
        Some(Ok(expression)) if expression.evaluate(allowed) => {}
        _ => found
            .push(format!("{name}: its licence ({}) is not in [licenses] allow", package.license.as_deref().unwrap_or("none is stated"))),
    }
    match &package.source {
        Some(source) if !source.repr.contains("github.com/rust-lang/crates.io-index") => {
            found.push(format!("{name} comes from {source}, not from the registry"));
        }
        None if !package.manifest_path.starts_with(root().to_string_lossy().as_ref()) => {
            found.push(format!("{name} is in a folder outside this repository"));
        }
        _ => {}
    }
    let anything = |d: &&cargo_metadata::Dependency| d.req.to_string() == "*" && d.path.is_none() && d.kind != DependencyKind::Development;
    if package.source.is_none() {
        found.extend(package.dependencies.iter().filter(anything).map(|d| format!("{name} accepts any version of {}", d.name)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_a_rule_is_found() {
        let rules: Rules =
            toml::from_str("[licenses]\nallow = [\"MIT\", \"Unicode-3.0\"]\n[bans]\ndeny = [{ name = \"bad\" }]").expect("rules");
        let package = |name: &str, license: &str, source: &str| -> Package {
            let text = serde_json::json!({
                "name": name, "version": "1.0.0", "id": name, "license": license, "source": source, "dependencies": [], "targets": [],
                "features": {}, "manifest_path": "/x/Cargo.toml", "authors": [], "categories": [], "keywords": [], "edition": "2024",
            });
            serde_json::from_value(text).expect("a package")
        };
        let registry = "registry+https://github.com/rust-lang/crates.io-index";
        let count = |name: &str, license: &str, source: &str| problems(&package(name, license, source), &rules).len();
        assert_eq!(count("good", "MIT OR GPL-3.0-only", registry), 0);
        assert_eq!(count("good", "(MIT OR Apache-2.0) AND Unicode-3.0", registry), 0);
        assert_eq!(count("good", "MIT/Apache-2.0", registry), 0);
        assert_eq!(count("copyleft", "GPL-3.0-only", registry), 1);
        assert_eq!(count("both", "MIT AND GPL-3.0-only", registry), 1);
        assert_eq!(count("bad", "MIT", registry), 1);
        assert_eq!(count("forked", "MIT", "git+https://example.org/fork"), 1);
    }
}
