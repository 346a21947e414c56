//! Files of the user, served as they are (spec: CLI-12).

use std::fs;
use std::path::{Component, Path, PathBuf};

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use tokio::task::spawn_blocking;

use crate::web::answer;

/// Larger files are no assets.
const BYTES_MAX: u64 = 64 << 20;

pub(super) async fn answer(directory: Option<&Path>, path: &str) -> Response {
    let Some(file) = directory.and_then(|directory| place(directory, path)) else {
        return answer::not_found();
    };
    let kind = content_type(&file);
    let read = spawn_blocking(move || read(&file));
    match read.await {
        Ok(Some(bytes)) => {
            let mut response = Response::new(bytes.into());
            *response.status_mut() = StatusCode::OK;
            answer::with(response, CONTENT_TYPE, kind)
        }
        _ => answer::not_found(),
    }
}

fn read(file: &Path) -> Option<Vec<u8>> {
    let about = fs::metadata(file).ok().filter(|about| about.is_file())?;
    (about.len() <= BYTES_MAX).then(|| fs::read(file).ok()).flatten()
}

/// `path` begins with `/user/`. `None`: it leads out of the directory.
fn place(directory: &Path, path: &str) -> Option<PathBuf> {
    let name = unescape(path.strip_prefix("/user/")?)?;
    let inside = |part: Component<'_>| matches!(part, Component::Normal(_));
    let name = Path::new(&name);
    (name.components().all(inside) && name.components().next().is_some())
        .then(|| directory.join(name))
}

/// Percent escapes of a path; `None`: not text, or with a NUL.
fn unescape(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (escape, after) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(core::str::from_utf8(escape).ok()?, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

fn content_type(file: &Path) -> &'static str {
    match file.extension().and_then(|end| end.to_str()).unwrap_or_default() {
        "css" => "text/css; charset=utf-8",
        "gif" => "image/gif",
        "html" | "htm" => "text/html; charset=utf-8",
        "jpg" | "jpeg" => "image/jpeg",
        "js" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "txt" | "md" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_never_leads_out_of_the_directory() {
        let wanted = |name: &str| Some(Path::new("/a").join(name));
        for (path, place_wanted) in [
            ("/user/x.css", wanted("x.css")),
            ("/user/d/x%20y.css", wanted("d/x y.css")),
            ("/user/", None),
            ("/user/../x", None),
            ("/user/d/%2e%2e/x", None),
            ("/user//etc/passwd", None),
            ("/user/%2fetc/passwd", None),
            ("/user/%zz", None),
            ("/user/a%00", None),
            ("/user/%ff", None),
        ] {
            assert_eq!(place(Path::new("/a"), path), place_wanted, "{path}");
        }
    }
}
