//! `haetae plugin`: what plugins there are and what they take.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use haetae_plugin::export::KindDescription;
use serde_json::{Value, json};

use super::{Common, exit, output};
use crate::{
    config::{self, Kinds, built_in_plugins},
    plugin::{catalog::Catalog, library::Storage, replaced::Replaced},
};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// List plugin files and their kinds; opens none of them
    #[command(
        after_help = "Examples:\n  haetae plugin list\n  haetae plugin list --path ./target/release"
    )]
    List(PathArguments),
    /// Show one kind: file, versions, roles
    #[command(after_help = "Example:\n  haetae plugin show host")]
    Show(KindArguments),
    /// Print a block of configuration for one kind
    #[command(
        after_help = "Example:\n  haetae plugin sample file >> /etc/haetae/conf.d/50-file.toml"
    )]
    Sample(KindArguments),
    /// Print the documentation of one kind: its options and metrics
    #[command(after_help = "Example:\n  haetae plugin doc host | less")]
    Doc(KindArguments),
}

#[derive(Debug, Args)]
pub(super) struct PathArguments {
    /// Look in this directory instead of the configured ones; may be repeated
    #[arg(long, value_name = "DIR")]
    path: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct KindArguments {
    /// The name in `plugin = "…"`
    kind: String,
    #[command(flatten)]
    place: PathArguments,
}

pub(super) fn run(common: &Common, verb: Verb) -> u8 {
    match verb {
        Verb::List(place) => match catalog(common, place) {
            Ok(catalog) => list(common, &catalog),
            Err(code) => code,
        },
        Verb::Show(named) => described(common, named, show),
        Verb::Sample(named) => described(common, named, |_, _, description| {
            output::line(description.sample.trim_end());
        }),
        Verb::Doc(named) => described(common, named, doc),
    }
}

/// The configured directories, if there is a configuration that reads.
fn catalog(common: &Common, place: PathArguments) -> Result<Catalog, u8> {
    let files = common.files_if_any()?;
    let directories = match (place.path.is_empty(), &files) {
        (false, _) => place.path,
        (true, Some(files)) => files.plugin_directories(),
        (true, None) => vec![built_in_plugins()],
    };
    let allow = files.map(|files| files.allowed_plugins()).unwrap_or_default();
    Ok(Catalog::scan(directories, &allow, Storage::Memory).tried_first())
}

fn list(common: &Common, catalog: &Catalog) -> u8 {
    if common.is_json() {
        let images = catalog.images().iter().map(|image| {
            json!({ "file": image.file, "sha256": image.sha256, "manifest": image.manifest })
        });
        let images: Vec<Value> = images.collect();
        output::json(&json!({
            "plugins": images,
            "replaced": catalog.replaced(),
            "refused": catalog.refused(),
        }));
    } else {
        let mut table = output::table(&["KIND", "ROLES", "PLUGIN", "VERSION", "ABI", "FILE"]);
        for image in catalog.images() {
            for (kind, roles) in &image.manifest.kinds {
                let manifest = &image.manifest;
                let row =
                    [kind, &roles.join(", "), &manifest.plugin, &manifest.version, &manifest.abi];
                let file = image.file.display().to_string();
                table.add_row(row.into_iter().chain([&file]));
            }
        }
        output::show(&table);
        for Replaced { kind, file, built_in } in catalog.replaced() {
            let (file, built_in) = (file.display(), built_in.display());
            output::line(format!("replaced    the built-in {kind} of {built_in}, by {file}"));
        }
        for refusal in catalog.refused() {
            let mark = common.style().bad("not loaded");
            output::line(format!(
                "{mark}  {} {}: {}",
                &refusal.code,
                refusal.file.display(),
                refusal.cause
            ));
            output::line(format!("            cure: {}", refusal.cure));
        }
    }
    u8::from(!catalog.refused().is_empty()) * exit::FOUND
}

fn described(
    common: &Common,
    named: KindArguments,
    print: fn(&Common, &Catalog, &KindDescription),
) -> u8 {
    let KindArguments { kind, place } = named;
    let catalog = match catalog(common, place) {
        Ok(catalog) => catalog,
        Err(code) => return code,
    };
    match catalog.description(&kind) {
        Some(Ok(description)) => {
            print(common, &catalog, &description);
            0
        }
        Some(Err(refusal)) => {
            output::say(refusal.to_string());
            exit::FOUND
        }
        None => {
            let known = catalog.names().join(", ");
            let places: Vec<String> =
                catalog.directories().iter().map(|path| path.display().to_string()).collect();
            output::say(format!(
                "no plugin exports the kind `{kind}`; there are: {known} (looked in {})",
                places.join(", ")
            ));
            exit::NOT_FOUND
        }
    }
}

fn show(common: &Common, catalog: &Catalog, description: &KindDescription) {
    let Some(image) = catalog.image(&description.kind) else { return };
    if common.is_json() {
        output::json(
            &json!({ "kind": description, "file": image.file, "sha256": image.sha256, "manifest": image.manifest }),
        );
        return;
    }
    let manifest = &image.manifest;
    let roles = manifest.kinds.get(&description.kind).map(|roles| roles.join(", "));
    let rows = [
        ("kind", description.kind.clone()),
        ("roles", roles.unwrap_or_default()),
        ("plugin", format!("{} {}", manifest.plugin, manifest.version)),
        ("abi", manifest.abi.clone()),
        ("built by", manifest.rustc.clone()),
        ("file", image.file.display().to_string()),
        ("sha256", image.sha256.clone()),
    ];
    for (name, value) in rows {
        output::line(format!("{name:<9} {value}"));
    }
}

fn doc(common: &Common, catalog: &Catalog, description: &KindDescription) {
    let sample = sample_options(&description.sample);
    let metrics = catalog.metrics(&description.kind, &sample).unwrap_or_default();
    if common.is_json() {
        output::json(
            &json!({ "kind": description.kind, "schema": description.schema, "metrics": metrics }),
        );
        return;
    }
    let schema = &description.schema;
    output::line(format!("# {}", description.kind));
    if let Some(about) = schema.get("description").and_then(Value::as_str) {
        output::line(format!("\n{about}"));
    }
    output::line("\n## Options\n");
    let mut table = output::table(&["OPTION", "TYPE", "DEFAULT", "WHAT"]);
    let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    for (name, option) in schema.get("properties").and_then(Value::as_object).into_iter().flatten()
    {
        let must = required.iter().any(|required| required == name);
        let default = option.get("default").map_or_else(String::new, Value::to_string);
        let default = if must { "required".into() } else { default };
        let what = option.get("description").and_then(Value::as_str).unwrap_or_default();
        table.add_row([name.clone(), kind_of(option), default, what.replace('\n', " ")]);
    }
    output::show(&table);
    if !metrics.is_empty() {
        output::line("\n## Metrics\n");
        let mut table = output::table(&["METRIC", "UNIT", "KIND", "LABELS", "WHAT"]);
        for metric in metrics {
            table.add_row([
                metric.name,
                metric.unit,
                metric.kind,
                metric.labels.join(" "),
                metric.help,
            ]);
        }
        output::show(&table);
    }
    output::line(format!("\n## Sample\n\n{}", description.sample.trim_end()));
}

/// The type of an option in a word or two.
fn kind_of(option: &Value) -> String {
    if let Some(format) = option.get("format").and_then(Value::as_str) {
        return format.trim_start_matches("haetae-").into();
    }
    match option.get("type") {
        Some(Value::String(kind)) => kind.clone(),
        Some(Value::Array(kinds)) => kinds
            .iter()
            .filter_map(Value::as_str)
            .filter(|kind| *kind != "null")
            .collect::<Vec<_>>()
            .join(" or "),
        _ => "table".into(),
    }
}

/// The plugin's own keys in its sample: metrics may depend on them.
fn sample_options(sample: &str) -> Value {
    let parsed: Option<Value> = toml::from_str(sample).ok();
    let sources = parsed.as_ref().and_then(|value| value.get("sources")).and_then(Value::as_object);
    let mut options =
        sources.and_then(|sources| sources.values().next()).cloned().unwrap_or_else(|| json!({}));
    if let Some(table) = options.as_object_mut() {
        table.retain(|key, _| !config::reserved().contains(key));
    }
    options
}
