//! The files of the house: where they lie, and how long they may be.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A file is one idea: who needs more lines has two.
const MOST_LINES: usize = 400;

#[test]
fn no_file_is_too_long() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let files = rust_files(&root);
    for must in [
        "src/lib.rs",
        "gate/main.rs",
        "properties/main.rs",
        "models/files.rs",
    ] {
        assert!(
            files.iter().any(|file| file.ends_with(must)),
            "{must} is not looked at"
        );
    }
    let too_long: Vec<_> = files
        .iter()
        .map(|file| (read(file).lines().count(), file.display()))
        .filter(|(lines, _)| *lines > MOST_LINES)
        .collect();
    assert!(
        too_long.is_empty(),
        "more than {MOST_LINES} lines: {too_long:#?}"
    );
}

/// The library's own source: every file below `src`.
pub(crate) fn sources() -> Vec<PathBuf> {
    let files = rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../src"));
    for must in ["calls/registry.rs", "call/place.rs", "end/shutdown.rs"] {
        assert!(
            files.iter().any(|file| file.ends_with(must)),
            "{must} is not looked at"
        );
    }
    files
}

/// The source of a crate beside the library.
pub(crate) fn sources_of(folder: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    rust_files(&root.join(folder).join("src"))
}

pub(crate) fn read(file: &Path) -> String {
    fs::read_to_string(file).expect("a source is text")
}

/// Every file of the project with this name.
pub(crate) fn named(name: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    walk(&root, &|path| path.ends_with(name), &mut files);
    files.sort();
    files
}

/// The sources below a folder, but for what was built and what is hidden.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let is_rust = |path: &Path| path.extension().is_some_and(|extension| extension == "rs");
    let mut files = Vec::new();
    walk(folder, &is_rust, &mut files);
    files.sort();
    files
}

/// Links are not followed: they lead to what is looked at by its own name.
fn walk(folder: &Path, is_meant: &dyn Fn(&Path) -> bool, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folders of the workspace are readable") {
        let entry = entry.expect("a folder that is readable");
        let (path, name) = (entry.path(), entry.file_name());
        let kind = entry.file_type().expect("a file of some type");
        let is_ours = name != "target" && !name.to_string_lossy().starts_with('.');
        if kind.is_dir() && is_ours {
            walk(&path, is_meant, files);
        } else if kind.is_file() && is_meant(&path) {
            files.push(path);
        }
    }
}
