//! The attribute of `haetae-plugin`: `#[haetae_plugin::options]`.

use proc_macro::TokenStream;

/// Makes a struct (or an enum inside one) the options of a plugin.
///
/// Derives serde's `Deserialize` and schemars' `JsonSchema` through `haetae_plugin`, so that a
/// plugin needs no other dependency, and refuses unknown keys. With `#[options(default)]`-like
/// needs, put serde's own `#[serde(default)]` below it and implement `Default`.
#[proc_macro_attribute]
pub fn options(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    let attributes = "
        #[derive(::haetae_plugin::serde::Deserialize, ::haetae_plugin::schemars::JsonSchema)]
        #[serde(crate = \"::haetae_plugin::serde\", deny_unknown_fields)]
        #[schemars(crate = \"::haetae_plugin::schemars\")]
    ";
    let mut tokens: TokenStream = attributes.parse().unwrap_or_default();
    tokens.extend(item);
    tokens
}
