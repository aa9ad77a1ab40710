//! No panic crosses: each entry runs inside [`guard`].

use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Once,
};

use crate::{Error, Fault, Result, abi::Reply, context::Threads};

thread_local! {
    /// What the hook saw last on this thread: message and place.
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Makes panics of this library silent and remembered: the daemon reports them.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            let message = info.payload_as_str().unwrap_or("no message");
            let place = info.location().map_or_else(String::new, |place| format!(" ({place})"));
            LAST.with_borrow_mut(|last| *last = Some(format!("{message}{place}")));
        }));
    });
}

/// Runs `f`; a panic is an error and poisons the instance.
pub(crate) fn guard<T>(threads: Option<&Threads>, f: impl FnOnce() -> Result<T>) -> Reply<T> {
    if let Some(message) = threads.and_then(Threads::poison) {
        return Err(Error::new(Fault::Panicked, message).into()).into();
    }
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(result) => result.map_err(Into::into).into(),
        Err(payload) => {
            let message = caught(payload);
            if let Some(threads) = threads {
                threads.poisoned(&message);
            }
            Err(Error::new(Fault::Panicked, message).into()).into()
        }
    }
}

/// The text of a caught panic. Its payload is leaked if dropping it panics in turn.
pub(crate) fn caught(payload: Box<dyn std::any::Any + Send>) -> String {
    let text = LAST.with_borrow_mut(Option::take).unwrap_or_else(|| {
        let text = payload.downcast_ref::<&str>().map(ToString::to_string);
        text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default()
    });
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
    format!("panicked: {text}")
}
