//! Shows how a model fails with a mutant, or an execution for each outcome of a model that passes.
//!
//!     cargo run -p tools --bin explain -- c06_identity_by_key                         a mutant
//!     cargo run -p tools --bin explain -- c06_identity::replace_against_cleanup       a model
//!     cargo run -p tools --bin explain -- c06_identity_by_key --write picture.svg     writes its picture to this file
//!     cargo run -p tools --bin explain -- --check                                     compares the committed pictures
//!
//! It prints a table with a column for each thread, time down, and the path of its picture in `target/explain`. `models::harness`
//! draws both.

mod mutant;
mod tree;

use crate::{
    mutant::{Mutant, mutants},
    tree::{End, Tree, explore, told},
};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// The pictures of PROOFS.md, and their mutants.
const PICTURES: [(&str, &str); 1] = [("replace_then_cleanup.svg", "c06_identity_by_key")];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let end = match arguments[..] {
        ["--check"] => check(),
        [name] if !name.starts_with('-') => show(name, None),
        [name, "--write", file] => show(name, Some(Path::new(file))),
        _ => Err("one of: NAME, NAME --write FILE.svg, --check".to_owned()),
    };
    match end {
        Ok(()) => ExitCode::SUCCESS,
        Err(words) => {
            eprintln!("error: {words}");
            ExitCode::FAILURE
        }
    }
}

fn show(name: &str, write: Option<&Path>) -> Result<(), String> {
    let tree = Tree::new("models")?;
    let shown = run(&tree, name)?;
    println!("{}", shown.tables);
    for picture in &shown.pictures {
        let short = picture.strip_prefix(&tree.root).unwrap_or(picture);
        println!("picture: {}", short.display());
    }
    if let Some(file) = write {
        let picture = shown.pictures.first().expect("one was drawn");
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).map_err(told(folder))?;
        }
        fs::copy(picture, file).map_err(told(file))?;
        println!("picture: {}", file.display());
    }
    Ok(())
}

fn check() -> Result<(), String> {
    let tree = Tree::new("models")?;
    for (file, mutant) in PICTURES {
        let committed = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../pictures")
            .join(file);
        let shown = run(&tree, mutant)?;
        let drawn = shown.pictures.first().expect("one was drawn");
        let read = |file: &Path| fs::read_to_string(file).map_err(told(file));
        if read(&committed)? != read(drawn)? {
            return Err(format!(
                "loom-tests/pictures/{file} differs from what {mutant} shows now, {}: \
                 write it with `just explain {mutant} --write loom-tests/pictures/{file}`",
                drawn.display()
            ));
        }
        println!("{file} is what {mutant} shows");
    }
    Ok(())
}

/// The tables and pictures of a run, at least one of each.
struct Shown {
    tables: String,
    pictures: Vec<PathBuf>,
}

/// Runs a mutant's model with the mutant, or a model as it is.
fn run(tree: &Tree, name: &str) -> Result<Shown, String> {
    // The histories draw nothing.
    let mutants = mutants(&tree.root)?.into_iter();
    let mutant = mutants
        .filter(|mutant| mutant.package == "loom-tests")
        .find(|mutant| mutant.name == name);
    let (model, words) = match &mutant {
        None if name.contains("::") => (name, String::new()),
        None => {
            return Err(format!(
                "{name} is neither a mutant of loom-tests/mutants nor a model"
            ));
        }
        Some(mutant) => {
            tree.apply(mutant)?;
            (&*mutant.model, format!("with {name}: {}", mutant.why))
        }
    };
    let executable = if mutant.as_ref().is_some_and(Mutant::is_of_adapters) {
        tree.build_test("shuttle-tests", "adapters")?
    } else {
        tree.build_test("loom-tests", "models")?
    };
    let (end, output) = explore(&executable, model, &[("TURNWISE_EXPLAIN", words.as_str())])?;
    // The traces quote the source, so it is restored only now.
    tree.restore()?;
    match (&mutant, end) {
        (_, End::TimedOut) => return Err(format!("{model} did not end in time")),
        (Some(_), End::Passed) => return Err(format!("{model} passes with {name}")),
        _ => {}
    }
    let (tables, drawn) = traces(&output, model);
    if drawn.is_empty() {
        return Err(format!("{model} drew nothing:\n{output}"));
    }
    let mut pictures = Vec::new();
    for (number, from) in drawn.iter().enumerate() {
        let file = match number {
            0 => format!("{}.svg", name.replace("::", ".")),
            more => format!("{}.{}.svg", name.replace("::", "."), more + 1),
        };
        let folder = tree.root.join("target/explain");
        fs::create_dir_all(&folder).map_err(told(&folder))?;
        let to = folder.join(file);
        fs::copy(tree.copy.join(from), &to).map_err(told(&to))?;
        pictures.push(to);
    }
    Ok(Shown { tables, pictures })
}

/// The tables in a model's output, and the files of the pictures. Each table begins with the model's name and ends with its
/// picture's file.
fn traces<'a>(output: &'a str, model: &str) -> (String, Vec<&'a str>) {
    let (mut tables, mut pictures) = (String::new(), Vec::new());
    let mut inside = false;
    for line in output.lines() {
        if let Some(file) = line.strip_prefix("picture: ") {
            pictures.push(file);
            inside = false;
            tables.push('\n');
            continue;
        }
        inside |= line.starts_with(model);
        if inside {
            tables += line;
            tables.push('\n');
        }
    }
    (tables.trim_end().to_owned(), pictures)
}
