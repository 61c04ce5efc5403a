//! Reads the fields of `Params` and the storage bindings from the WGSL text of a kernel. The crate's own WGSL has one item per line, so a
//! line reader suffices. A test compares it with naga's reflection of every kernel.

use std::collections::HashMap;

/// The facts about a WGSL text that the planner needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelText {
    /// Fields of `Params` in order, four bytes each.
    pub fields: Vec<String>,
    /// Storage bindings: name to (index, declared read_write).
    pub bindings: HashMap<String, (u32, bool)>,
}

impl KernelText {
    /// Reads a text.
    #[must_use]
    pub fn parse(source: &str) -> Self {
        let mut text = Self::default();
        let mut inside = false;
        for line in source.lines().map(str::trim) {
            if line.starts_with("struct Params") {
                inside = true;
            } else if inside && line.starts_with('}') {
                inside = false;
            } else if inside && let Some((name, _)) = line.split_once(':') {
                if !name.starts_with("//") {
                    text.fields.push(name.trim().to_owned());
                }
            } else if let Some((index, name, writable)) = storage_binding(line) {
                text.bindings.insert(name, (index, writable));
            }
        }
        text
    }

    /// Size of `Params` in a uniform buffer, in bytes.
    #[must_use]
    pub fn params_bytes(&self) -> usize {
        (4 * self.fields.len()).next_multiple_of(16)
    }

    /// Position of a field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|f| f == name)
    }
}

/// Index, name and writability of a line such as `@group(0) @binding(3) var<storage, read> weights: array<f32>;`.
fn storage_binding(line: &str) -> Option<(u32, String, bool)> {
    let rest = line.strip_prefix("@group(0) @binding(")?;
    let (index, rest) = rest.split_once(')')?;
    let rest = rest.trim().strip_prefix("var<storage,")?;
    let (access, rest) = rest.split_once('>')?;
    let (name, _) = rest.split_once(':')?;
    Some((index.trim().parse().ok()?, name.trim().to_owned(), access.trim() == "read_write"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_fields_and_bindings() {
        let text = KernelText::parse(
            "struct Params {\n    window0: u32, // a: b\n    x_base: u32,\n    // note: not a field\n    rate: f32,\n}\n\
             @group(0) @binding(0) var<uniform> params: Params;\n\
             @group(0) @binding(3) var<storage, read> weights: array<vec4<f32>>;\n\
             @group(0) @binding(4) var<storage, read_write> y: array<f32>;\n",
        );
        assert_eq!(text.fields, ["window0", "x_base", "rate"]);
        assert_eq!(text.params_bytes(), 16);
        assert_eq!(text.bindings["weights"], (3, false));
        assert_eq!(text.bindings["y"], (4, true));
        assert_eq!(text.bindings.len(), 2);
    }
}
