//! A daemon whose alarms the test makes, that is killed again and again; what arrived, and what it kept.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, thread,
    time::Duration,
};

use haetae_plugin::Notification;
use serde_json::Value;

use crate::{
    chance::Chance,
    checker::{Found, Kept, Killed, Mail},
    decode::Decoded,
    identity::Identity,
    ledger::Ledger,
    place::Place,
    servers::smtp_sink::SmtpSink,
    support::{Daemon, Home, WRITTEN, evaluator, every, file_sink, mail_sink, within},
};

const LONG: Duration = Duration::from_mins(1);
/// Enough for more changes at once than the 64 notifications that are sent at once.
const IDS: u32 = 90;

/// When a daemon is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// While it starts and takes up what an earlier one left.
    Starting,
    /// Soon after it was told of new values: it judges, writes, begins to send.
    Judging,
    /// When some of the mails about them had arrived.
    Sending,
}

/// What a kill found.
#[derive(Debug)]
pub struct Kill {
    pub moment: Moment,
    pub killed: Killed,
    /// How many more waited.
    pub waiting: usize,
}

/// A daemon, its mail server, its store.
pub struct Rig<'a> {
    pub home: Home,
    sink: SmtpSink,
    place: Place<'a>,
    chance: Chance,
    pub ledger: Ledger,
    pub kills: Vec<Kill>,
}

const LEVELS: &str = r#"
flap = false
by = ["id"]
warning = { above = 50 }
critical = { above = 90 }
"#;

impl<'a> Rig<'a> {
    /// `keys` of `[daemon]` say where the store is; `place` knows it, given the state directory.
    pub fn new(seed: u64, keys: &str, place: impl FnOnce(&Home) -> Place<'a>) -> Self {
        let home = Home::with_plugins(&["lent", "email", "file"]);
        let sink = SmtpSink::start(&home.path("mails"), &[]);
        home.configure_daemon(
            keys,
            &[
                WRITTEN.into(),
                evaluator("levels", "written", "written_value", LEVELS),
                mail_sink(sink.port(), &["levels"]),
                // What a busy machine has the daemon say of itself is nobody's mail.
                file_sink("aside", &["system"]),
            ]
            .concat(),
        );
        let (place, chance, ledger) = (place(&home), Chance::of(seed), Ledger::of(IDS));
        let mut rig = Self { home, sink, place, chance, ledger, kills: Vec::new() };
        rig.ledger.write(&rig.home.path("values"));
        rig
    }

    /// Starts the daemon and kills it at some instant.
    pub fn round(&mut self) {
        let moment = self.moment();
        self.kill(moment);
    }

    /// Some moment.
    pub fn moment(&mut self) -> Moment {
        match self.chance.below(5) {
            0 => Moment::Starting,
            1 | 2 => Moment::Judging,
            _ => Moment::Sending,
        }
    }

    /// Starts the daemon, kills it at such a moment and looks at what it left.
    pub fn kill(&mut self, moment: Moment) {
        self.strike(moment);
        self.note(moment);
    }

    /// Starts the daemon and kills it at such a moment.
    pub fn strike(&mut self, moment: Moment) {
        let mut daemon = self.home.spawn();
        let pause = match moment {
            Moment::Starting => self.chance.time(Duration::from_secs(1)),
            Moment::Judging => {
                self.change(&mut daemon);
                self.chance.time(Duration::from_millis(80))
            }
            Moment::Sending => {
                let changed = self.change(&mut daemon);
                let before = self.sink.length();
                let more = self.chance.index(changed.saturating_sub(2).max(1)) + 1;
                let arrived = || (self.sink.arrived_after(before) >= more).then_some(());
                let some = every(Duration::from_millis(1), LONG, arrived);
                assert!(some.is_some(), "no mail arrives: {:#?}", daemon.lines());
                self.chance.time(Duration::from_millis(6))
            }
        };
        // Not to wait for anything: the instant of the kill is what is drawn by lot.
        thread::park_timeout(pause);
        daemon.kill();
    }

    /// Looks at what a killed daemon left.
    pub fn note(&mut self, moment: Moment) {
        self.place.settles();
        self.kills.push(self.look(moment));
    }

    /// Takes the newest notice that waits out of the store; whether there was one.
    pub fn take_one_away(&self) -> bool {
        let Place::File(path) = &self.place else { panic!("only where the test may write") };
        let database = rusqlite::Connection::open(path).expect("the store");
        // The first batch of a dispatcher is small: the newest row was not in it.
        let newest = "DELETE FROM outbox WHERE id = (SELECT max(id) FROM outbox)";
        database.execute(newest, []).expect("done") == 1
    }

    /// Changes values once all that changed before is judged, and waits until they are read.
    fn change(&mut self, daemon: &mut Daemon) -> usize {
        daemon.ready(&self.home);
        self.reflects(daemon);
        let changed = self.ledger.change(&mut self.chance);
        let name = self.ledger.write(&self.home.path("values"));
        let read = || {
            let read = fs::read_to_string(self.home.path("values.read")).ok()?;
            (read == name).then_some(())
        };
        assert!(every(Duration::from_millis(1), LONG, read).is_some(), "{:#?}", daemon.lines());
        changed
    }

