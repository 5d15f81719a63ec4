//! The machine as its files state it, and the questions that are asked about it.

use crate::sexp::Sexp;
use std::{fs, path::Path};

/// How long a queue is where an example is sought.
pub(crate) const SMALL: usize = 3;

const FOLDER: &str = "machine/smt";
const FILES: [&str; 5] = ["state", "transitions", "invariant", "claims", "progress"];

/// A function of the files, to `Bool` or a queue.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// The names and types of its arguments.
    pub(crate) arguments: Vec<(String, String)>,
    pub(crate) body: Sexp,
    file: &'static str,
}

pub(crate) struct Theory {
    forms: Vec<Sexp>,
    functions: Vec<Function>,
}

/// What a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Transition,
    Claim,
    Progress,
}

impl Theory {
    /// Reads the files below `root`; `changed` are texts that replace some of them.
    pub(crate) fn read(
        root: &Path,
        changed: &[(std::path::PathBuf, String)],
    ) -> Result<Self, String> {
        let (mut forms, mut functions) = (Vec::new(), Vec::new());
        for name in FILES {
            let file = root.join(FOLDER).join(format!("{name}.smt2"));
            let told = |words: String| format!("{}: {words}", file.display());
            let text = match changed.iter().find(|(other, _)| *other == file) {
                Some((_, text)) => text.clone(),
                None => fs::read_to_string(&file).map_err(|error| told(error.to_string()))?,
            };
            let of_file = Sexp::parse(&text).map_err(told)?;
            functions.extend(of_file.iter().filter_map(|form| Function::of(form, name)));
            forms.extend(of_file);
            if name == "invariant" {
                let conjuncts = functions.iter().filter(|function| function.file == name);
                let conjuncts: String = conjuncts
                    .map(|function| format!(" ({} s)", function.name))
                    .collect();
                forms.extend(Sexp::parse(&format!(
                    "(define-fun Inv ((s Slot)) Bool (and{conjuncts}))"
                ))?);
            }
        }
        Ok(Self { forms, functions })
    }

    fn of_file(&self, file: &'static str) -> impl Iterator<Item = &Function> {
        let functions = self.functions.iter();
        functions.filter(move |function| function.file == file)
    }

    /// The relations: those with a slot before and one after.
    pub(crate) fn transitions(&self) -> impl Iterator<Item = &Function> {
        self.of_file("transitions").filter(|function| {
            let names: Vec<&str> = function.arguments.iter().map(|(name, _)| &**name).collect();
            names.starts_with(&["s", "t"])
        })
    }

    pub(crate) fn conjuncts(&self) -> impl Iterator<Item = &Function> {
        self.of_file("invariant")
    }

    /// Those of the form `(=> premise conclusion)`; the others are words that these use.
    pub(crate) fn claims(&self) -> impl Iterator<Item = (Kind, &Function)> {
        let claims = self
            .of_file("claims")
            .map(|function| (Kind::Claim, function));
        let progress = self.of_file("progress");
        let all = claims.chain(progress.map(|function| (Kind::Progress, function)));
        all.filter(|(_, function)| function.premise().is_some())
    }

    /// The functions that say something of each position of a queue.
    pub(crate) fn quantified(&self) -> impl Iterator<Item = &Function> {
        let functions = self.functions.iter();
        functions.filter(|function| {
            let first = function.body.list().first().map(Sexp::text);
            matches!(first, Some("forall" | "lambda"))
        })
    }

    /// The same, but two slots are the same if they are in what the source has.
    pub(crate) fn without_ghosts(mut self) -> Result<Self, String> {
        let is = |form: &&mut Sexp| form.list().get(1) == Some(&Sexp::atom("is"));
        let form = self.forms.iter_mut().find(is).ok_or("there is no `is`")?;
        let ghosts = ["turns", "vacancies", "closings", "keepers", "born", "gone"];
        let seen = |slot: &str| {
            let none = format!("((_ update-field passed) {slot} ((as const (Array Int Int)) 0))");
            ghosts.iter().fold(none, |slot, ghost| {
                format!("((_ update-field {ghost}) {slot} 0)")
            })
        };
        let text = format!(
            "(define-fun is ((t Slot) (e Slot)) Bool (and (= {} {}) (alike (queue t) (queue e) (len e))))",
            seen("t"),
            seen("(queue! e (queue t))")
        );
        *form = Sexp::parse(&text)?.remove(0);
        Ok(self)
    }

    /// All definitions. With `small`, those of queues of up to so many calls.
    pub(crate) fn definitions(&self, small: Option<usize>) -> String {
        let forms = self.forms.iter().map(|form| match small {
            Some(most) => format!("{}\n", form.small(most)),
            None => format!("{form}\n"),
        });
        forms.collect()
    }
}

impl Function {
    fn of(form: &Sexp, file: &'static str) -> Option<Self> {
        let [define, name, arguments, result, body] = form.list() else {
            return None;
        };
        if define.text() != "define-fun" || !["Bool", "Queue"].contains(&result.text()) {
            return None;
        }
        let argument = |of: &Sexp| (of.list()[0].to_string(), of.list()[1].to_string());
        Some(Self {
            name: name.to_string(),
            arguments: arguments.list().iter().map(argument).collect(),
            body: body.clone(),
            file,
        })
    }

    pub(crate) fn premise(&self) -> Option<&Sexp> {
        match self.body.list() {
            [implies, premise, _] if implies.text() == "=>" => Some(premise),
            _ => None,
        }
    }

    /// Declares a constant for each argument.
    pub(crate) fn declared(&self) -> String {
        let all = self.arguments.iter();
        all.map(|(name, of)| format!("(declare-const {name} {of})\n"))
            .collect()
    }

    /// The function of these constants.
    pub(crate) fn applied(&self) -> String {
        let names = self.arguments.iter().map(|(name, _)| format!(" {name}"));
        format!("({}{})", self.name, names.collect::<String>())
    }

    /// Its arguments of this type.
    pub(crate) fn of_type<'a>(&'a self, of: &'a str) -> impl Iterator<Item = &'a str> {
        let all = self.arguments.iter();
        all.filter(move |(_, its)| its == of)
            .map(|(name, _)| &**name)
    }

    /// Each slot has a queue of at most so many calls.
    pub(crate) fn short(&self, most: usize) -> String {
        let slots = self.of_type("Slot");
        slots
            .map(|slot| format!("(assert (<= (len {slot}) {most}))\n"))
            .collect()
    }
}
