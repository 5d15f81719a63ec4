//! The checks as their sources declare them. Nothing is run.

use crate::book::{read, root, sources};
use std::{
    fs,
    path::{Path, PathBuf},
};

#[path = "../../tests/models/bounds.rs"]
#[allow(dead_code)] // The models use the rest.
pub(crate) mod bounds;

pub(crate) const MODELS: &str = "loom-tests/tests/models";
const HISTORIES: &str = "shuttle-tests/tests/histories";
const SCENARIOS: &str = "shuttle-tests/tests/adapters";
const NODES: &str = "shuttle-tests/cluster/tests/nodes";
const CLUSTER: &str = "crates/cluster/tests/cluster";
/// Fails on purpose, so it tests no claim.
const REPLAYS: &str = "replays.rs";

/// A history of the core, or a scenario of the manager.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) claims: String,
    /// Every schedule is run.
    pub(crate) exhaustive: bool,
}

/// Each has a string literal that consists of its claims.
pub(crate) fn scenarios() -> Result<Vec<Scenario>, String> {
    let mut scenarios = Vec::new();
    for folder in [HISTORIES, SCENARIOS, NODES] {
        for file in sources(&root().join(folder))? {
            if file.ends_with(REPLAYS) {
                continue;
            }
            let text = read(&file)?;
            for (quote, _) in text.match_indices('"') {
                let claims = text[quote + 1..].split('"').next().unwrap_or_default();
                if claims.split(' ').all(is_id) {
                    let called = text[..quote].rsplit_once('(');
                    let exhaustive = called.is_some_and(|(call, _)| call.ends_with("exhausted"));
                    scenarios.push(Scenario {
                        claims: claims.to_owned(),
                        exhaustive,
                    });
                }
            }
        }
    }
    Ok(scenarios)
}

/// A fuzz target.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) claims: String,
    /// The kept inputs.
    pub(crate) inputs: usize,
}

pub(crate) fn targets() -> Result<Vec<Target>, String> {
    let fuzz = root().join("fuzz");
    let mut targets = Vec::new();
    for file in sources(&fuzz.join("src"))? {
        let text = read(&file)?;
        let Some((_, target)) = text.split_once("const TARGET: Target = Target {") else {
            continue;
        };
        let field = |name| {
            let literal = target.split(name).nth(1)?.split('"').nth(1)?;
            Some(literal.to_owned())
        };
        let (Some(name), Some(claims)) = (field("name:"), field("claims:")) else {
            return Err(format!("{}: a target without fields", file.display()));
        };
        let mut inputs = 0;
        for folder in ["corpus", "regressions"] {
            let files = files(&fuzz.join(folder).join(&name))?;
            inputs += files
                .iter()
                .filter(|file| !file.ends_with("README.md"))
                .count();
        }
        targets.push(Target {
            name,
            claims,
            inputs,
        });
    }
    targets.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(targets)
}

/// A test program of the root, or that of the cluster.
#[derive(Debug)]
pub(crate) struct Test {
    pub(crate) name: String,
    pub(crate) claims: Vec<String>,
}

/// The first comment of each program ends with the claims that it tests: `//! Claims: C1, C2.`
pub(crate) fn tests() -> Result<Vec<Test>, String> {
    let mut tests = Vec::new();
    let mut paths = files(&root().join("tests"))?;
    paths.push(root().join(CLUSTER));
    for path in paths {
        let file = if path.is_dir() {
            path.join("main.rs")
        } else {
            path.clone()
        };
        if !file.exists() {
            continue;
        }
        let text = read(&file)?;
        let mut lines = text.lines();
        let claims = lines.find_map(|line| line.strip_prefix("//! Claims: "));
        let claims = claims.map(|claims| claims.trim_end_matches('.').split(", "));
        let name = path.file_stem().unwrap_or_default();
        tests.push(Test {
            name: name.to_string_lossy().into_owned(),
            claims: claims.into_iter().flatten().map(str::to_owned).collect(),
        });
    }
    tests.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(tests)
}

/// Is there a test of this path in a checking package?
pub(crate) fn is_model(path: &str) -> Result<bool, String> {
    for program in [MODELS, HISTORIES, SCENARIOS, NODES, CLUSTER] {
        if is_test(program, path)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Does this program have a test of this path, such as `module::name`, or a module that is named so?
pub(crate) fn is_test(program: &str, path: &str) -> Result<bool, String> {
    let program = root().join(program);
    let file = |module: &str| program.join(module.replace("::", "/")).with_extension("rs");
    let (file, name) = match path.rsplit_once("::") {
        Some((module, name)) => (file(module), name),
        None if file(path).exists() => return Ok(true),
        None if program.is_dir() => (program.join("main.rs"), path),
        None => (program.with_extension("rs"), path),
    };
    // A history, and a model that is one call, are named in the call of a macro.
    let ways = [
        format!("fn {name}("),
        format!(" {name}, \""),
        format!("\n    {name} ="),
    ];
    let names = |text: &str| ways.iter().any(|way| text.contains(way));
    Ok(file.exists() && names(&read(&file)?))
}

/// `C6`, `A1`, `B1`.
pub(crate) fn is_id(word: &str) -> bool {
    let number = word.strip_prefix(['C', 'A', 'B']);
    number.is_some_and(|number| {
        (1..=2).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |error| format!("{}: {error}", folder.display());
    let entries = fs::read_dir(folder).map_err(failed)?;
    entries
        .map(|entry| Ok(entry.map_err(failed)?.path()))
        .collect()
}
