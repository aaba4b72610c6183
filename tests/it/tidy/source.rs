//! Just enough of Rust's grammar to find the paths in a file: comments, strings and tests fall away.

/// A word, `::`, or another single character that is no space, with its line.
#[derive(Clone, Debug)]
struct Token {
    text: String,
    line: usize,
}

/// The tokens of a file.
#[derive(Debug)]
pub(crate) struct Source(Vec<Token>);

impl Source {
    pub(crate) fn of(text: &str) -> Self {
        Self(Lexer { chars: text.chars().collect(), at: 0, line: 1 }.tokens())
    }

    /// Without the items that are built for tests only.
    pub(crate) fn without_tests(text: &str) -> Self {
        let Self(tokens) = Self::of(text);
        let mut kept = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            match attribute(&tokens[at..]) {
                Some(length) if is_for_tests(&tokens[at..at + length]) => {
                    at += length;
                    at += item(&tokens[at..]);
                }
                _ => {
                    kept.push(tokens[at].clone());
                    at += 1;
                }
            }
        }
        Self(kept)
    }

    /// The lines of `allow` and `expect` attributes that do not say why.
    pub(crate) fn allowances_without_reason(&self) -> Vec<usize> {
        let Self(tokens) = self;
        let attributes = (0..tokens.len()).filter_map(|at| attribute(&tokens[at..]).map(|length| at..at + length));
        let words = |range: &std::ops::Range<usize>, word: &str| tokens[range.clone()].iter().any(|t| t.text == word);
        attributes
            .filter(|range| (words(range, "allow") || words(range, "expect")) && !words(range, "reason"))
            .map(|range| tokens[range.start].line)
            .collect()
    }
}

/// The number of tokens of the attribute that these begin with, if they do.
fn attribute(tokens: &[Token]) -> Option<usize> {
    let opens = match tokens {
        [hash, bracket, ..] if hash.text == "#" && bracket.text == "[" => 1,
        [hash, bang, bracket, ..] if hash.text == "#" && bang.text == "!" && bracket.text == "[" => 2,
        _ => return None,
    };
    Some(opens + block(&tokens[opens..]))
}

fn is_for_tests(attribute: &[Token]) -> bool {
    let words: Vec<&str> = attribute.iter().map(|token| token.text.as_str()).collect();
    let negated = words.windows(3).any(|words| words == ["not", "(", "test"]);
    words.contains(&"cfg") && words.contains(&"test") && !negated
}

/// The number of tokens of the item that these begin with, its attributes included.
fn item(tokens: &[Token]) -> usize {
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].text.as_str() {
            "{" => return at + block(&tokens[at..]),
            ";" => return at + 1,
            "(" | "[" => at += block(&tokens[at..]),
            _ => at += 1,
        }
    }
    at
}

/// The number of tokens up to the bracket that closes the first one.
fn block(tokens: &[Token]) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// Every path in the source with its line, groups in braces spelled out; a method call `.spawn(` counts as the path
/// `.spawn`.
pub(crate) fn paths(source: &Source) -> Vec<(usize, Vec<String>)> {
    let Source(tokens) = source;
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if !is_word(&tokens[at].text) {
            at += 1;
        } else if at > 0 && tokens[at - 1].text == "." {
            found.push((tokens[at].line, vec![format!(".{}", tokens[at].text)]));
            at += 1;
        } else {
            at = spell_out(tokens, at, &[], &mut found);
        }
    }
    found
}

/// Adds the path that begins at `at`, or every path of the group that does; gives where it ends.
fn spell_out(tokens: &[Token], mut at: usize, prefix: &[String], found: &mut Vec<(usize, Vec<String>)>) -> usize {
    let mut path = prefix.to_vec();
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    while is_word(text(at)) && text(at + 1) == "::" {
        path.push(text(at).to_owned());
        at += 2;
    }
    if text(at) != "{" || path.is_empty() {
        if is_word(text(at)) {
            path.push(text(at).to_owned());
            at += 1;
        }
        found.push((tokens[at - 1].line, path));
        return at;
    }
    let ends = at + block(&tokens[at..]);
    at += 1;
    while at < ends {
        match text(at) {
            "as" => at += 2,
            word if is_word(word) => at = spell_out(tokens, at, &path, found),
            _ => at += 1,
        }
    }
    ends
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    line: usize,
}

impl Lexer {
    fn tokens(mut self) -> Vec<Token> {
        let mut tokens = Vec::new();
        while let Some(c) = self.peek(0) {
            let line = self.line;
            match (c, self.peek(1)) {
                ('/', Some('/')) => self.skip_while(|c| c != '\n'),
                ('/', Some('*')) => self.skip_comment(),
                ('"', _) => self.skip_string(),
                ('\'', _) => self.skip_char_or_lifetime(),
                (':', Some(':')) => {
                    self.skip(2);
                    tokens.push(Token { text: "::".to_owned(), line });
                }
                (c, _) if c.is_alphanumeric() || c == '_' => {
                    if let Some(text) = self.word() {
                        tokens.push(Token { text, line });
                    }
                }
                (c, _) => {
                    self.skip(1);
                    if !c.is_whitespace() {
                        tokens.push(Token { text: c.to_string(), line });
                    }
                }
            }
        }
        tokens
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn skip(&mut self, count: usize) {
        for _ in 0..count {
            if self.peek(0) == Some('\n') {
                self.line += 1;
            }
            self.at += 1;
        }
    }

    fn skip_while(&mut self, condition: impl Fn(char) -> bool) {
        while self.peek(0).is_some_and(&condition) {
            self.skip(1);
        }
    }

    /// Comments nest.
    fn skip_comment(&mut self) {
        let mut depth = 0;
        while let Some(c) = self.peek(0) {
            match (c, self.peek(1)) {
                ('/', Some('*')) => depth += 1,
                ('*', Some('/')) => depth -= 1,
                _ => {
                    self.skip(1);
                    continue;
                }
            }
            self.skip(2);
            if depth == 0 {
                return;
            }
        }
    }

    fn skip_string(&mut self) {
        self.skip(1);
        while let Some(c) = self.peek(0) {
            self.skip(if c == '\\' { 2 } else { 1 });
            if c == '"' {
                return;
            }
        }
    }

    fn skip_char_or_lifetime(&mut self) {
        if self.peek(1) == Some('\\') {
            self.skip(3);
            self.skip_while(|c| c != '\'');
            self.skip(1);
        } else if self.peek(2) == Some('\'') {
            self.skip(3);
        } else {
            self.skip(1);
            self.skip_while(|c| c.is_alphanumeric() || c == '_');
        }
    }

    /// A word, or nothing where it was the beginning of a string.
    fn word(&mut self) -> Option<String> {
        let start = self.at;
        self.skip_while(|c| c.is_alphanumeric() || c == '_');
        let word: String = self.chars[start..self.at].iter().collect();
        let hashes = (0..).take_while(|ahead| self.peek(*ahead) == Some('#')).count();
        match word.as_str() {
            "r" | "br" | "cr" if self.peek(hashes) == Some('"') => self.skip_raw_string(hashes),
            "b" | "c" if self.peek(0) == Some('"') => self.skip_string(),
            "b" if self.peek(0) == Some('\'') => self.skip_char_or_lifetime(),
            _ => return Some(word),
        }
        None
    }

    fn skip_raw_string(&mut self, hashes: usize) {
        self.skip(hashes + 1);
        while let Some(c) = self.peek(0) {
            self.skip(1);
            if c == '"' && (0..hashes).all(|ahead| self.peek(ahead) == Some('#')) {
                return self.skip(hashes);
            }
        }
    }
}
