//! A trace as SVG: a lane per actor, a box for the time that a lock is held, arrows from who spawns or wakes to whom.
//! `pen` draws it.

use crate::{
    Action, Kind, Lock, Trace,
    layout::{Layout, Row, Span, words, wrap},
    pen::{GREEN, INK, LETTER, ORANGE, PALE, Pen, RED, RULE, letters},
};
use svg::node::element::{Circle, Line};

const LANE: f64 = 350.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 16.0;
/// Of one line of a row.
const LINE: f64 = 16.0;
/// Of one line of the head.
const HEAD_LINE: f64 = 20.0;
/// Above and below the lines of a row.
const PAD: f64 = 3.0;
/// How much each lock moves its box, and what is in it, to the right.
const INSET: f64 = 9.0;

/// Stands at the right of what published.
const PUBLISH: &str = "publish";

/// Fill and edge: the map lock shared, the map lock alone, then the slots in the order of their first lock.
const READ: (&str, &str) = ("#eef1f4", "#57606a");
const WRITE: (&str, &str) = ("#d0d6dd", "#424a53");
const SLOTS: [(&str, &str); 5] = [
    ("#b6dcff", "#0550ae"),
    ("#ffd8a8", "#953800"),
    ("#dccffb", "#6639ba"),
    ("#bdeac8", "#116329"),
    ("#fbc9e4", "#99286e"),
];

pub(crate) fn draw(trace: &Trace) -> String {
    let layout = Layout::new(trace);
    let mut picture = Picture::new(trace, &layout);
    picture.lanes();
    for span in &layout.spans {
        picture.held(span);
    }
    for (at, row) in layout.rows.iter().enumerate() {
        if !layout.omitted().contains(&at) {
            picture.row(at, row);
        }
    }
    picture.omitted();
    picture.legend();
    picture.pen.finish()
}

struct Picture<'a> {
    trace: &'a Trace,
    layout: &'a Layout<'a>,
    /// The names of the slots, in the order of their colours.
    slots: Vec<&'a str>,
    /// Title, note and failure: the lines of the head, each with its colour.
    head: Vec<(String, &'static str)>,
    /// Where each row begins, and where the last one ends.
    tops: Vec<f64>,
    width: f64,
    /// On a sheet that is made when the height is known.
    pen: Pen,
}

impl<'a> Picture<'a> {
    fn new(trace: &'a Trace, layout: &'a Layout<'a>) -> Self {
        let lanes = trace.actors.len().max(2) as f64;
        let width = LEFT + lanes * LANE + RIGHT;
        let mut slots = Vec::new();
        for span in &layout.spans {
            let name = span.lock.name.as_str();
            if span.lock.kind == Kind::Slot && !slots.contains(&name) {
                slots.push(name);
            }
        }
        let room = width - LEFT - RIGHT;
        let failure = trace.failure().unwrap_or_default();
        let parts = [
            (trace.title.as_str(), letters(room * 0.8), INK),
            (&trace.note, letters(room), PALE),
            (failure, letters(room), RED),
        ];
        let mut head = Vec::new();
        for (text, width, colour) in parts {
            let lines = wrap(text, width).into_iter();
            head.extend(
                lines
                    .filter(|line| !line.is_empty())
                    .map(|line| (line, colour)),
            );
        }
        let mut picture = Self {
            trace,
            layout,
            slots,
            head,
            tops: Vec::new(),
            width,
            pen: Pen::on(0.0, 0.0),
        };
        picture.place();
        picture
    }

    /// Gives each row its place.
    fn place(&mut self) {
        let mut top = self.names() + 34.0;
        let omitted = self.layout.omitted();
        for at in 0..self.layout.rows.len() {
            // A box that ends leaves a little air before what comes next.
            let ends = |span: &Span<'_>| span.released && span.rows.end == at;
            if self.layout.spans.iter().any(ends) {
                top += 4.0;
            }
            self.tops.push(top);
            if omitted.contains(&at) {
                top += if at == omitted.start {
                    LINE + 4.0 * PAD
                } else {
                    0.0
                };
            } else {
                top += self.lines(at).len() as f64 * LINE + 2.0 * PAD;
            }
        }
        self.tops.push(top + 4.0);
    }

    /// Where the names of the lanes stand.
    fn names(&self) -> f64 {
        26.0 + self.head.len() as f64 * HEAD_LINE
    }

    fn bottom(&self) -> f64 {
        self.tops.last().copied().unwrap_or_default()
    }

    fn lane(&self, actor: usize) -> f64 {
        LEFT + actor as f64 * LANE
    }

    /// Where the text of a row begins.
    fn text_at(&self, row: &Row<'_>) -> f64 {
        if self.is_everybodys(row) {
            return LEFT + 14.0;
        }
        let own = usize::from(matches!(row.step.action, Action::Lock(_)));
        self.lane(row.step.actor)
            + 22.0
            + INSET * (row.depth + own).saturating_sub(1) as f64
            + if row.depth + own > 0 { 8.0 } else { 0.0 }
    }

