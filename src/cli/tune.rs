//! `pgat tune`.

use super::console::{milliseconds, shell, table};
use super::context::{self, Context};
use super::{Ending, console, open};
use anyhow::bail;
use pgat::engine::executor::Backend;
use pgat::engine::tune::{Tuned, tune};
use std::path::PathBuf;

/// Measure which kernel shapes are fastest on the adapter
///
/// Prints the result as JSON, for use with `pgat train --class FILE`; the run stores it. Other kernel shapes add numbers in another order
/// and can change the last bits of a result, so pgat never tunes automatically.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Write the result to this JSON file instead of stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) fn run(context: &Context, options: &Options) -> anyhow::Result<Ending> {
    let backend = context.open()?;
    let Backend::Gpu(gpu) = &backend else {
        bail!("`pgat tune` measures an adapter, but --backend reference uses none; drop --backend reference");
    };
    context.say(&format!("adapter: {}", context::describe(&backend)));
    let tuned = pollster::block_on(tune(gpu, &gpu.class, &mut |what| context.say(&format!("measuring: {what}"))))?;
    context.say(&text(&tuned));
    let Some(path) = &options.out else {
        console::json(&tuned.class)?;
        return Ok(Ending::Done);
    };
    open::write(path, (serde_json::to_string_pretty(&tuned.class)? + "\n").as_bytes())?;
    context.say(&format!("next: pgat train CONFIG --class {}", shell(path)));
    console::result(&format!("{}\n", path.display()))?;
    Ok(Ending::Done)
}

/// A table of the measured shapes, with marks at the chosen ones.
fn text(tuned: &Tuned) -> String {
    let chosen = &tuned.class.variants;
    let row = |t: &pgat::engine::tune::Tried| {
        let best = if t.kernel == "weights" { chosen.weights } else { chosen.rows };
        let tile = t.tile;
        vec![
            t.kernel.to_owned(),
            format!("{:?}", tile.broadcast).to_lowercase(),
            format!("{} x {}", tile.rows, tile.columns),
            tile.threads.to_string(),
            milliseconds(t.ms),
            if tile == best { "chosen".into() } else { String::new() },
        ]
    };
    let header = ["kernel", "operands through", "tile", "threads", "time", ""].map(str::to_owned).to_vec();
    table(&std::iter::once(header).chain(tuned.tried.iter().map(row)).collect::<Vec<_>>(), &[0, 1, 5])
}
