//! On bodies as InfluxDB 1.6.7 sends them.

use haetae_plugin::Fault;
use proptest::prelude::*;

use super::*;

/// Two series of five rows, asked with `chunk_size=2`.
const CHUNKED: &str = concat!(
    r#"{"results":[{"statement_id":0,"series":[{"name":"m","tags":{"h":"a"},"columns":["time","value"],"values":[[1700000010000000000,1.5],[1700000020000000000,null]],"partial":true}],"partial":true}]}"#,
    "\n",
    r#"{"results":[{"statement_id":0,"series":[{"name":"m","tags":{"h":"a"},"columns":["time","value"],"values":[[1700000030000000000,3]]}],"partial":true}]}"#,
    "\n",
    r#"{"results":[{"statement_id":0,"series":[{"name":"m","tags":{"h":"b}\n"},"columns":["time","value"],"values":[[1700000050000000000,"x"]]}]}]}"#,
    "\n",
);

fn read(body: impl Read, most: u64) -> Result<Vec<Table>> {
    let (mut answer, mut tables) = (Answer::new(body, most), Vec::new());
    while let Some(more) = answer.next()? {
        tables.extend(more);
    }
    Ok(tables)
}

/// A body that arrives in pieces.
struct Pieces<'a>(&'a [u8], Vec<usize>);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let piece = self.1.pop().unwrap_or(usize::MAX).min(self.0.len()).min(buffer.len());
        let (now, later) = self.0.split_at(piece);
        buffer[..piece].copy_from_slice(now);
        self.0 = later;
        Ok(piece)
    }
}

#[test]
fn rows_of_all_chunks_are_read() {
    let tables = read(CHUNKED.as_bytes(), BYTES).unwrap();
    let rows: Vec<_> = tables.iter().flat_map(|table| &table.rows).map(|row| row[1]).collect();
    assert_eq!(rows, [Cell::Number(1.5), Cell::Null, Cell::Whole(3), Cell::Other("text")]);
    assert_eq!(tables[0].rows[0][0], Cell::Whole(1_700_000_010_000_000_000), "exact");
    assert_eq!(tables[2].tags["h"], "b}\n");
}

#[test]
fn an_answer_that_is_cut_anywhere_is_an_error() {
    // The last line's end adds nothing: without it the document is whole.
    let whole = CHUNKED.trim_end();
    assert!(read(whole.as_bytes(), BYTES).is_ok());
    for cut in 0..whole.len() {
        let error = read(&whole.as_bytes()[..cut], BYTES).unwrap_err();
        assert_eq!(error.fault(), Fault::Failed);
        let told = ["the answer is cut off", "the answer is empty"];
        assert!(told.iter().any(|text| error.message().contains(text)), "{cut}: {error}");
    }
}

#[test]
fn an_error_in_a_good_status_is_an_error() {
    for (body, fault, expected) in [
        (
            r#"{"results":[{"statement_id":0,"error":"database not found: nodb"}]}"#,
            Fault::Config,
            "database not found: nodb",
        ),
        (
            r#"{"results":[{"statement_id":0,"error":"retention policy not found: norp"}]}"#,
            Fault::Config,
            "norp",
        ),
        (
            r#"{"results":[{"statement_id":0,"error":"query-timeout limit exceeded"}]}"#,
            Fault::Failed,
            "query-timeout limit exceeded",
        ),
        (r#"{"error":"json: unsupported value: +Inf"}"#, Fault::Failed, "unsupported value"),
        ("{}", Fault::Failed, "not of InfluxDB 1.x"),
        ("<html>", Fault::Failed, "not of InfluxDB 1.x"),
        (
            r#"{"results":[{"series":[{"columns":["time"],"values":[],"partial":true}]}]}"#,
            Fault::Failed,
            "max-row-limit",
        ),
        ("{\"results\":[{}]}\n{\"results\":[{}]}\n", Fault::Failed, "not of InfluxDB 1.x"),
    ] {
        let error = read(body.as_bytes(), BYTES).unwrap_err();
        assert_eq!(error.fault(), fault, "{body}");
        assert!(error.message().contains(expected), "{body}: {error}");
    }
    let late = CHUNKED.replace("{\"h\":\"b}", "{\"h\":1,\"i\":\"b}");
    assert!(read(late.as_bytes(), BYTES).is_err(), "after good rows too");
    let late =
        format!("{}\n{}", CHUNKED.lines().next().unwrap(), r#"{"results":[{"error":"timeout"}]}"#);
    assert_eq!(read(late.as_bytes(), BYTES).unwrap_err().message(), "timeout");
}

#[test]
fn nothing_found_is_no_error() {
    let tables = read(&b"{\"results\":[{\"statement_id\":0}]}\n"[..], BYTES);
    assert_eq!(tables.unwrap(), Vec::new());
}

#[test]
fn a_too_large_answer_is_an_error() {
    let length = CHUNKED.len() as u64;
    assert!(read(CHUNKED.as_bytes(), length).is_ok());
    let error = read(CHUNKED.as_bytes(), length - 1).unwrap_err();
    assert_eq!(error.fault(), Fault::Config);
    assert!(error.message().contains("too large"), "{error}");
    let endless = std::io::repeat(b'[');
    assert!(read(endless, 1 << 20).unwrap_err().message().contains("too large"));
}

proptest! {
    #[test]
    fn how_it_arrives_changes_nothing(pieces in prop::collection::vec(1_usize..200, 0..40)) {
        let tables = read(Pieces(CHUNKED.as_bytes(), pieces), BYTES).unwrap();
        prop_assert_eq!(tables, read(CHUNKED.as_bytes(), BYTES).unwrap());
    }

    #[test]
    fn no_body_makes_it_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(read(&body[..], 100).is_err());
    }

    #[test]
    fn chunks_of_any_size_yield_the_same_rows_and_no_prefix_of_them_does(
        rows in prop::collection::vec((any::<i64>(), prop::option::of(-1e300..1e300_f64)), 1..20),
        size in 1_usize..8,
        cut in any::<prop::sample::Index>(),
    ) {
        let chunks: Vec<_> = rows.chunks(size).collect();
        let mut body = String::new();
        for (at, chunk) in chunks.iter().enumerate() {
            let partial = if at + 1 < chunks.len() { r#","partial":true"# } else { "" };
            let values = serde_json::to_string(chunk).unwrap();
            let document = format!(r#"{{"results":[{{"series":[{{"columns":["time","v"],"values":{values}}}]{partial}}}]}}"#);
            body = body + &document + "\n";
        }
        let tables = read(body.as_bytes(), BYTES).unwrap();
        let read_back: Vec<_> = tables.iter().flat_map(|table| &table.rows).collect();
        prop_assert_eq!(read_back.len(), rows.len());
        for (row, (time, value)) in read_back.iter().zip(&rows) {
            prop_assert_eq!(row[0], Cell::Whole(*time));
            let number = match row[1] { Cell::Number(number) => Some(number), _ => None };
            prop_assert_eq!(number.is_some(), value.is_some());
            let near = number.zip(*value).is_none_or(|(a, b)| (a - b).abs() <= b.abs() * 1e-15);
            prop_assert!(near, "{:?} {:?}", number, value);
        }
        let body = body.trim_end();
        prop_assert!(read(&body.as_bytes()[..cut.index(body.len())], BYTES).is_err());
    }
}
