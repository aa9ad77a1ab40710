//! Floors: who may import whom.

use super::project::{File, code, paths};

/// A module imports lower floors only.
const FLOORS: &[(&str, u8)] = &[
    ("main", 8),
    ("cli", 7),
    ("app", 6),
    ("http", 5),
    ("backtest", 5),
    ("rehearsal", 5),
    ("pipeline", 4),
    ("deliver", 4),
    ("signal", 4),
    ("people", 3),
    ("plugin", 3),
    ("config", 2),
    ("stage", 2),
    ("store", 2),
    ("engine", 1),
    ("language", 0),
    ("clock", 1),
    ("descriptors", 1),
    ("memory", 1),
    ("redact", 1),
    ("retry", 1),
    ("systemd", 1),
    ("fault", 1),
    ("json", 1),
    ("telemetry", 1),
];

/// Imports that go up, sideways or out.
pub fn floors(files: &[File]) -> Vec<String> {
    let floor =
        |name: &str| FLOORS.iter().find(|(known, _)| *known == name).map(|(_, floor)| *floor);
    let mut found = Vec::new();
    for file in files {
        let Some(inside) = file.path.strip_prefix("daemon/src/") else { continue };
        let module = inside.split(['/', '.']).next().unwrap_or_default();
        let Some(own) = floor(module) else {
            if module != "lib" {
                found.push(format!("{}: give `{module}` a floor in tests/tidy.rs", file.path));
            }
            continue;
        };
        for path in paths(&code(&file.text)) {
            let (first, second) = path.split_once("::").unwrap_or_default();
            let second = second.split("::").next().unwrap_or_default();
            let out =
                first == "super" && (second == "super" || !inside.contains('/') && second != "*");
            if out {
                found.push(format!("{}: `{path}` leaves its module: write crate::…", file.path));
            }
            if first == "crate" && second != module && floor(second).is_none_or(|it| it >= own) {
                found.push(format!(
                    "{}: floor {own} may not import `{path}`: wire them in `app`, or put a trait on a lower floor",
                    file.path
                ));
            }
        }
    }
    found
}
