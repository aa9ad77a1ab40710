//! Lines by HTTP: in pieces, each answer classed, and halved until only bad lines are rejected.

use std::{collections::HashMap, io::Write, ops::Range};

use flate2::{Compression, write::GzEncoder};
use haetae_plugin::{Call, Context, Fault, Result, Verdict};

use crate::{
    lines::Lines,
    options::Options,
    server::{Server, shortened},
    verdicts::Verdicts,
    writing::{Partial, Written, quotation},
};

/// Halves that are sent for one batch at most; what is undecided then is for the next try, which
/// begins with fewer bad lines.
const HALVES: usize = 512;

/// Posts lines to a server.
pub(crate) struct Post {
    server: Server,
    gzip: bool,
    batch: usize,
}

/// The pieces that are to be sent, the next one last.
struct Pieces {
    pieces: Vec<Range<usize>>,
    halves: usize,
}

impl Post {
    /// Checks the options.
    pub(crate) fn open(options: &Options, context: &Context) -> Result<Self> {
        let server = Server::open(options, context)?;
        Ok(Self { server, gzip: options.gzip, batch: options.batch.max(1) })
    }

    /// Sends all lines, or says of each why not. A line that is sent twice is stored once: series
    /// and time are its identity.
    pub(crate) fn send(&self, lines: &Lines, verdicts: &mut Verdicts, call: Call) {
        let mut left = Pieces::of(lines.len(), self.batch);
        while let Some(piece) = left.pieces.pop() {
            let written = if call.remaining().is_zero() {
                Written::NotNow { reason: "no time was left to send it".into(), after: None }
            } else {
                self.post(lines.bytes(&piece), call)
            };
            let verdict = match written {
                Written::All => continue,
                Written::None { reason } => {
                    reject(lines, piece, &reason, verdicts);
                    continue;
                }
                Written::TooLarge { reason } => {
                    left.halve(piece, lines, &reason, verdicts);
                    continue;
                }
                Written::Some(Partial::Counted { dropped, reason }) => {
                    // It counts what it dropped in one shard: all of them is all of them.
                    if dropped.is_some_and(|dropped| dropped >= piece.len()) {
                        reject(lines, piece, &reason, verdicts);
                    } else {
                        left.halve(piece, lines, &reason, verdicts);
                    }
                    continue;
                }
                Written::Some(Partial::Quoted(quoted)) => {
                    if !reject_quoted(lines, &piece, &quoted, verdicts) {
                        left.halve(piece, lines, &shortened(&quoted.join("; ")), verdicts);
                    }
                    continue;
                }
                Written::NotNow { reason, after } => Verdict::Retry { reason, after },
                Written::Wrong { reason } => Verdict::Config { reason },
            };
            // The server is not to be asked further: it befalls all that is left.
            let rest = left.pieces.drain(..).rev();
            let rest = std::iter::once(piece).chain(rest).flat_map(|piece| lines.items(piece));
            verdicts.stop(rest, verdict);
        }
    }

    fn post(&self, lines: &[u8], call: Call) -> Written {
        let body = if self.gzip { compressed(lines) } else { Ok(lines.to_vec()) };
        let reply = body.and_then(|body| self.server.write(body, self.gzip, call));
        match reply {
            Ok(reply) => Written::of(reply),
            Err(error) => match error.fault() {
                Fault::Config => Written::Wrong { reason: error.message().into() },
                _ => Written::NotNow { reason: error.message().into(), after: error.wait() },
            },
        }
    }
}

impl Pieces {
    fn of(lines: usize, batch: usize) -> Self {
        let pieces = (0..lines).step_by(batch).map(|start| start..lines.min(start + batch));
        Self { pieces: pieces.rev().collect(), halves: 0 }
    }

    /// Sends the halves of a piece next; of a single line the answer was about itself.
    fn halve(&mut self, piece: Range<usize>, lines: &Lines, reason: &str, verdicts: &mut Verdicts) {
        if piece.len() <= 1 {
            return reject(lines, piece, reason, verdicts);
        }
        self.halves += 2;
        if self.halves > HALVES {
            let reason = format!("too many bad lines to tell them from good ones: {reason}");
            return verdicts.stop(lines.items(piece), Verdict::Retry { reason, after: None });
        }
        let middle = usize::midpoint(piece.start, piece.end);
        // In order: of two values at one time the later one must stay.
        self.pieces.extend([middle..piece.end, piece.start..middle]);
    }
}

fn reject(lines: &Lines, piece: Range<usize>, reason: &str, verdicts: &mut Verdicts) {
    for item in lines.items(piece) {
        verdicts.reject(item, reason);
    }
}

/// Rejects the quoted lines of a piece; `false` if one of them is not ours to the letter.
fn reject_quoted(
    lines: &Lines,
    piece: &Range<usize>,
    quoted: &[String],
    verdicts: &mut Verdicts,
) -> bool {
    let quoted: Option<HashMap<_, _>> = quoted.iter().map(|quoted| quotation(quoted)).collect();
    let Some(quoted) = quoted else { return false };
    let bad: Vec<_> = piece
        .clone()
        .filter_map(|at| {
            let line = std::str::from_utf8(lines.line(at)).ok()?;
            quoted.get_key_value(line).map(|(line, why)| (at, *line, *why))
        })
        .collect();
    let found: std::collections::HashSet<_> = bad.iter().map(|(_, line, _)| *line).collect();
    if found.len() < quoted.len() {
        return false;
    }
    for (at, _, why) in bad {
        reject(lines, at..at + 1, why, verdicts);
    }
    true
}

fn compressed(lines: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(lines.len() / 8), Compression::fast());
    encoder.write_all(lines)?;
    Ok(encoder.finish()?)
}
