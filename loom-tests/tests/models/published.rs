//! What is published: each crate has what a registry and its readers want, and all lists of these crates agree.
//!
//! The address of the repository may be empty here: `just publishable` names what only the owner can fill in.

use crate::files::{named, read};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// A manifest, by its sections and keys: `package`, `name`. Values stand as they are written.
struct Manifest {
    folder: PathBuf,
    sections: BTreeMap<String, BTreeMap<String, String>>,
}

impl Manifest {
    fn of(file: &Path) -> Self {
        let mut sections = BTreeMap::<String, BTreeMap<_, _>>::new();
        let mut section = String::new();
        for line in read(file).lines() {
            if let Some(name) = line.strip_prefix('[') {
                section = name.trim_end_matches(']').to_owned();
                sections.entry(section.clone()).or_default();
            } else if let Some((key, value)) =
                line.split_once(" = ").filter(|_| !line.starts_with('#'))
            {
                let keys = sections.entry(section.clone()).or_default();
                keys.insert(key.to_owned(), value.to_owned());
            }
        }
        let folder = file.parent().expect("a manifest lies in a folder");
        Self {
            folder: folder.to_owned(),
            sections,
        }
    }

    fn get(&self, section: &str, key: &str) -> Option<&str> {
        let value = self.sections.get(section)?.get(key)?;
        Some(value.trim_matches('"'))
    }

    /// Of the package, its own or the workspace's.
    fn has(&self, key: &str) -> bool {
        let inherited = format!("{key}.workspace");
        self.get("package", key).is_some() || self.get("package", &inherited) == Some("true")
    }

    fn name(&self) -> &str {
        self.get("package", "name").expect("a package has a name")
    }

    fn version(&self) -> &str {
        let version = self.get("package", "version");
        version.expect("a package has a version")
    }

    /// What the crate is built with, on some system.
    fn dependencies(&self) -> impl Iterator<Item = (&str, &str)> {
        let is_built_with = |name: &str| {
            name == "dependencies" || name.starts_with("target.") && name.ends_with(".dependencies")
        };
        let sections = self.sections.iter();
        sections
            .filter(move |(name, _)| is_built_with(name))
            .flat_map(|(_, keys)| keys.iter().map(|(key, value)| (&**key, &**value)))
    }
}

/// A value of an inline table.
fn field<'a>(table: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = table.split_once(&format!("{key} = \""))?;
    rest.split('"').next()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn published() -> Vec<Manifest> {
    let mut all: Vec<_> = named("Cargo.toml")
        .iter()
        .map(|file| Manifest::of(file))
        .collect();
    all.retain(|it| it.sections.contains_key("package") && it.get("package", "publish").is_none());
    assert!(all.len() > 8, "every manifest is looked at");
    all
}

#[test]
fn each_crate_has_what_a_registry_wants() {
    let mut missing = Vec::new();
    for manifest in published() {
        let mut lacks = |what: &str| missing.push(format!("{}: {what}", manifest.name()));
        for key in [
            "version",
            "description",
            "edition",
            "rust-version",
            "license",
            "repository",
            "readme",
            "keywords",
            "categories",
            "include",
        ] {
            if !manifest.has(key) {
                lacks(key);
            }
        }
        if !manifest.sections.contains_key("package.metadata.docs.rs") {
            lacks("[package.metadata.docs.rs]");
        }
        for file in ["README.md", "LICENSE-MIT", "LICENSE-APACHE"] {
            if !manifest.folder.join(file).exists() {
                lacks(file);
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// A registry refuses a path alone, and takes another crate for a version that is not the one beside it.
#[test]
fn crates_name_the_versions_of_one_another() {
    let all = published();
    let mut seen = 0;
    for manifest in &all {
        for (key, table) in manifest.dependencies() {
            let Some(path) = field(table, "path") else {
                continue;
            };
            let name = field(table, "package").unwrap_or(key);
            let other = all.iter().find(|it| it.name() == name);
            let other =
                other.unwrap_or_else(|| panic!("{}: {name} is not published", manifest.name()));
            assert_eq!(
                field(table, "version"),
                Some(other.version()),
                "{}: {name}",
                manifest.name()
            );
            assert!(
                manifest.folder.join(path).join("Cargo.toml").exists(),
                "{path}"
            );
            seen += 1;
        }
    }
    assert!(seen > 6, "{seen} are looked at");
}

/// One line of a manifest is renamed: what may stand in it for turnwise may stand in it for turnwise-shuttle.
#[test]
fn turnwise_shuttle_stands_for_turnwise() {
    let all = published();
    let of = |name| {
        all.iter()
            .find(|it| it.name() == name)
            .expect("it is published")
    };
    let (core, twin) = (of("turnwise"), of("turnwise-shuttle"));
    assert_eq!(core.version(), twin.version());
    // shuttle needs a newer Rust.
    assert_eq!(
        of("turnwise-shuttle-engine").get("package", "rust-version"),
        twin.get("package", "rust-version")
    );
    for (feature, brings) in &core.sections["features"] {
        assert_eq!(
            twin.get("features", feature),
            Some(brings.trim_matches('"')),
            "{feature}"
        );
    }
    for (name, table) in core.dependencies() {
        let is_shuttle_s =
            |table: &str| field(table, "package").is_some_and(|it| it.starts_with("shuttle-"));
        let twin = twin.dependencies().find(|(key, _)| *key == name);
        let (_, its) = twin.unwrap_or_else(|| panic!("turnwise-shuttle has no {name}"));
        assert!(its == table || is_shuttle_s(its), "{name}: {its}");
    }
}

/// The owner sets the address in Cargo.toml, and `just repository` copies it to the two workspaces that cannot inherit it.
#[test]
fn the_address_has_one_place() {
    let root = Manifest::of(&root().join("Cargo.toml"));
    let address = root.get("workspace.package", "repository");
    assert!(
        address.is_some(),
        "Cargo.toml: [workspace.package] has the key, for the owner"
    );
    for manifest in published() {
        if manifest.get("package", "repository.workspace").is_none() {
            assert_eq!(
                manifest.get("package", "repository"),
                address,
                "{}: `just repository` copies it",
                manifest.name()
            );
        }
    }
}

#[test]
fn each_list_has_every_crate() {
    let (changes, recipes) = (
        read(&root().join("CHANGELOG.md")),
        read(&root().join("justfile")),
    );
    for manifest in published() {
        let name = manifest.name();
        let is_part = name == "turnwise-shuttle-engine"; // of turnwise-shuttle
        let section = format!("### {name}");
        assert!(
            is_part || changes.lines().any(|line| line == section),
            "CHANGELOG.md: {section}"
        );
        let folder = manifest
            .folder
            .strip_prefix(root())
            .expect("it lies in the project");
        let by_folder = format!("--manifest-path {}/Cargo.toml", folder.display());
        let by_name = format!(" -p {name} ");
        let recipes = recipes.replace(['"', '\n'], " ");
        assert!(
            recipes.contains(&by_name) || recipes.contains(&by_folder),
            "justfile: {name}"
        );
    }
}
