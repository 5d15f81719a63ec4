//! The modules of a crate know each other one way: down the table of its `lib.rs`, and of each `mod.rs` with modules.
//!
//! A table is read top down and from left to right: a module uses those after it. So does all that is in it, for what lies
//! in a folder of its own. A `mod.rs` stands on its modules, and none of them on it: what they share lies in one of them.
//!
//! Looked at is each path that begins at `crate`, `super` or `self`, of a `use` or not, in code only; a name that is
//! re-exported counts as the module that defines it. A method is no path: an `impl` block may stand above its type. What
//! is there for `#[cfg(test)]` does not count.

use crate::{
    files::{read, sources, sources_of},
    paths::{code_of, paths, uses, words},
};
use std::collections::BTreeMap;

#[test]
fn each_module_uses_those_below_it() {
    let crates = [
        (sources(), 50),
        (sources_of("crates/acp"), 10),
        (sources_of("crates/cluster"), 15),
        (sources_of("crates/etcd"), 4),
        (sources_of("crates/pi"), 10),
        (sources_of("crates/process"), 4),
        (sources_of("crates/rmcp"), 6),
    ];
    for (files, least) in crates {
        let files: Vec<_> = files
            .iter()
            .map(|file| {
                let name = file.to_str().expect("our names are text");
                let (_, name) = name.rsplit_once("/src/").expect("it lies below src");
                (name.to_owned(), read(file))
            })
            .collect();
        let house = House::of(files.iter().map(|(name, text)| (&**name, &**text)));
        assert!(house.modules.len() > least, "every module is looked at");
        let faults = house.faults();
        assert!(
            faults.is_empty(),
            "one way, down the tables:\n{}",
            faults.join("\n")
        );
    }
}

/// The modules, by their paths: `` of `lib.rs`, `manager` of `manager/mod.rs`, `manager::turn`.
pub(crate) struct House {
    modules: BTreeMap<String, Module>,
}

struct Module {
    file: String,
    /// What it names, and where: its line, and the path of the module around it.
    names: Vec<(usize, String, String)>,
    /// What its `use` trees make of a name, for those who name it through this module.
    uses: BTreeMap<String, String>,
    /// The rows of its table.
    rows: Vec<Vec<String>>,
}

impl House {
    pub(crate) fn of<'a>(files: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let modules = files.map(|(file, source)| {
            let path = file.trim_end_matches(".rs").trim_end_matches("/mod");
            let path = if path == "lib" { "" } else { path };
            let path = path.replace('/', "::");
            let module = Module::of(file, &path, source);
            (path, module)
        });
        Self {
            modules: modules.collect(),
        }
    }

    pub(crate) fn faults(&self) -> Vec<String> {
        let tables = self.modules.keys().flat_map(|path| self.table_faults(path));
        let uses = self
            .modules
            .keys()
            .flat_map(|path| self.upward_uses_of(path));
        tables.chain(uses).collect()
    }

    /// A table lists each module of its folder once, and nothing else.
    fn table_faults(&self, folder: &str) -> Vec<String> {
        let Module { file, rows, .. } = &self.modules[folder];
        let listed: Vec<_> = rows.iter().flatten().collect();
        let children = self.modules.keys().filter_map(|path| {
            let (parent, name) = split(path)?;
            (parent == folder).then_some(name)
        });
        let children: Vec<_> = children.collect();
        let wrong_count = children.iter().filter_map(|child| {
            let count = listed.iter().filter(|name| name == &child).count();
            (count != 1).then(|| format!("{file}: the table lists `{child}` {count} times"))
        });
        let unknown = listed
            .iter()
            .filter(|name| !children.contains(&name.as_str()));
        let not_there =
            unknown.map(|name| format!("{file}: the table lists `{name}`, which is not there"));
        wrong_count.chain(not_there).collect()
    }

    fn upward_uses_of(&self, module: &str) -> Vec<String> {
        let Module { file, names, .. } = &self.modules[module];
        let faults = names.iter().filter_map(|(line, around, name)| {
            let used = self.resolve(around, name)?;
            let fault = self.fault(module, &used)?;
            Some(format!("{file}:{line}: {name}: {fault}"))
        });
        faults.collect()
    }

    /// What is wrong with it that `user` uses `used`.
    fn fault(&self, user: &str, used: &str) -> Option<String> {
        let parts = |path| str::split(path, "::").filter(|name| !name.is_empty());
        let (user, used): (Vec<_>, Vec<_>) = (parts(user).collect(), parts(used).collect());
        let together = user
            .iter()
            .zip(&used)
            .take_while(|(user, used)| user == used);
        // Where they part. What stands on others, or is the same, has no further name.
        let at = together.count();
        let name = user.get(at)?;
        let Some(other) = used.get(at) else {
            return Some(format!(
                "`{name}` uses what its own `mod.rs` or `lib.rs` defines: above it"
            ));
        };
        let rows = &self.modules[&user[..at].join("::")].rows;
        let place = |module: &str| {
            rows.iter().enumerate().find_map(|(row, names)| {
                let column = names.iter().position(|name| name == module)?;
                Some((row + 1, column))
            })
        };
        // Who is not in the table is told of by the table.
        let (here, there) = (place(name)?, place(other)?);
        let (row, above) = (here.0, there.0);
        let side = if row == above { "left of" } else { "above" };
        let words = || format!("`{name}` (row {row}) uses `{other}` (row {above}): {side} it");
        (there < here).then(words)
    }

    /// The module that defines what is named so in the module `around`; `None` if it is not of this crate.
    fn resolve(&self, around: &str, name: &str) -> Option<String> {
        let mut parts = name.split("::").peekable();
        let mut here = match parts.next()? {
            "crate" => String::new(),
            "self" => around.to_owned(),
            "super" => split(around)?.0.to_owned(),
            _ => return None,
        };
        while parts.next_if_eq(&"super").is_some() {
            here = split(&here)?.0.to_owned();
        }
        let part = loop {
            let Some(part) = parts.next() else {
                return Some(self.file_of(here));
            };
            let child = join(&here, part);
            if !self.modules.contains_key(&child) {
                break part;
            }
            here = child;
        };
        // A name in the module `here`: its own, or one that it has from elsewhere.
        let here = self.file_of(here);
        let from = self.modules[&here].uses.get(part);
        from.and_then(|path| {
            let in_it = path.split("::").next()?;
            let is_child = self.modules.contains_key(&join(&here, in_it));
            let path = if is_child {
                &format!("self::{path}")
            } else {
                path
            };
            self.resolve(&here, path)
        })
        .or(Some(here))
    }

    /// A module within a file is its file.
    fn file_of(&self, mut module: String) -> String {
        while !self.modules.contains_key(&module) {
            module = split(&module).map_or(String::new(), |(parent, _)| parent.to_owned());
        }
        module
    }
}

