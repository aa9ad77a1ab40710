//! A query: one statement, and the series that its rows become.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, hash_map::Entry},
    time::Duration,
};

use haetae_plugin::{Call, Error, Result, Samples, Series, SeriesBuilder, Timestamp, Window};

use crate::{
    answer::{Answer, BYTES, Cell, Table},
    grouped::Grouped,
    options::{self, Kind},
    overlap::Overlap,
    server::Server,
    statement::{Range, Statement},
};

/// Values of one answer at most.
const VALUES: usize = 1_000_000;

/// One statement and what its values are called.
pub(crate) struct Query {
    statement: Statement,
    /// The same for many windows at once, if its text lets it be told.
    grouped: Option<Grouped>,
    /// The metric's name; without one the measurement's.
    metric: Option<String>,
    unit: String,
    kind: Kind,
    window: Option<Duration>,
    /// The series of the last answer: who asks again hands on the same handles.
    known: HashMap<Key, Series>,
}

/// What tells the series of an answer apart.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    name: String,
    tags: BTreeMap<String, String>,
    /// Of several columns the name of this one.
    column: Option<String>,
}

/// One question of a query: for which time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// The time that `$window` stands for.
    pub(crate) range: Range,
    /// The time of values that have none of their own.
    pub(crate) stamp: Timestamp,
    /// The range is many windows of this length, one after the other: a value is of the end of the
    /// one whose start InfluxDB names.
    pub(crate) windows: Option<Duration>,
}

/// What is being made of one answer.
struct Gathered<'a> {
    asked: Asked,
    seen: HashMap<Key, Seen>,
    samples: &'a mut Samples,
    again: Option<Again<'a>>,
    /// How many values there were, also of points that were yielded before.
    values: usize,
}

/// A question that is asked again: only points that were not yielded before are.
pub(crate) struct Again<'a> {
    pub(crate) overlap: &'a mut Overlap,
    /// The window of the poll.
    pub(crate) window: Window,
    /// The start of the overlap.
    pub(crate) from: Timestamp,
}

struct Seen {
    series: Series,
    measurement: String,
    values: usize,
}

impl Query {
    /// Checks a query of the options.
    pub(crate) fn new(query: &options::Query) -> Result<Self> {
        let window = query.window.map(|window| *window);
        if window.is_some_and(|window| window.is_zero()) {
            return Err(Error::config("window: longer than nothing"));
        }
        if query.metric.is_empty() {
            return Err(Error::config("metric: it needs a name"));
        }
        let statement = Statement::new(&query.influxql)?;
        if query.delay.is_some() && (window.is_some() || !statement.is_raw()) {
            return Err(Error::config(
                "delay: only of points as they are, without window and calls",
            ));
        }
        Ok(Self {
            grouped: Grouped::new(&statement),
            statement,
            metric: Some(query.metric.clone()),
            unit: query.unit.clone(),
            kind: query.kind,
            window,
            known: HashMap::new(),
        })
    }

    /// A statement that somebody asks once: its series are called after their measurements.
    pub(crate) fn once(influxql: &str) -> Result<Self> {
        Ok(Self {
            statement: Statement::new(influxql)?,
            grouped: None,
            metric: None,
            unit: "1".into(),
            kind: Kind::Gauge,
            window: None,
            known: HashMap::new(),
        })
    }

    /// The metric's name.
    pub(crate) fn metric(&self) -> Option<&str> {
        self.metric.as_deref()
    }

    /// The window that InfluxDB computes over, if it does.
    pub(crate) fn window(&self) -> Option<Duration> {
        self.window
    }

    /// Whether one question can have many windows, one after the other.
    pub(crate) fn takes_windows(&self) -> bool {
        self.grouped.is_some()
    }

    /// Whether its points have times of their own, so that they may be asked for again.
    pub(crate) fn is_raw(&self) -> bool {
        self.window.is_none() && self.statement.is_raw()
    }

    /// Asks, and adds what it yields.
    pub(crate) fn ask(
        &mut self,
        server: &Server,
        asked: Asked,
        call: Call,
        samples: &mut Samples,
    ) -> Result<()> {
        self.ask_again(server, asked, call, samples, None)
    }

    /// The same; of what is asked `again` the points that are new.
    pub(crate) fn ask_again(
        &mut self,
        server: &Server,
        asked: Asked,
        call: Call,
        samples: &mut Samples,
        again: Option<Again<'_>>,
    ) -> Result<()> {
        let statement = match (asked.windows, &self.grouped) {
            (Some(window), Some(grouped)) => &grouped.by(window, asked.range.from),
            _ => &self.statement,
        };
        let response = server.ask(&statement.over(asked.range), call)?;
        let mut answer = Answer::new(response, BYTES);
        let mut gathered = Gathered { asked, seen: HashMap::new(), samples, again, values: 0 };
        while let Some(tables) = answer.next()? {
            for table in &tables {
                self.take(table, &mut gathered)?;
            }
            if gathered.values > VALUES {
                return Err(Error::config(format!(
                    "more than {VALUES} values: ask for less, or for a mean over a window"
                )));
            }
        }
        let seen = gathered.seen.into_iter();
        self.known = seen.map(|(key, seen)| (key, seen.series)).collect();
        Ok(())
    }

