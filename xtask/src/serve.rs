//! `cargo xtask web serve`: serves a folder of static files over HTTP, for development and tests.
//!
//! Each connection has one thread and carries one request. Libraries that share few threads among persistent connections (`tiny_http` 0.12)
//! block a browser's seventh connection until it closes another one.

use anyhow::{Result, anyhow};
use percent_encoding::percent_decode_str;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

/// Maximum size of a request in bytes.
const MOST_BYTES: u64 = 1 << 16;
/// Timeout for reading and writing.
const PATIENCE: Duration = Duration::from_secs(30);

/// Serves one folder.
pub(crate) struct Server {
    listener: TcpListener,
    folder: PathBuf,
}

impl Server {
    /// Listens on an address. Port 0 means any free port.
    pub(crate) fn bind(folder: &Path, address: SocketAddr) -> Result<Self> {
        let missing = || anyhow!("{} contains no page (index.html is missing): run cargo xtask web build", folder.display());
        let folder = folder.canonicalize().ok().filter(|f| f.join("index.html").is_file()).ok_or_else(missing)?;
        let listener =
            TcpListener::bind(address).map_err(|e| anyhow!("cannot listen on {address}: {e}; choose another port with --port"))?;
        Ok(Self { listener, folder })
    }

    pub(crate) fn url(&self) -> Result<String> {
        Ok(format!("http://{}/", self.listener.local_addr()?))
    }

    /// Serves requests until the process ends.
    pub(crate) fn run(&self) {
        for stream in self.listener.incoming().flatten() {
            let folder = self.folder.clone();
            // A browser that closes the connection early is not an error.
            std::thread::spawn(move || answer(&folder, &stream).ok());
        }
    }
}

fn answer(folder: &Path, stream: &TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(stream).take(MOST_BYTES).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    // The headers are not used, but closing a connection with unread data may discard the response.
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let mut words = request.split(' ');
    let (method, url) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if !matches!(method, "GET" | "HEAD") {
        return text(stream, "405 Method Not Allowed", "only GET and HEAD\n");
    }
    let Some(path) = resolve(folder, url) else { return text(stream, "404 Not Found", "not found\n") };
    let mut file = File::open(&path)?;
    head(stream, "200 OK", content_type(&path), file.metadata()?.len())?;
    if method == "GET" {
        io::copy(&mut file, &mut &*stream)?;
    }
    Ok(())
}

fn text(mut stream: &TcpStream, status: &str, body: &str) -> io::Result<()> {
    head(stream, status, "text/plain; charset=utf-8", body.len() as u64)?;
    stream.write_all(body.as_bytes())
}

fn head(mut stream: &TcpStream, status: &str, kind: &str, bytes: u64) -> io::Result<()> {
    let always = "Cache-Control: no-cache\r\nX-Content-Type-Options: nosniff\r\nConnection: close";
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {bytes}\r\n{always}\r\n\r\n");
    stream.write_all(head.as_bytes())
}

/// The file of a URL path, if it is inside the folder after following links.
fn resolve(folder: &Path, url: &str) -> Option<PathBuf> {
    let path = url.split(['?', '#']).next()?.strip_prefix('/')?;
    let path = percent_decode_str(path).decode_utf8().ok()?;
    if path.contains(['\\', '\0', ':']) || !Path::new(&*path).components().all(|c| matches!(c, Component::Normal(_))) {
        return None;
    }
    let mut file = folder.join(&*path).canonicalize().ok()?;
    if file.is_dir() {
        file = file.join("index.html").canonicalize().ok()?;
    }
    (file.starts_with(folder) && file.is_file()).then_some(file)
}

fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|e| e.to_str()).unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "gz" => "application/gzip",
        "toml" | "LICENSE" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::{Server, resolve};
    use std::fs;
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    fn page() -> tempfile::TempDir {
        let outer = tempfile::tempdir().unwrap();
        fs::create_dir_all(outer.path().join("web/vendor")).unwrap();
        for file in ["secret.txt", "web/index.html", "web/a b.js", "web/vendor/x.wasm"] {
            fs::write(outer.path().join(file), file).unwrap();
        }
        outer
    }

    #[test]
    fn files_inside_alone_are_found() {
        let outer = page();
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(outer.path().join("secret.txt"), outer.path().join("web/link")).unwrap();
            std::os::unix::fs::symlink(outer.path(), outer.path().join("web/up")).unwrap();
        }
        let folder = outer.path().join("web").canonicalize().unwrap();
        for (url, file) in [("/", "index.html"), ("/?a=/..", "index.html"), ("/a%20b.js", "a b.js"), ("/vendor/x.wasm", "vendor/x.wasm")] {
            assert_eq!(resolve(&folder, url), Some(folder.join(file)), "{url}");
        }
        let outside = [
            "",
            "secret.txt",
            "/../secret.txt",
            "/%2e%2e/secret.txt",
            "/vendor/../../secret.txt",
            "/..%2fsecret.txt",
            "//etc/passwd",
            "/%2fetc/passwd",
            "/..%5csecret.txt",
            "/link",
            "/up/secret.txt",
            "/up",
            "/vendor",
            "/nothing",
            "/%ff",
            "/index.html%00",
        ];
        for url in outside {
            assert_eq!(resolve(&folder, url), None, "{url}");
        }
    }

    #[test]
    fn answers_have_types_and_no_body_where_none_is_wanted() {
        let outer = page();
        let server = Server::bind(&outer.path().join("web"), ([127, 0, 0, 1], 0).into()).unwrap();
        let address = server.url().unwrap().trim_start_matches("http://").trim_end_matches('/').to_owned();
        std::thread::spawn(move || server.run());
        let ask = |line: &str| {
            let mut stream = TcpStream::connect(&address).unwrap();
            write!(stream, "{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        };
        let wasm = ask("GET /vendor/x.wasm");
        assert!(wasm.starts_with("HTTP/1.1 200") && wasm.contains("Content-Type: application/wasm\r\n"), "{wasm}");
        assert!(wasm.contains("Cache-Control: no-cache\r\n") && wasm.ends_with("\r\n\r\nweb/vendor/x.wasm"), "{wasm}");
        let head = ask("HEAD /");
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("Content-Length: 14\r\n") && head.ends_with("\r\n\r\n"), "{head}");
        assert!(ask("GET /../secret.txt").starts_with("HTTP/1.1 404"));
        assert!(ask("POST /").starts_with("HTTP/1.1 405"));
    }
}
