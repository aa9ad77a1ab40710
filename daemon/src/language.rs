//! The languages that haetae speaks, and its texts in them: the catalogues in `locales/`.

use std::sync::OnceLock;

use fluent_bundle::{FluentArgs, FluentResource, FluentValue, concurrent::FluentBundle};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A language that haetae speaks.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Korean.
    Ko,
}

/// What the texts are about: a catalogue, in each language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Catalogue {
    /// What is wrong with a configuration, and how it is mended.
    Configuration,
    /// What `haetae explain` says.
    Explain,
    /// What sinks are told of alarms.
    Notifications,
}

/// Read when somebody speaks: by language and catalogue.
static TEXTS: [[OnceLock<Texts>; 3]; 2] = [const { [const { OnceLock::new() }; 3] }; 2];

impl Language {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::En, Self::Ko];

    /// Its code, as in `[daemon] language`.
    pub fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Ko => "ko",
        }
    }

    /// Its texts.
    pub fn texts(self, catalogue: Catalogue) -> &'static Texts {
        let [english, korean] = &TEXTS;
        let [configuration, explain, notifications] = match self {
            Self::En => english,
            Self::Ko => korean,
        };
        let texts = match catalogue {
            Catalogue::Configuration => configuration,
            Catalogue::Explain => explain,
            Catalogue::Notifications => notifications,
        };
        texts.get_or_init(|| Texts::new(self, catalogue))
    }

    fn source(self, catalogue: Catalogue) -> &'static str {
        use Catalogue::{Configuration, Explain, Notifications};
        match (self, catalogue) {
            (Self::En, Configuration) => include_str!("../locales/en/configuration.ftl"),
            (Self::En, Explain) => include_str!("../locales/en/explain.ftl"),
            (Self::En, Notifications) => include_str!("../locales/en/notifications.ftl"),
            (Self::Ko, Configuration) => include_str!("../locales/ko/configuration.ftl"),
            (Self::Ko, Explain) => include_str!("../locales/ko/explain.ftl"),
            (Self::Ko, Notifications) => include_str!("../locales/ko/notifications.ftl"),
        }
    }
}

/// The texts of one catalogue in one language.
pub struct Texts(FluentBundle<FluentResource>);

impl Texts {
    fn new(language: Language, catalogue: Catalogue) -> Self {
        let mut bundle =
            FluentBundle::new_concurrent(vec![language.code().parse().unwrap_or_default()]);
        // The marks that isolate right-to-left text would show up in terminals and logs.
        bundle.set_use_isolating(false);
        // What of a catalogue can't be read is left out; the tests hold that nothing is.
        let resource = FluentResource::try_new(language.source(catalogue).into());
        bundle.add_resource_overriding(resource.unwrap_or_else(|(resource, _)| resource));
        Self(bundle)
    }

    /// The text `id`, or `id` itself where the catalogue has none.
    pub fn text(&self, id: &str, arguments: &FluentArgs<'_>) -> String {
        self.find(id, None, arguments).unwrap_or_else(|| id.into())
    }

    /// The same, with its variables.
    pub fn say<'a, V: Into<FluentValue<'a>>>(
        &self,
        id: &str,
        variables: impl IntoIterator<Item = (&'static str, V)>,
    ) -> String {
        let mut arguments = FluentArgs::new();
        for (name, value) in variables {
            arguments.set(name, value);
        }
        self.text(id, &arguments)
    }

    /// A text that has no variables.
    pub fn word(&self, id: &str) -> String {
        self.text(id, &FluentArgs::new())
    }

    /// An attribute of the text `id`.
    pub fn attribute(
        &self,
        id: &str,
        attribute: &str,
        arguments: &FluentArgs<'_>,
    ) -> Option<String> {
        self.find(id, Some(attribute), arguments)
    }

    fn find(
        &self,
        id: &str,
        attribute: Option<&str>,
        arguments: &FluentArgs<'_>,
    ) -> Option<String> {
        let message = self.0.get_message(id)?;
        let pattern = match attribute {
            Some(attribute) => message.get_attribute(attribute)?.value(),
            None => message.value()?,
        };
        let mut errors = Vec::new();
        Some(self.0.format_pattern(pattern, Some(arguments), &mut errors).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every `id` and `id.attribute` of a catalogue, and every `id $variable`.
    fn keys(language: Language, catalogue: Catalogue) -> BTreeSet<String> {
        let source = language.source(catalogue);
        let resource = FluentResource::try_new(source.into());
        assert!(resource.is_ok(), "{language:?}: {:?}", resource.err().map(|(_, errors)| errors));
        let (mut keys, mut id) = (BTreeSet::new(), "");
        for line in source.lines().filter(|line| !line.starts_with('#')) {
            let head = line.split_once(" =").map(|(head, _)| head.trim());
            match head {
                Some(head) if !line.starts_with(' ') => id = head,
                Some(head) if head.starts_with('.') => {
                    keys.insert(format!("{id}{head}"));
                }
                _ => {}
            }
            keys.insert(id.into());
            for rest in line.split('$').skip(1) {
                let name: String = rest.chars().take_while(|c| c.is_alphanumeric()).collect();
                keys.insert(format!("{id} ${name}"));
            }
        }
        keys
    }

    #[test]
    fn both_catalogues_have_the_same_texts_with_the_same_variables() {
        for catalogue in [Catalogue::Configuration, Catalogue::Explain, Catalogue::Notifications] {
            let (en, ko) = (keys(Language::En, catalogue), keys(Language::Ko, catalogue));
            let apart: Vec<_> = en.symmetric_difference(&ko).collect();
            assert!(en.len() > 10 && apart.is_empty(), "{catalogue:?}: {apart:#?}");
        }
        let problems = keys(Language::En, Catalogue::Configuration);
        assert!(problems.contains("unknown-key.meant") && problems.contains("unknown-key $meant"));
    }
}
