//! Numbers of several rounds: the median, and from where to where they go.

use std::fmt;

/// The numbers of one cell of a table, one for each round.
#[derive(Clone, Debug, Default)]
pub struct Numbers(Vec<f64>);

impl Numbers {
    /// Adds the number of a round.
    pub fn add(&mut self, number: impl Into<f64>) {
        self.0.push(number.into());
        self.0.sort_by(f64::total_cmp);
    }

    /// The largest, 0 if there is none.
    pub fn largest(&self) -> f64 {
        self.0.last().copied().unwrap_or_default()
    }

    /// The median, 0 if there is none.
    pub fn median(&self) -> f64 {
        self.0.get(self.0.len() / 2).copied().unwrap_or_default()
    }

    fn show(&self, f: &mut fmt::Formatter<'_>, digits: usize) -> fmt::Result {
        let [least, median, most] = [
            self.0.first().copied().unwrap_or_default(),
            self.median(),
            self.largest(),
        ]
        .map(|number| format!("{number:.digits$}"));
        if least == most {
            return f.write_str(&median);
        }
        write!(f, "{median} ({least} to {most})")
    }
}

/// Whole numbers, or as many digits as the format has.
impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.show(f, f.precision().unwrap_or(0))
    }
}

/// The number that the arguments give a name, as in `--rounds=N`.
///
/// # Errors
///
/// It is not a number, or 0.
pub fn asked(args: &[String], name: &str, default: usize) -> Result<usize, String> {
    let given = args
        .iter()
        .find_map(|arg| arg.strip_prefix(name)?.strip_prefix('='));
    match given.map(str::parse) {
        None => Ok(default),
        Some(Ok(number)) if number > 0 => Ok(number),
        Some(_) => Err(format!("{name} needs a number of at least 1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_and_the_range_are_shown() {
        let mut numbers = Numbers::default();
        for number in [3.0, 1.0, 2.0] {
            numbers.add(number);
        }
        assert_eq!(format!("{numbers}"), "2 (1 to 3)");
        assert_eq!(format!("{numbers:.1}"), "2.0 (1.0 to 3.0)");
        assert_eq!(numbers.largest(), 3.0);
    }
}