    /// Waits until the daemon's alarms are those of the ledger.
    fn reflects(&self, daemon: &mut Daemon) {
        let wanted = || self.ledger.now.iter().filter(|(_, level)| **level != <_>::default());
        let wanted: BTreeMap<String, String> =
            wanted().map(|(id, level)| (id.clone(), level.word().into())).collect();
        let mut seen = BTreeMap::new();
        let same = within(LONG, || {
            seen = self.listed()?.into_iter().map(|kept| (kept.of, kept.stands)).collect();
            (seen == wanted).then_some(())
        });
        assert!(same.is_some(), "{wanted:?} fire, and not {seen:?}: {:#?}", daemon.lines());
    }

    /// What the daemon says it knows.
    fn listed(&self) -> Option<Vec<Kept>> {
        let listed = self.home.json(&["alarm", "list"])?;
        let alarms = listed["alarms"].as_array()?.iter();
        Some(
            alarms
                .filter(|alarm| alarm["evaluator"] == "levels")
                .map(|alarm| kept(0, alarm))
                .collect(),
        )
    }

    fn look(&self, moment: Moment) -> Kill {
        let claimed = self.place.texts("SELECT payload FROM outbox WHERE dead = 0 AND lease > 0");
        let id = |payload: &String| {
            let notification: Notification = serde_json::from_str(payload).expect("a notification");
            Identity::of(&notification, "monitor.test").message
        };
        let waiting = self.place.texts("SELECT id FROM outbox WHERE dead = 0 AND lease = 0").len();
        let claimed = claimed.iter().map(id).collect();
        let arrived = self.sink.arrived_after(0);
        Kill { moment, killed: Killed { claimed, arrived }, waiting }
    }

    /// Lets the daemon finish, and collects all that is known.
    pub fn finish(&mut self) -> Found {
        let mut daemon = self.home.start();
        self.reflects(&mut daemon);
        // However much waits: as long as it gets less.
        let mut before = usize::MAX;
        while let Some(waiting) = within(LONG, || {
            let outbox = self.home.json(&["status"])?["store"]["outbox"].clone();
            let counts = outbox.as_array().expect("a list").iter();
            let waiting =
                counts.map(|count| count["count"].as_u64().expect("a number")).sum::<u64>();
            let waiting = usize::try_from(waiting).expect("not so many");
            (waiting < before).then_some(waiting)
        }) {
            before = waiting;
            if waiting == 0 {
                break;
            }
        }
        let left = self.home.json(&["outbox", "list"]).expect("a list");
        let left = left["notifications"].as_array().expect("a list").len();
        assert_eq!(left, before, "{:#?}", daemon.lines());
        let listed = self.listed().expect("a list");
        let debts = self.home.json(&["alarm", "obligations", "--all"]).expect("a list");
        let debts: BTreeMap<String, String> = debts["obligations"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|debt| (text(&debt["alarm"]), text(&debt["state"])))
            .collect();
        assert!(daemon.stop(), "it ends well");
        self.place.settles();
        let all = "SELECT standing FROM alarms UNION ALL SELECT standing FROM ended_alarms";
        let standings = self.place.texts(all);
        let standings = standings
            .iter()
            .map(|text| -> Value { serde_json::from_str(text).expect("a standing") });
        let of_levels = |standing: &Value| standing["alarm"]["evaluator"] == "levels";
        let of_store = |standing: Value| {
            let occurrence = standing["occurrence"].as_u64().expect("a number");
            let mut kept = kept(occurrence, &standing["alarm"]);
            kept.debt = debts.get(&kept.id).cloned();
            kept
        };
        // What is ok and has not ended is history for the evaluator, no alarm.
        let kept = standings.filter(of_levels).map(of_store).filter(|kept| kept.stands != "ok");
        let kept: Vec<Kept> = kept.collect();
        let fires = |kept: &&Kept| kept.stands != "ended";
        let of_store: BTreeSet<_> =
            kept.iter().filter(fires).map(|kept| (&kept.id, &kept.stands)).collect();
        let of_daemon: BTreeSet<_> = listed.iter().map(|kept| (&kept.id, &kept.stands)).collect();
        assert_eq!(of_daemon, of_store, "the daemon shows what the store holds");
        let kills = self.kills.iter().map(|kill| kill.killed.clone()).collect();
        Found { mails: self.mails(), kills, left, kept }
    }

    fn mails(&self) -> Vec<Mail> {
        let mails: Vec<Mail> = self.sink.mails().iter().map(|text| mail(text)).collect();
        let ids: Vec<&String> = mails.iter().map(|mail| &mail.id).collect();
        let accepted = self.sink.accepted();
        let accepted: Vec<&String> = accepted.iter().map(|(id, _)| id).collect();
        assert_eq!(ids, accepted, "the server has what it said that it has");
        mails
    }
}

fn kept(occurrence: u64, alarm: &Value) -> Kept {
    let stands = match text(&alarm["condition"]).as_str() {
        _ if !alarm["ended"].is_null() => "ended".into(),
        "firing" => text(&alarm["severity"]),
        other => other.into(),
    };
    let (id, of) = (text(&alarm["id"]), text(&alarm["labels"]["id"]));
    Kept { id, occurrence, of, stands, debt: None }
}

fn mail(text: &str) -> Mail {
    let mail = Decoded::read(&text.replace("\r\n", "\n").replace('\n', "\r\n"));
    let header = |name: &str| mail.header(name).map(Into::into);
    let answers: Option<String> = header("In-Reply-To");
    assert_eq!(header("References"), answers);
    let must = |name: &str| header(name).unwrap_or_else(|| panic!("{name}: {text}"));
    Mail {
        id: must("Message-ID"),
        alarm: must("X-Haetae-Alarm"),
        reason: must("X-Haetae-Reason"),
        answers,
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).into()
}
