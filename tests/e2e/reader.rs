//! A reader that the test asks by itself, as the daemon does.

use std::{sync::Arc, time::Duration};

use haetae::{
    clock::Clock,
    plugin::{
        catalog::Catalog,
        instance::{CallResult, Instance, Role, Spec},
        lend::{Cells, Lent, Pool, Shared},
        library::Storage,
    },
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::support::Home;

/// Opens a reader of a kind that stands in the home; each call may take so long.
pub async fn open(home: &Home, kind: &str, options: Value, limit: Duration) -> Instance {
    let catalog = Catalog::scan(vec![home.path("bin")], &[], Storage::Memory);
    let library = catalog.library(kind).expect("it is there").expect("it loads");
    let spec = Spec { name: "r".into(), role: Role::Reader, kind: kind.into(), options, library };
    let shared = Shared {
        clock: Clock::System,
        http: Pool::new(tokio::runtime::Handle::current()),
        instances: None,
    };
    let lent = Lent::new("r", shared, Cells::default(), CancellationToken::new());
    let opened = Instance::open(spec, lent.into(), limit, &Arc::default()).await;
    let Ok(CallResult::Returned(Ok(reader))) = opened else { panic!("it does not open") };
    reader
}