    fn is_everybodys(&self, row: &Row<'_>) -> bool {
        row.step.actor >= self.trace.actors.len()
    }

    /// Where the text of a row ends at the latest.
    fn text_end(&self, row: &Row<'_>) -> f64 {
        if self.is_everybodys(row) {
            return self.width - RIGHT - 8.0;
        }
        let inset = INSET * row.held().saturating_sub(1) as f64;
        self.lane(row.step.actor) + LANE - 16.0 - 0.6 * inset
    }

    fn lines(&self, at: usize) -> Vec<String> {
        let row = &self.layout.rows[at];
        let mut said = words(row, &self.trace.actors);
        if let Some(span) = self.layout.begins(at) {
            said = format!("{said} {}", self.layout.new_section(span));
        }
        let width = letters(self.text_end(row) - self.text_at(row));
        let mut lines = wrap(&said, width);
        let used = lines.last().map_or(0, |line| line.chars().count());
        if row.publishes && used + PUBLISH.len() > width {
            lines.push(String::new());
        }
        lines
    }

    fn shade(&self, lock: &Lock) -> (&'static str, &'static str) {
        match lock.kind {
            Kind::Read => READ,
            Kind::Write => WRITE,
            Kind::Slot => {
                let known = self.slots.iter().position(|name| *name == lock.name);
                SLOTS[known.unwrap_or_default() % SLOTS.len()]
            }
        }
    }

    fn lanes(&mut self) {
        let height = self.bottom() + 44.0;
        self.pen = Pen::on(self.width, height);
        self.pen
            .rectangle((0.5, 0.5, self.width - 1.0, height - 1.0), "#ffffff", RULE);
        for (index, (line, colour)) in self.head.clone().iter().enumerate() {
            let place = (LEFT - 20.0, 28.0 + index as f64 * HEAD_LINE);
            self.pen.text(place, line, colour, |text| match *colour {
                INK => text.set("font-size", 15).set("font-weight", "bold"),
                RED => text.set("font-size", 13).set("font-weight", "bold"),
                _ => text.set("font-size", 13),
            });
        }
        for actor in 0..self.trace.actors.len() {
            let (x, y) = (self.lane(actor), self.names());
            if actor % 2 == 0 {
                let band = (x, y, LANE, self.bottom() - y + 4.0);
                self.pen.rectangle(band, "#f8f9fb", "none");
            }
            self.pen
                .line((x + 10.0, y + 26.0), (x + 10.0, self.bottom()), RULE, 2.0);
            self.pen
                .rectangle((x + 2.0, y + 4.0, LANE - 10.0, 22.0), "#eaeef2", "none");
            let name = self.trace.actors[actor].clone();
            self.pen.text((x + 12.0, y + 19.0), &name, INK, |text| {
                text.set("font-weight", "bold")
            });
        }
    }

    /// The box of a lock.
    fn held(&mut self, span: &Span<'_>) {
        let (fill, edge) = self.shade(span.lock);
        let inset = INSET * span.depth as f64;
        let x = self.lane(span.actor) + 20.0 + inset;
        let top = self.tops[span.rows.start] + 1.0;
        // Boxes that end together stay inside each other.
        let next = self.tops[span.rows.end];
        let end = next - 4.0 - if span.depth > 0 { 2.0 } else { 0.0 };
        let area = (x, top, LANE - 30.0 - 1.6 * inset, end - top);
        self.pen.rectangle(area, fill, edge);
    }

    fn row(&mut self, at: usize, row: &Row<'_>) {
        let lines = self.lines(at);
        let (x, top) = (self.text_at(row), self.tops[at]);
        let y = top + PAD + LINE - 4.0;
        let middle = y - 4.0;
        let number = (at + 1).to_string();
        self.pen.text((LEFT - 12.0, y), &number, "#8c959f", |text| {
            text.set("text-anchor", "end").set("font-size", 10)
        });
        let colour = colour(&row.step.action);
        if matches!(row.step.action, Action::Fail(_)) {
            let height = lines.len() as f64 * LINE + 2.0 * PAD - 2.0;
            let (from, wide) = if self.is_everybodys(row) {
                (LEFT, self.width - LEFT - RIGHT)
            } else {
                (self.lane(row.step.actor) + 16.0, LANE - 22.0)
            };
            self.pen
                .rectangle((from, top + 1.0, wide, height), "#ffebe9", RED);
        }
        if !self.is_everybodys(row) {
            let life = self.lane(row.step.actor) + 10.0;
            if row.step.action == Action::Wait {
                self.asleep(at, middle);
            }
            let dot = Circle::new()
                .set("cx", life)
                .set("cy", middle)
                .set("r", if colour == RED { 5.0 } else { 3.0 })
                .set("fill", if colour == INK { PALE } else { colour });
            self.pen.add(dot);
        }
        let to = match row.step.action {
            Action::Wake(to) | Action::Spawn(to) if to != row.step.actor => Some(to),
            _ => None,
        };
        if let Some(to) = to.filter(|to| *to < self.trace.actors.len()) {
            let said = lines.first().map_or(0, |line| line.chars().count()) as f64;
            let right = to > row.step.actor;
            let from = if right {
                x + said * LETTER + 6.0
            } else {
                self.lane(row.step.actor) + 6.0
            };
            self.pen.arrow(from, self.lane(to) + 10.0, middle, colour);
        }
        let mut bottom = y;
        for (index, line) in lines.iter().enumerate() {
            bottom = y + index as f64 * LINE;
            self.words((x, bottom), line, row, index == 0);
        }
        if row.publishes {
            let end = self.text_end(row);
            self.pen.text((end, bottom), PUBLISH, PALE, |text| {
                text.set("text-anchor", "end").set("font-size", 11)
            });
        }
    }

