//! The attribute of `haetae-plugin`: `#[haetae_plugin::options]`.

use proc_macro::{TokenStream, TokenTree};

/// Makes a struct (or an enum inside one) the options of a plugin.
///
/// Derives serde's `Deserialize` and schemars' `JsonSchema` through `haetae_plugin`, so that a
/// plugin needs no other dependency, and refuses unknown keys. A key that may be left out has
/// serde's own `#[serde(default)]`, or a whole struct that implements `Default` has it below this.
#[proc_macro_attribute]
pub fn options(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    let attributes = "
        #[derive(::haetae_plugin::serde::Deserialize, ::haetae_plugin::schemars::JsonSchema)]
        #[serde(crate = \"::haetae_plugin::serde\", deny_unknown_fields)]
        #[schemars(crate = \"::haetae_plugin::schemars\")]
    ";
    let mut tokens: TokenStream = attributes.parse().unwrap_or_default();
    if let Some(name) = name(item.clone()) {
        let options = format!("impl ::haetae_plugin::options::Options for {name} {{}}");
        let options: TokenStream = options.parse().unwrap_or_default();
        tokens = options.into_iter().chain(tokens).collect();
    }
    tokens.extend(item);
    tokens
}

/// The name of the type; none of one with parameters, which is a part of options and not all of them.
fn name(item: TokenStream) -> Option<String> {
    let is_keyword = |token: &TokenTree| matches!(token, TokenTree::Ident(word) if ["struct", "enum"].contains(&word.to_string().as_str()));
    let mut rest = item.into_iter().skip_while(|token| !is_keyword(token)).skip(1);
    let name = rest.next()?.to_string();
    let has_parameters = rest.next().is_some_and(|token| token.to_string() == "<");
    (!has_parameters).then_some(name)
}
