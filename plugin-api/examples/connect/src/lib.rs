//! A source: whether servers take a TCP connection, and how long that takes.

use std::{
    net::{TcpStream, ToSocketAddrs},
    time::{Duration as Time, Instant},
};

use haetae_plugin::{
    Batch, Call, Context, Error, Kind, Metric, Records, Result, Samples, Series, Source,
    options::Duration,
};

haetae_plugin::export! { kind "connect" { source: Connect, sample: include_str!("../sample.toml") } }

#[haetae_plugin::options]
struct Options {
    /// `HOST:PORT` of each server.
    #[schemars(length(min = 1))]
    servers: Vec<String>,
    /// A server that takes longer is down.
    #[serde(default = "three_seconds")]
    patience: Duration,
}

fn three_seconds() -> Duration {
    Time::from_secs(3).into()
}

struct Connect(Options);

impl Source for Connect {
    const YIELDS: &'static [Records] = &[Records::Samples];
    type Options = Options;

    fn metrics(_: &Options) -> Vec<Metric> {
        let gauge =
            |name, unit, help| Metric::new(name, unit, Kind::GAUGE, help).labels(&["server"]);
        vec![
            gauge("connect_up", "1", "1 if the server took the connection, else 0."),
            gauge("connect_seconds", "seconds", "How long that took; none if it did not."),
        ]
    }

    fn open(options: Options, _: Context) -> Result<Self> {
        match options.servers.iter().find(|server| !server.contains(':')) {
            Some(wrong) => Err(Error::config(format!("servers: `{wrong}` names no port"))),
            None => Ok(Self(options)),
        }
    }

    fn collect(&mut self, call: Call) -> Result<Batch> {
        let mut samples = Samples::at(call.window.to);
        for server in &self.0.servers {
            let (started, patience) = (Instant::now(), call.remaining().min(*self.0.patience));
            let connects = |address| TcpStream::connect_timeout(&address, patience).is_ok();
            let is_up = server.to_socket_addrs().is_ok_and(|mut all| all.any(connects));
            if !is_up && call.remaining().is_zero() {
                return Err(Error::deadline("not every server was tried: raise `deadline`"));
            }
            let gauge = |name, unit| Series::gauge(name, unit).label("server", server).build();
            samples.push(&gauge("connect_up", "1"), f64::from(u8::from(is_up)));
            if is_up {
                samples.push(&gauge("connect_seconds", "seconds"), started.elapsed().as_secs_f64());
            }
        }
        Ok(samples.into())
    }
}
