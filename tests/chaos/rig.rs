//! A daemon among peers that are bad now and then, that is killed now and then.

use std::{
    fs,
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use crate::{
    answers::Answers,
    chance::Chance,
    daemon::SECRET,
    events::{Event, Events, Peer, Times},
    ledger::{LONGEST, Ledger, Now},
    mails::Mails,
    peers::Peers,
    servers::faulty_proxy::Fault,
    story::Story,
    summary::{self, Taken},
    support::{Daemon, Home, free_port, within},
};

const HOSTS: usize = 12;
/// How often a value of each host is written.
const WRITE: Duration = Duration::from_millis(500);
/// How often it is looked whether a mail arrived.
const TICK: Duration = Duration::from_millis(10);
/// So soon after the last mail everything is in order.
const SOON: Duration = Duration::from_mins(1);

pub struct Rig {
    home: Home,
    seed: u64,
    begun: Instant,
    peers: Peers,
    /// None for the moment of a kill.
    daemon: Option<Daemon>,
    ledger: Ledger,
    events: Events,
    mails: Mails,
    is_bad: bool,
    trouble: Duration,
    next_write: Duration,
    next_look: Duration,
    taken: Taken,
    answers: Answers,
    story: Story,
    wrong: Vec<String>,
}

impl Rig {
    pub fn start(seed: u64, times: Times) -> Self {
        let home = Home::with_plugins(&["influx", "email", "file"]);
        let peers = Peers::start(&home);
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        peers.configure(&home, &address.to_string());
        let hosts = (0..HOSTS).map(|number| format!("host-{number:02}"));
        let ledger = Ledger::of(hosts, times.stays, Chance::of(seed));
        let events = Events::of(times, Chance::of(seed.wrapping_add(1)));
        let mails = Mails::of(home.path("mails"));
        let daemon = Some(home.start());
        let begun = Instant::now();
        let answers = Answers::watch(address, begun);
        Self {
            home,
            seed,
            begun,
            peers,
            daemon,
            ledger,
            events,
            mails,
            is_bad: false,
            trouble: Duration::ZERO,
            next_write: Duration::ZERO,
            next_look: Duration::ZERO,
            taken: Taken::default(),
            answers,
            story: Story::begin(seed),
            wrong: Vec::new(),
        }
    }

    /// Faults and kills, for so long.
    pub fn rages(&mut self, length: Duration) {
        while self.begun.elapsed() < length {
            let mailed = self.step();
            if let Some(event) = self.events.next(self.begun.elapsed(), mailed) {
                self.does(event);
            }
            let next = self.events.until().saturating_sub(self.begun.elapsed());
            // Not to wait for anything: a kill comes at the instant that was drawn by lot.
            thread::park_timeout(TICK.min(next));
        }
    }

    /// No more of that: all that is due is told.
    pub fn settles(&mut self) {
        self.does(Event::Calm);
        self.ledger.end();
        let end = self.begun.elapsed() + LONGEST * 2;
        while !self.ledger.is_settled() && self.begun.elapsed() < end {
            self.step();
            thread::park_timeout(TICK);
        }
    }

    /// What goes on all the time; whether a mail has arrived.
    fn step(&mut self) -> bool {
        let at = self.begun.elapsed();
        if self.is_bad {
            self.trouble = at;
        }
        let now = Now { at, trouble: self.trouble };
        let mut mailed = false;
        while let Some(mail) = self.mails.next() {
            mailed = true;
            let (host, reason, alarm) = (&mail.host, &mail.reason, &mail.alarm);
            self.story.tell(at, &format!("mail: {host} {reason} {alarm} {}", mail.id));
            self.ledger.hears(now, mail);
        }
        if at >= self.next_write {
            self.next_write = at + WRITE;
            for change in self.ledger.advance(now) {
                self.story.tell(at, &change);
            }
            self.peers.write(self.ledger.values());
        }
        if at >= self.next_look {
            self.next_look = at + Duration::from_secs(1);
            self.looks(at);
        }
        for wrong in self.ledger.wrong.drain(..) {
            self.story.tell(at, &wrong);
            println!("chaos: wrong: {wrong}");
            self.wrong.push(wrong);
        }
        mailed
    }

    /// Takes what the daemon says and uses; starts it again should it have ended.
    fn looks(&mut self, at: Duration) {
        let Some(daemon) = &mut self.daemon else { return };
        self.story.tell_all(daemon.lines());
        self.taken.look(daemon.id());
        if let Some(ended) = daemon.ended() {
            thread::park_timeout(Duration::from_millis(100));
            self.story.tell_all(daemon.lines());
            self.ledger.wrong.push(format!("ended: the daemon at {at:.1?}, by itself: {ended}"));
            self.daemon = Some(self.home.spawn());
        }
    }

    fn does(&mut self, event: Event) {
        let at = self.begun.elapsed();
        self.story.tell(at, &format!("{event:?}"));
        match event {
            Event::Faults(bad) => {
                self.is_bad = true;
                for (peer, fault) in bad {
                    self.peers.set(peer, fault);
                }
            }
            Event::Calm => {
                self.is_bad = false;
                for peer in Peer::ALL {
                    self.peers.set(peer, Fault::None);
                }
            }
            Event::Kill => {
                let daemon = self.daemon.take().expect("it runs");
                self.story.tell_all(daemon.lines());
                daemon.kill();
                self.daemon = Some(self.home.spawn());
            }
        }
        self.trouble = self.begun.elapsed();
    }

    /// Everything is in order, the daemon ends in order, and nothing was wrong.
    pub fn finish(mut self) {
        let left = within(SOON, || self.left().is_empty().then_some(()));
        if left.is_none() {
            self.wrong.extend(self.left());
        }
        self.wrong.extend(summary::untold(&self.home, &self.ledger.counts));
        let shown = [["status"].as_slice(), &["alarm", "list"], &["outbox", "list"]];
        let shown = shown.map(|verb| self.home.json(verb).unwrap_or_default().to_string());
        let asked = self.answers.end();
        self.wrong.extend(asked.unanswered.iter().map(|what| format!("no answer: {what}")));
        let daemon = self.daemon.take().expect("it runs");
        self.story.tell_all(daemon.lines());
        if !daemon.stop() {
            self.wrong.push("the daemon does not end well".into());
        }
        let told = fs::read_to_string(self.home.path("told.jsonl")).unwrap_or_default();
        let said = self.story.text();
        let places = shown.iter().chain([&told, &said]);
        // It, and as it is said for HTTP and to a mail server.
        for secret in
            [SECRET, "aGFldGFlOnRvcHMzY3JldC03aDFuZw==", "AGhhZXRhZQB0b3BzM2NyZXQtN2gxbmc="]
        {
            if places.clone().any(|place| place.contains(secret)) {
                self.wrong.push(format!("{secret} is shown"));
            }
        }
        self.wrong.extend(self.taken.too_much());
        summary::tell(&self.events, &self.ledger.counts, &self.taken, &asked);
        println!("chaos: all that happened: {}", self.story.path.display());
        let many = self.wrong.len();
        let seed = self.seed;
        assert!(many == 0, "HAETAE_TEST_SEED={seed}, {many} things are wrong: {:#?}", self.wrong);
    }

    /// What is not in order.
    fn left(&self) -> Vec<String> {
        summary::left(&self.home)
    }
}
