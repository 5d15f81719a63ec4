//! The modules of a test program that one model needs. With those alone a mutant builds in half of the time.

use crate::tree::{Tree, files, told};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

impl Tree {
    /// Takes the other modules out of the copy's `main`. One too many costs time; with one too few it does not compile.
    pub(crate) fn narrow(&self, main: &str, model: &str) -> Result<(), String> {
        let main = self.copy.join(main);
        let text = fs::read_to_string(&main).map_err(told(&main))?;
        let folder = main.parent().expect("it lies in the copy");
        fs::write(&main, narrowed(&text, folder, model)?).map_err(told(&main))
    }
}

/// This text without the modules that neither the model nor the rest of the text needs.
fn narrowed(main: &str, folder: &Path, model: &str) -> Result<String, String> {
    // Each module, with its attributes.
    let mut modules: BTreeMap<&str, String> = BTreeMap::new();
    let (mut rest, mut attributes) = (String::new(), String::new());
    for line in main.lines() {
        let name = line
            .strip_prefix("mod ")
            .and_then(|name| name.strip_suffix(';'));
        match name {
            None if line.starts_with("#[") => attributes += &format!("{line}\n"),
            Some(name) => {
                let attributes = std::mem::take(&mut attributes);
                modules.insert(name, format!("{attributes}{line}\n"));
            }
            None => rest += &format!("{}{line}\n", std::mem::take(&mut attributes)),
        }
    }
    let needed_by = |text: &str| -> Vec<&str> {
        let needed = modules.keys().filter(|name| mentions(text, name));
        needed.copied().collect()
    };
    let of_model = model.split("::").next();
    let mut next = needed_by(&rest);
    next.extend(modules.keys().filter(|name| Some(**name) == of_model));
    let mut needed = BTreeSet::new();
    while let Some(name) = next.pop() {
        if needed.insert(name) {
            next.extend(needed_by(&source(folder, name, &modules[name])?));
        }
    }
    rest.extend(needed.iter().map(|name| &*modules[name]));
    Ok(rest)
}

/// All the source of a module.
fn source(folder: &Path, name: &str, declared: &str) -> Result<String, String> {
    let path = declared
        .split_once("#[path = \"")
        .and_then(|(_, path)| path.split_once('"'));
    let (file, below) = match path {
        Some((path, _)) => {
            let file = folder.join(path);
            let below = file.with_file_name("");
            // What lies beside `mod.rs` belongs to its module; what lies beside another file does not.
            let is_alone = !path.ends_with("mod.rs");
            (file, (!is_alone).then_some(below))
        }
        None => (folder.join(format!("{name}.rs")), Some(folder.join(name))),
    };
    let mut sources = Vec::from_iter(file.exists().then_some(file));
    if let Some(below) = below.filter(|below| below.exists()) {
        sources.extend(files(&below)?.into_iter().map(|file| below.join(file)));
    }
    let mut text = String::new();
    for file in sources {
        text += &fs::read_to_string(&file).map_err(told(&file))?;
    }
    Ok(text)
}

/// Whether this module is named as a part of a path. The name of a model, in a string, is none.
fn mentions(text: &str, module: &str) -> bool {
    let is_word = |char: char| char.is_alphanumeric() || char == '_';
    text.match_indices(module).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + module.len()..]);
        let is_whole = !before.ends_with(is_word) && !after.starts_with(is_word);
        let is_path = before.ends_with("::") || after.starts_with("::");
        is_whole && is_path && !before.ends_with('"')
    })
}

#[test]
fn a_model_keeps_what_it_needs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = root.join("shuttle-tests/tests/adapters");
    let main = fs::read_to_string(folder.join("main.rs")).expect("it is there");
    let left = narrowed(&main, &folder, "a4_drain::any").expect("its files can be read");
    for kept in [
        "mod a4_drain;",
        "mod world;",
        "mod ledger;",
        "histories/harness.rs\"]\n#[allow(dead_code)]",
    ] {
        assert!(left.contains(kept), "{kept} is missing:\n{left}");
    }
    for gone in ["mod a3_reaper;", "mod growth;", "mod everything;"] {
        assert!(
            main.contains(gone) && !left.contains(gone),
            "{gone} is left:\n{left}"
        );
    }
}
