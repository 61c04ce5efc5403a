//! WGSL functions that load or store four neighbours of an array of floats: in one access if every extent is a multiple of 4, otherwise
//! element by element with a guard for each.

use std::fmt::Write as _;

/// Returns `alias Element`, `const LANES`, and the functions: for each array of `loads`, `NAME_quad(at, present) -> vec4<f32>`; for each of
/// `stores`, `put_NAME(at, present, value)`, which adds if the `override accumulate` of the text is not 0; for each of `sets`, `set_NAME`,
/// which overwrites (and `set_NAME_pair` for two elements). `at` counts floats.
#[must_use]
pub fn text(quads: bool, loads: &[&str], stores: &[&str], sets: &[&str]) -> String {
    let mut out =
        if quads { "alias Element = vec4<f32>;\nconst LANES: u32 = 4u;\n" } else { "alias Element = f32;\nconst LANES: u32 = 1u;\n" }
            .to_owned();
    let each = |line: &dyn Fn(usize, char) -> String| -> String {
        "xyzw".chars().enumerate().map(|(i, part)| format!("    if present > {i}u {{ {} }}\n", line(i, part))).collect()
    };
    for name in loads {
        let body = if quads {
            format!("    return {name}[at / 4u];\n")
        } else {
            format!("    var v = vec4<f32>();\n{}    return v;\n", each(&|i, part| format!("v.{part} = {name}[at + {i}u];")))
        };
        let _ = write!(out, "fn {name}_quad(at: u32, present: u32) -> vec4<f32> {{\n{body}}}\n");
    }
    for (verb, names) in [("put", stores), ("set", sets)] {
        for name in names {
            let one = |at: String, value: String| {
                let set = format!("{name}[{at}] = {value};");
                if verb == "set" { set } else { format!("if accumulate != 0u {{ {name}[{at}] += {value}; }} else {{ {set} }}") }
            };
            let body = if quads {
                format!("    {}\n", one("at / 4u".into(), "value".into()))
            } else {
                each(&|i, part| one(format!("at + {i}u"), format!("value.{part}")))
            };
            if verb == "set" {
                let pair = if quads {
                    format!("    {name}[at / 4u][at % 4u] = value.x;\n    {name}[at / 4u][at % 4u + 1u] = value.y;\n")
                } else {
                    format!("    {name}[at] = value.x;\n    if present > 1u {{ {name}[at + 1u] = value.y; }}\n")
                };
                let _ = write!(out, "fn set_{name}_pair(at: u32, present: u32, value: vec2<f32>) {{\n{pair}}}\n");
            }
            let _ = write!(out, "fn {verb}_{name}(at: u32, present: u32, value: vec4<f32>) {{\n{body}}}\n");
        }
    }
    out
}
