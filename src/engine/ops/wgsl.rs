//! Embeds the files of `shaders/`. The program holds them without comments, indentation and blank lines: the comments alone would be 12 KB
//! of the page's download. The compiler strips the texts, so there is no build script.

/// The text of files of `shaders/`, one after the other, as a constant.
macro_rules! wgsl {
    ($($file:literal),+) => {{
        const FILES: &str = concat!($(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $file))),+);
        const LENGTH: usize = $crate::ops::wgsl::stripped::<{ FILES.len() }>(FILES).1;
        const BYTES: &[u8; LENGTH] = &$crate::ops::wgsl::stripped(FILES).0;
        match std::str::from_utf8(BYTES) {
            Ok(text) => text,
            Err(_) => panic!("a shader is not UTF-8"),
        }
    }};
}
pub(crate) use wgsl;

/// The bytes of a text without line comments, indentation, spaces at ends of lines and blank lines, and their number. Only the first `N`
/// bytes are kept.
///
/// # Panics
/// Panics if the text has a block comment.
pub(crate) const fn stripped<const N: usize>(text: &str) -> ([u8; N], usize) {
    let text = text.as_bytes();
    let mut kept = [0; N];
    // `length` includes the spaces at the end of the line, `end` does not.
    let (mut at, mut start, mut end) = (0, 0, 0);
    let mut length = 0;
    while at < text.len() {
        let byte = text[at];
        let next = if at + 1 < text.len() { text[at + 1] } else { b'\n' };
        assert!(byte != b'/' || next != b'*', "shaders have line comments only");
        if byte == b'/' && next == b'/' {
            while at < text.len() && text[at] != b'\n' {
                at += 1;
            }
            continue;
        }
        at += 1;
        if byte == b'\n' {
            if end > start {
                if end < N {
                    kept[end] = b'\n';
                }
                end += 1;
            }
            (start, length) = (end, end);
        } else if byte == b' ' && length == start {
            // Indentation.
        } else {
            if length < N {
                kept[length] = byte;
            }
            length += 1;
            if byte != b' ' {
                end = length;
            }
        }
    }
    (kept, end)
}

#[cfg(test)]
mod tests {
    use super::stripped;

    fn kept(text: &str) -> String {
        let (bytes, length) = stripped::<100>(text);
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    #[test]
    fn only_code_remains() {
        let text = "// a\n\nfn f(x: f32) {  // b\n    let y = x / 2.0;\n\n    //c\n}\n  // d\n";
        assert_eq!(kept(text), "fn f(x: f32) {\nlet y = x / 2.0;\n}\n");
        assert_eq!(kept("a \n b  c\n"), "a\nb  c\n");
        assert_eq!(stripped::<2>("abc\n").1, 4, "the length does not depend on the room for the bytes");
    }

    #[test]
    #[should_panic(expected = "line comments only")]
    fn block_comments_are_refused() {
        kept("a /* b */ c\n");
    }

    #[test]
    fn files_are_joined() {
        const TEXT: &str = wgsl!("lib/step.wgsl", "lib/random.wgsl");
        assert!(TEXT.contains("@binding(1)") && !TEXT.contains("//") && !TEXT.contains("\n ") && TEXT.ends_with("}\n"), "{TEXT}");
    }
}
