//! The plan that is run, and its plugins: what is wrong with them is said first.

use tracing::{info, warn};

use super::{Common, fit, output};
use crate::{
    config::{Files, Plan},
    plugin::{catalog::Catalog, library::Storage, replaced::Replaced},
};

/// The plan and its plugins; `None` after its problems were shown.
pub(super) fn checked(common: &Common, files: &Files) -> Option<(Plan, Catalog)> {
    let storage = Storage::Directory(files.state().join("plugins"));
    let catalog =
        Catalog::scan(files.plugin_directories(), &files.allowed_plugins(), storage).tried_first();
    let checked = files.plan(&catalog);
    if !checked.problems.is_empty() {
        output::say(
            checked
                .report_within(
                    fit::report_width(),
                    files.language().unwrap_or_default(),
                    common.style_of_talk().is_coloured(),
                )
                .trim_end(),
        );
    }
    for Replaced { kind, file, built_in } in catalog.replaced() {
        info!(kind, file = %file.display(), built_in = %built_in.display(), "a plugin of [plugins] path replaces a built-in one");
    }
    for refusal in catalog.refused() {
        warn!(code = &*refusal.code, file = %refusal.file.display(), cure = refusal.cure, "a plugin is not loaded: {}", refusal.cause);
    }
    checked.plan.map(|plan| (plan, catalog))
}
