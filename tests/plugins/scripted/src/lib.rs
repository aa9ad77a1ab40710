//! The kind `scripted` says what a test tells it over TCP; the kind `post` posts notifications.

mod post;
mod scripted;

use post::Post;
use scripted::Scripted;

haetae_plugin::export! {
    kind "scripted" {
        source: Scripted,
        sample: "[sources.scripted]\nplugin = \"scripted\"\ncontrol = \"127.0.0.1:7070\"\n"
    }
    kind "post" { sink: Post, sample: include_str!("../sample.toml") }
}
