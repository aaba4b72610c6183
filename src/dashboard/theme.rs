//! What a visitor sets in Display.

/// Which colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Theme {
    /// Those of the system.
    Auto,
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl Theme {
    /// The theme of a word; another word is the system's.
    pub(super) fn of_word(word: &str) -> Self {
        [Self::Light, Self::Dark].into_iter().find(|theme| theme.word() == word).unwrap_or(Self::Auto)
    }

    /// Its word.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// The zone that times are shown in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zone {
    /// UTC, as they are written here.
    Utc,
    /// The viewer's; a script rewrites them.
    Local,
}

impl Zone {
    /// The zone of a word; another word is UTC.
    pub(super) fn of_word(word: &str) -> Self {
        if word == Self::Local.word() { Self::Local } else { Self::Utc }
    }

    /// Its word.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Utc => "utc",
            Self::Local => "local",
        }
    }
}