    /// A sleeper's lane is dashed, from its wait to what it does next.
    fn asleep(&mut self, at: usize, from: f64) {
        let actor = self.layout.rows[at].step.actor;
        let own = |row: &Row<'_>| row.step.actor == actor;
        let next = self.layout.rows[at + 1..].iter().position(own);
        let to = next.map_or(self.bottom(), |next| self.tops[at + 1 + next]);
        let x = self.lane(actor) + 10.0;
        let line = Line::new()
            .set("x1", x)
            .set("y1", from)
            .set("x2", x)
            .set("y2", to)
            .set("stroke", ORANGE)
            .set("stroke-width", 2)
            .set("stroke-dasharray", "2 5");
        self.pen.add(line);
    }

    /// One line of a row: a lock's name in the lock's colour, what is said of a lock on the lock's shade.
    fn words(&mut self, (x, y): (f64, f64), line: &str, row: &Row<'_>, first: bool) {
        match &row.step.action {
            Action::Lock(lock) if first => {
                let (_, edge) = self.shade(lock);
                let name = lock.to_string();
                let section = line.get(name.len()..).unwrap_or_default().trim_start();
                self.pen
                    .text((x, y), &name, edge, |text| text.set("font-weight", "bold"));
                let x = x + (name.len() + 1) as f64 * LETTER;
                self.pen
                    .text((x, y), section, INK, |text| text.set("font-weight", "600"));
            }
            Action::Of(_, lock) => {
                let (fill, edge) = self.shade(lock);
                let wide = line.chars().count() as f64 * LETTER + 8.0;
                self.pen
                    .rectangle((x - 4.0, y - 11.5, wide, LINE - 1.0), fill, edge);
                self.pen
                    .text((x, y), line, INK, |text| text.set("font-weight", "600"));
            }
            Action::Fail(_) => {
                self.pen
                    .text((x, y), line, RED, |text| text.set("font-weight", "600"));
            }
            action => self.pen.text((x, y), line, colour(action), |text| text),
        }
    }

    fn omitted(&mut self) {
        let omitted = self.layout.omitted();
        if omitted.is_empty() {
            return;
        }
        let (top, height) = (self.tops[omitted.start], LINE + 4.0 * PAD);
        let band = (LEFT, top, self.width - LEFT - RIGHT, height - 2.0);
        self.pen.rectangle(band, "#ffffff", RULE);
        let words = format!("{} steps are left out", omitted.len());
        self.pen
            .text((LEFT + 14.0, top + PAD + LINE), &words, PALE, |text| text);
    }

    /// What the colours mean.
    fn legend(&mut self) {
        let y = self.bottom() + 26.0;
        let mut x = LEFT;
        let mut entries: Vec<((&str, &str), String)> = Vec::new();
        for span in &self.layout.spans {
            let words = match span.lock.kind {
                Kind::Slot => format!("{} locked", span.lock.name),
                Kind::Read => "map locked, shared".to_owned(),
                Kind::Write => "map locked, alone".to_owned(),
            };
            if !entries.iter().any(|(_, known)| *known == words) {
                entries.push((self.shade(span.lock), words));
            }
        }
        for ((fill, edge), words) in entries {
            self.pen.rectangle((x, y - 11.0, 14.0, 14.0), fill, edge);
            self.pen.text((x + 20.0, y), &words, PALE, |text| {
                text.set("font-size", 11)
            });
            x += 44.0 + words.len() as f64 * LETTER;
        }
        let time = "time runs down; a row is one step";
        self.pen
            .text((x, y), time, PALE, |text| text.set("font-size", 11));
    }
}

fn colour(action: &Action) -> &'static str {
    match action {
        Action::Fail(_) => RED,
        Action::Grant(_) => GREEN,
        Action::Wake(_) => ORANGE,
        Action::Wait | Action::Woken | Action::End | Action::Spawn(_) | Action::Publish => PALE,
        Action::Lock(_) | Action::Unlock(_) | Action::Say(_) | Action::Of(..) => INK,
    }
}
