//! One form for names that look alike.

/// A name in one form: composed characters (Unicode NFC), plain blanks in place of no-break spaces, without a byte order mark and without
/// blanks at its ends. Names in files and in configs are compared in this form.
#[must_use]
pub(crate) fn one_form(name: &str) -> String {
    if name.is_ascii() {
        return name.trim().to_owned();
    }
    let plain: String = name
        .chars()
        .filter(|c| !matches!(c, '\u{feff}' | '\u{200b}'))
        .map(|c| if matches!(c, '\u{a0}' | '\u{202f}' | '\u{2007}') { ' ' } else { c })
        .collect();
    composed(plain.trim())
}

#[cfg(not(all(target_arch = "wasm32", feature = "web")))]
fn composed(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization as _;
    text.nfc().collect()
}

/// The browser has the tables of Unicode, which would take 20 KB of the module.
#[cfg(all(target_arch = "wasm32", feature = "web"))]
fn composed(text: &str) -> String {
    js_sys::JsString::from(text).normalize("NFC").into()
}

#[cfg(test)]
mod tests {
    use super::one_form;

    #[test]
    fn names_that_look_alike_are_equal() {
        for name in ["u\u{308}ber", "\u{fc}ber", " \u{feff}\u{fc}ber\u{a0}"] {
            assert_eq!(one_form(name), "\u{fc}ber");
        }
        assert_eq!(one_form("a\u{a0}b"), "a b");
        assert_eq!(one_form(" load "), "load");
    }
}