    fn take(&mut self, table: &Table, gathered: &mut Gathered<'_>) -> Result<()> {
        let time = table.columns.iter().position(|column| column == "time");
        let columns = || table.columns.iter().enumerate().filter(|(at, _)| Some(*at) != time);
        let several = columns().nth(1).is_some();
        if several && table.tags.contains_key("field") {
            return Err(Error::config(
                "a tag is called field, which tells several columns apart: ask for one column",
            ));
        }
        let name = self.metric.clone().unwrap_or_else(|| table.name.clone());
        for (at, column) in columns() {
            let column = several.then(|| column.clone());
            let key = Key { name: name.clone(), tags: table.tags.clone(), column };
            self.column(table, (time, at), key, gathered)?;
        }
        Ok(())
    }

    fn column(
        &mut self,
        table: &Table,
        (time, at): (Option<usize>, usize),
        key: Key,
        gathered: &mut Gathered<'_>,
    ) -> Result<()> {
        let Gathered { asked, seen, samples, again, values } = gathered;
        let again = again.as_mut().map(|again| (again, key.clone(), BTreeSet::new()));
        let mut again = again.filter(|_| time.is_some());
        let seen = match seen.entry(key) {
            Entry::Occupied(seen) => seen.into_mut(),
            Entry::Vacant(new) => {
                let known = self.known.remove(new.key());
                let series = known.unwrap_or_else(|| new.key().series(&self.unit, self.kind));
                new.insert(Seen { series, measurement: table.name.clone(), values: 0 })
            }
        };
        if seen.measurement != table.name {
            return Err(Error::config(format!(
                "`{}` and `{}` yield one series: make a query of each measurement",
                seen.measurement, table.name
            )));
        }
        for row in &table.rows {
            #[expect(clippy::cast_precision_loss, reason = "values are floats to us")]
            let value = match row.get(at) {
                Some(Cell::Null) => continue,
                Some(Cell::Whole(value)) => *value as f64,
                Some(Cell::Number(value)) => *value,
                Some(Cell::Other(what)) => return Err(not_a_number(table, at, what)),
                None => return Err(Error::failed("a row lacks a column")),
            };
            seen.values += 1;
            *values += 1;
            let own = time.and_then(|time| row.get(time));
            let at = asked.time(own, self.window.is_some())?;
            if let Some((again, key, times)) = &mut again
                && !(again.overlap.is_fresh(key, at, again.from) && times.insert(at))
            {
                continue;
            }
            samples.push_at(&seen.series, value, at);
        }
        if let Some((again, key, times)) = again {
            again.overlap.yields(key, times, again.window);
        }
        if self.window.is_some() && asked.windows.is_none() && seen.values > 1 {
            return Err(Error::config(format!(
                "{} has several values in its window: aggregate, and not by time",
                seen.series
            )));
        }
        Ok(())
    }
}

impl Asked {
    /// What a source asks in `window`; the query's own window ends where that ends.
    pub(crate) fn in_window(own: Option<Duration>, window: Window) -> Self {
        let stamp = window.to;
        let range = match own {
            Some(own) => Range { from: stamp.before(own), to: stamp },
            // The range of a source has its end in it, that of a statement its start.
            None => Range { from: next(window.from), to: next(stamp) },
        };
        Self { range, stamp, windows: None }
    }

    /// The time of a value whose row says `own`. The epoch is InfluxDB's word for a time that it
    /// does not know: the range of its statement is in a subquery.
    fn time(self, own: Option<&Cell>, pushed_down: bool) -> Result<Timestamp> {
        match own {
            Some(Cell::Whole(nanos)) if self.windows.is_some() => {
                let window = self.windows.unwrap_or_default();
                Ok(Timestamp::from_nanos(*nanos).after(window))
            }
            Some(Cell::Whole(nanos)) => {
                let none = *nanos == 0 && self.range.from > Timestamp::default();
                Ok(if pushed_down || none { self.stamp } else { Timestamp::from_nanos(*nanos) })
            }
            None => Ok(self.stamp),
            Some(_) => Err(Error::failed("a time is no whole number")),
        }
    }
}

impl Key {
    fn series(&self, unit: &str, kind: Kind) -> Series {
        let start: SeriesBuilder = match kind {
            Kind::Gauge => Series::gauge(self.name.as_str(), unit),
            Kind::Counter => Series::counter(self.name.as_str(), unit),
        };
        let tags = self.tags.iter().fold(start, |series, (tag, value)| series.label(tag, value));
        let field = self.column.iter().fold(tags, |series, field| series.label("field", field));
        field.build()
    }
}

fn next(time: Timestamp) -> Timestamp {
    time.after(Duration::from_nanos(1))
}

fn not_a_number(table: &Table, at: usize, what: &str) -> Error {
    let column = table.columns.get(at).map_or("", String::as_str);
    Error::config(format!(
        "column `{column}` is {what}, not a number: select numbers only, tags belong to GROUP BY"
    ))
}
