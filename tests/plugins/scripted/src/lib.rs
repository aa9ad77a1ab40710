//! The kind `scripted` says what a test tells it over TCP, the kind `scraped` what an exporter says;
//! the kind `post` posts notifications.

mod post;
mod scraped;
mod scripted;

use post::Post;
use scraped::Scraped;
use scripted::Scripted;

haetae_plugin::export! {
    kind "scripted" {
        source: Scripted,
        sample: "[sources.scripted]\nplugin = \"scripted\"\ncontrol = \"127.0.0.1:7070\"\n"
    }
    kind "scraped" {
        source: Scraped,
        sample: "[sources.scraped]\nplugin = \"scraped\"\nurl = \"http://127.0.0.1:9100/metrics\"\n"
    }
    kind "post" { sink: Post, sample: include_str!("../sample.toml") }
}