impl Module {
    fn of(file: &str, path: &str, source: &str) -> Self {
        let code = without_tests(&code_of(source));
        let around = inner_modules(path, &code);
        let names = paths(&code)
            .into_iter()
            .filter(|(_, name)| name.contains("::"));
        let own = code
            .lines()
            .zip(&around)
            .filter(|(_, in_it)| **in_it == path);
        let own: Vec<_> = own.map(|(line, _)| line).collect();
        let uses = uses(&own.join("\n"));
        Self {
            file: file.to_owned(),
            names: names
                .map(|(line, name)| (line, around[line - 1].clone(), name))
                .collect(),
            uses: uses
                .into_iter()
                .map(|used| (used.name, used.path))
                .collect(),
            rows: rows(source),
        }
    }
}

/// The first column of the table of modules in a file's docs, without what is said in brackets.
fn rows(source: &str) -> Vec<Vec<String>> {
    let table = source
        .lines()
        .skip_while(|line| !line.starts_with("//! | module |"))
        .skip(2)
        .map_while(|line| line.strip_prefix("//! | "));
    let names = |row: &str| {
        let cell = row.split(['|', '(']).next().unwrap_or_default();
        words(cell)
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    };
    table.map(names).collect()
}

/// The path of the module that each line lies in, those within the file included.
fn inner_modules(path: &str, code: &str) -> Vec<String> {
    let mut depth = 0;
    let mut open: Vec<(usize, String)> = Vec::new();
    let mut around = Vec::new();
    for line in code.lines() {
        let begins = line.trim_end().strip_suffix('{').and_then(|head| {
            let mut words = head.split_whitespace().rev();
            let name = words.next()?;
            (words.next()? == "mod").then_some(name)
        });
        if let Some(name) = begins {
            let outer = open.last().map_or(path, |(_, path)| path);
            open.push((depth, join(outer, name)));
        }
        depth += line.matches('{').count();
        depth -= line.matches('}').count();
        around.push(open.last().map_or(path, |(_, path)| path).to_owned());
        if open.last().is_some_and(|(begun, _)| *begun == depth) {
            open.pop();
        }
    }
    around
}

/// Without the items that are there for tests alone; the lines stay.
fn without_tests(code: &str) -> String {
    let mut left = String::new();
    let mut rest = code;
    let begin = |code: &str| {
        let marks = ["#[cfg(test", "#[cfg(all(test"];
        marks.iter().filter_map(|mark| code.find(mark)).min()
    };
    while let Some(at) = begin(rest) {
        left.push_str(&rest[..at]);
        let mut depth = 0;
        let end = rest[at..].find(|letter| {
            match letter {
                '{' | '(' | '[' => depth += 1,
                '}' | ')' | ']' => depth -= 1,
                _ => {}
            }
            depth == 0 && matches!(letter, ';' | '}')
        });
        let end = end.map_or(rest.len(), |end| at + end + 1);
        left.extend(rest[at..end].matches('\n'));
        rest = &rest[end..];
    }
    left + rest
}

fn split(path: &str) -> Option<(&str, &str)> {
    (!path.is_empty()).then(|| path.rsplit_once("::").unwrap_or(("", path)))
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}::{name}")
    }
}
