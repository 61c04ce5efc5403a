//! `cargo xtask web build`: puts the wasm modules, their JavaScript, the page, the chart library and the example into one folder.

use crate::tools::{self, root};
use anyhow::{Context as _, Result, ensure};
use flate2::{Compression, write::GzEncoder};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use wasm_bindgen_cli_support::Bindgen;

/// A wasm module of the page, made from the library.
struct Module {
    /// Its name without the ending.
    name: &'static str,
    /// The features of the library.
    features: &'static str,
    /// Its maximum size after brotli.
    most_brotli_bytes: usize,
}

/// The engine; the self-test, which is loaded only when a user tests the device; and the conversion of other formats to CSV, which is
/// loaded only for a file that needs it.
const MODULES: [Module; 3] = [
    Module { name: "pgat", features: "web", most_brotli_bytes: 700_000 },
    Module { name: "pgat_selftest", features: "web-selftest", most_brotli_bytes: 400_000 },
    Module { name: "pgat_intake", features: "web-intake", most_brotli_bytes: 550_000 },
];

/// Builds `target/web`. Writes the declarations for the type checker to `web/types`.
pub(crate) fn build(target: &Path, dev: bool, opt: bool) -> Result<()> {
    tools::wasm_target()?;
    let modules = tools::npm_packages()?;
    let folder = target.join("web");
    let types = root().join("web/types");
    for made in [&folder, &types] {
        if made.exists() {
            fs::remove_dir_all(made).with_context(|| made.display().to_string())?;
        }
        fs::create_dir_all(made.join("vendor")).with_context(|| made.display().to_string())?;
    }
    for module in &MODULES {
        // All builds write the same file, so that each is used before the next build.
        bind(&compile(target, if dev { "wasm-dev" } else { "wasm" }, module)?, &folder, module)?;
        if opt {
            optimise(&folder.join(format!("{}_bg.wasm", module.name)))?;
        }
        for declaration in [format!("{}.d.ts", module.name), format!("{}_bg.wasm.d.ts", module.name)] {
            copy(&folder.join(&declaration), &types.join(&declaration))?;
            fs::remove_file(folder.join(&declaration)).context(declaration)?;
        }
    }
    page(&folder)?;
    let uplot = modules.join("uplot");
    for (from, to) in [("dist/uPlot.esm.js", "uPlot.js"), ("dist/uPlot.min.css", "uPlot.css"), ("LICENSE", "uPlot.LICENSE")] {
        copy(&uplot.join(from), &folder.join("vendor").join(to))?;
    }
    fs::create_dir_all(folder.join("example")).context("example")?;
    for file in ["weather.csv.gz", "config.toml"] {
        copy(&root().join("examples/weather").join(file), &folder.join("example").join(file))?;
    }
    fs::create_dir_all(folder.join("golden")).context("golden")?;
    copy(&root().join("assets/self-test.safetensors"), &folder.join("golden/model.safetensors"))?;
    eprintln!("{:19} {:>9} {:>9} {:>9}", "bytes", "raw", "gzip -9", "brotli 11");
    for Module { name, most_brotli_bytes, .. } in MODULES {
        let brotli = sizes(&folder, &format!("{name}_bg.wasm"))?;
        sizes(&folder, &format!("{name}.js"))?;
        ensure!(dev || brotli <= most_brotli_bytes, "{name}_bg.wasm has {brotli} bytes after brotli; the maximum is {most_brotli_bytes}");
    }
    eprintln!("the page is in {}", folder.display());
    Ok(())
}

/// Compiles the crate to a wasm library. The crate type is set here, so that native builds create no shared library.
fn compile(target: &Path, profile: &str, module: &Module) -> Result<PathBuf> {
    let mut rustc = tools::cargo();
    rustc.args(["rustc", "--package", "pgat-forecast", "--lib", "--crate-type", "cdylib", "--target", "wasm32-unknown-unknown"]);
    rustc.args(["--no-default-features", "--features", module.features, "--profile", profile]).arg("--target-dir").arg(target);
    tools::run(&mut rustc)?;
    Ok(target.join("wasm32-unknown-unknown").join(profile).join("pgat.wasm"))
}

/// Writes NAME.js and NAME_bg.wasm as `wasm-bindgen --target web` does, with the version of wasm-bindgen that the crate uses.
fn bind(wasm: &Path, folder: &Path, module: &Module) -> Result<()> {
    let mut bindgen = Bindgen::new();
    bindgen.input_path(wasm).out_name(module.name).typescript(true);
    bindgen.web(true)?.remove_name_section(true).remove_producers_section(true);
    // The library's default differs from the command's: without this, init() requires the URL of the wasm module.
    bindgen.omit_default_module_path(false);
    bindgen.generate(folder).context("wasm-bindgen")
}

/// Runs wasm-opt. Binaryen before version 116 breaks the module without an error.
fn optimise(wasm: &Path) -> Result<()> {
    let name = std::env::var("WASM_OPT").unwrap_or_else(|_| "wasm-opt".into());
    let program =
        tools::find(&name).with_context(|| format!("{name} is missing: run npm install binaryen and set WASM_OPT to its path"))?;
    let version = tools::output(Command::new(&program).arg("--version"))?;
    let number: u32 =
        version.split_whitespace().find_map(|w| w.parse().ok()).with_context(|| format!("{name} --version prints no number: {version}"))?;
    ensure!(number >= 116, "{name} has version {number}, which breaks the module; install version 116 or newer");
    tools::run(Command::new(program).args(["-Oz", "--all-features", "-o"]).arg(wasm).arg(wasm))
}

/// Copies the page's own files.
fn page(folder: &Path) -> Result<()> {
    let web = root().join("web");
    for entry in fs::read_dir(&web).with_context(|| web.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let part = Path::new(name).extension().is_some_and(|e| ["html", "css", "js", "svg"].iter().any(|x| e == *x));
        if part && !name.contains(".config.") && path.is_file() {
            copy(&path, &folder.join(name))?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("{} to {}", from.display(), to.display()))?;
    Ok(())
}

/// Prints the download sizes of a file. Returns its size after brotli.
fn sizes(folder: &Path, file: &str) -> Result<usize> {
    let raw = fs::read(folder.join(file)).context(file.to_owned())?;
    let mut gzip = GzEncoder::new(vec![], Compression::best());
    gzip.write_all(&raw)?;
    let gzip = gzip.finish()?.len();
    let mut brotli = brotli::CompressorWriter::new(vec![], 1 << 16, 11, 24);
    brotli.write_all(&raw)?;
    let brotli = brotli.into_inner().len();
    eprintln!("{file:19} {:>9} {gzip:>9} {brotli:>9}", raw.len());
    Ok(brotli)
}
