//! The files of `--out`.

use super::context::Context;
use super::open;
use anyhow::Context as _;
use std::path::Path;

/// Writes the files of `--out` to the folder, if one is given.
pub(crate) fn write_files(context: &Context, folder: Option<&Path>, files: &[(&str, &str)]) -> anyhow::Result<()> {
    let Some(folder) = folder else { return Ok(()) };
    std::fs::create_dir_all(folder).with_context(|| format!("the folder {} cannot be created", folder.display()))?;
    for (name, content) in files {
        let path = folder.join(name);
        open::write(&path, content.as_bytes())?;
        context.say(&format!("written: {}", path.display()));
    }
    Ok(())
}
