//! S-expressions, of which SMT-LIB is made.

use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sexp {
    Atom(String),
    List(Vec<Self>),
}

use Sexp::{Atom, List};

impl Sexp {
    pub(crate) fn atom(text: &(impl ToString + ?Sized)) -> Self {
        Atom(text.to_string())
    }

    /// The forms of a text. Comments are left out.
    pub(crate) fn parse(text: &str) -> Result<Vec<Self>, String> {
        let mut open = vec![Vec::new()];
        for line in text.lines() {
            let code = line.split(';').next().unwrap_or_default();
            let spaced = code.replace('(', " ( ").replace(')', " ) ");
            for token in spaced.split_whitespace() {
                match token {
                    "(" => open.push(Vec::new()),
                    ")" => {
                        let list = open.pop().expect("one is always open");
                        let outer = open.last_mut();
                        outer
                            .ok_or(format!("a parenthesis too many: {line}"))?
                            .push(List(list));
                    }
                    token => open
                        .last_mut()
                        .expect("one is always open")
                        .push(Self::atom(token)),
                }
            }
        }
        match (open.pop(), open.is_empty()) {
            (Some(forms), true) => Ok(forms),
            _ => Err("a parenthesis is missing at the end".to_owned()),
        }
    }

    pub(crate) fn list(&self) -> &[Self] {
        match self {
            List(list) => list,
            Atom(_) => &[],
        }
    }

    pub(crate) fn text(&self) -> &str {
        match self {
            Atom(text) => text,
            List(_) => "",
        }
    }

    /// Means the same for queues of up to `most` calls, without quantifiers: each `forall` and each `lambda` is written out.
    pub(crate) fn small(&self, most: usize) -> Self {
        let List(list) = self else {
            return self.clone();
        };
        let small = List(list.iter().map(|part| part.small(most)).collect());
        let [quantifier, List(variables), body] = small.list() else {
            return small;
        };
        let with = |body: &Self, variable: &Self, value: usize| {
            let bound = List(vec![List(vec![
                variable.list()[0].clone(),
                Self::atom(&value),
            ])]);
            List(vec![Self::atom("let"), bound, body.clone()])
        };
        match quantifier.text() {
            "forall" => variables.iter().rev().fold(body.clone(), |body, variable| {
                let all = (0..most).map(|value| with(&body, variable, value));
                List([Self::atom("and")].into_iter().chain(all).collect())
            }),
            "lambda" => (0..most).fold(Self::atom("nobody"), |array, value| {
                let (index, element) = (Self::atom(&value), with(body, &variables[0], value));
                List(vec![Self::atom("store"), array, index, element])
            }),
            _ => small,
        }
    }
}

impl fmt::Display for Sexp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Atom(text) => f.write_str(text),
            List(list) => {
                f.write_str("(")?;
                for (index, part) in list.iter().enumerate() {
                    let space = if index == 0 { "" } else { " " };
                    write!(f, "{space}{part}")?;
                }
                f.write_str(")")
            }
        }
    }
}
