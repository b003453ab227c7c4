//! The loader's event stream (docs/events.md), line by line.
//!
//! Lines of a kind that is not known here are passed over: a newer loader may have some.

use serde::Serialize;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Record {
    /// Nanoseconds of CLOCK_MONOTONIC
    pub time: u64,
    /// What happened
    #[serde(flatten)]
    pub what: What,
}

/// What happened. The members are the values of the line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum What {
    Auxv {
        kind: u64,
        value: u64,
    },
    Module(Mapped),
    Wanted {
        name: String,
        by: String,
    },
    List {
        rule: String,
        directories: Option<String>,
    },
    Trying {
        path: String,
    },
    Passed {
        path: String,
        why: String,
    },
    Version {
        version: String,
        provider: String,
        by: String,
    },
    Tls {
        number: u64,
        below: u64,
        module: String,
    },
    Scope {
        module: String,
        names: String,
    },
    Relocating {
        module: String,
    },
    Bound(Bound),
    Calling {
        function: u64,
    },
    Resolved {
        resolver: u64,
        module: String,
        answer: u64,
    },
    Returned,
    Protected {
        start: u64,
        length: u64,
        module: String,
    },
    Initialising {
        module: String,
    },
    Finalising {
        module: String,
    },
    Stage {
        number: u64,
    },
    Transferring {
        module: String,
    },
    Failed {
        text: String,
        code: String,
    },
    Awake {
        thread_pointer: u64,
    },
    Count {
        what: String,
        count: u64,
    },
}

/// A module that came to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Mapped {
    /// Its name
    pub name: String,
    /// Run-time address of its dynamic section, 0 without one
    pub dynamic: u64,
    /// Load bias
    pub base: u64,
    /// Bytes of its mapping
    pub size: u64,
    /// Run-time address of its entry
    pub entry: u64,
    /// Number of program headers
    pub headers: u64,
}

/// A reference that got its definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bound {
    /// The module that refers
    pub from: String,
    /// The module that defines
    pub to: String,
    /// The symbol
    pub symbol: String,
    /// The version that was asked for
    pub version: Option<String>,
}

/// Makes records of lines. Some events take several.
#[derive(Debug, Default)]
pub struct Reader {
    mapped: Mapped,
    scope: String,
    counts: bool,
}

impl Reader {
    /// The event that this line completes, if it does.
    pub fn line(&mut self, line: &str) -> Option<Record> {
        let (time, text) = line.split_once(":\t")?;
        let time = time.trim_start().parse().ok()?;
        let what = self.what(text)?;
        Some(Record { time, what })
    }

    fn what(&mut self, text: &str) -> Option<What> {
        if self.counts
            && let Some((what, count)) = text.rsplit_once(": ")
            && let Ok(count) = count.parse()
        {
            return Some(What::Count {
                what: what.trim_start().to_owned(),
                count,
            });
        }
        self.counts = text == "runtime linker statistics:";
        if let Some(rest) = text.strip_prefix("file=") {
            if let Some(name) = rest.strip_suffix(" [0];  generating link map") {
                self.mapped = Mapped {
                    name: name.to_owned(),
                    ..Mapped::default()
                };
                return None;
            }
            let (name, by) = rest.strip_suffix(" [0]")?.split_once(" [0];  needed by ")?;
            return Some(What::Wanted {
                name: name.to_owned(),
                by: by.to_owned(),
            });
        }
        if let Some(rest) = text.strip_prefix("  dynamic: ") {
            let mut words = rest.split_whitespace().filter(|word| !word.ends_with(':'));
            self.mapped.dynamic = address(words.next()?)?;
            self.mapped.base = address(words.next()?)?;
            self.mapped.size = address(words.next()?)?;
            return None;
        }
        if let Some(rest) = text.strip_prefix("    entry: ") {
            let mut words = rest.split_whitespace().filter(|word| !word.ends_with(':'));
            self.mapped.entry = address(words.next()?)?;
            self.mapped.headers = words.nth(1)?.parse().ok()?;
            return Some(What::Module(std::mem::take(&mut self.mapped)));
        }
        if let Some(rest) = text.strip_prefix("object=") {
            self.scope = rest.strip_suffix(" [0]")?.to_owned();
            return None;
        }
        if let Some(names) = text.strip_prefix(" scope 0:") {
            return Some(What::Scope {
                module: std::mem::take(&mut self.scope),
                names: names.trim_start().to_owned(),
            });
        }
        one_line(text)
    }
}

/// The events of one line.
fn one_line(text: &str) -> Option<What> {
    let own = str::to_owned;
    if let Some(rest) = text.strip_prefix(" search path=") {
        let (directories, rule) = rest.split_once("\t\t(")?;
        return Some(What::List {
            rule: rule.strip_suffix(')')?.to_owned(),
            directories: Some(own(directories)),
        });
    }
    if let Some(file) = text.strip_prefix(" search cache=") {
        return Some(What::List {
            rule: own(file),
            directories: None,
        });
    }
    if let Some(path) = text.strip_prefix("  trying file=") {
        return Some(What::Trying { path: own(path) });
    }
    if let Some((path, why)) = text.strip_prefix("  passed ").and_then(|rest| rest.split_once(": ")) {
        return Some(What::Passed {
            path: own(path),
            why: own(why),
        });
    }
    if let Some(rest) = text.strip_prefix("checking for version `") {
        let (version, rest) = rest.split_once("' in file ")?;
        let (provider, by) = rest.strip_suffix(" [0]")?.split_once(" [0] required by file ")?;
        return Some(What::Version {
            version: own(version),
            provider: own(provider),
            by: own(by),
        });
    }
    if let Some(rest) = text.strip_prefix("binding file ") {
        return Some(What::Bound(bound(rest)?));
    }
    if let Some(rest) = text.strip_prefix("resolver ") {
        let (resolver, rest) = rest.split_once(" for ")?;
        let (module, answer) = rest.rsplit_once(" answers ")?;
        return Some(What::Resolved {
            resolver: address(resolver)?,
            module: own(module),
            answer: address(answer)?,
        });
    }
    if let Some(module) = text.strip_prefix("relocation processing: ") {
        return Some(What::Relocating { module: own(module) });
    }
    if let Some(module) = text.strip_prefix("calling init: ") {
        return Some(What::Initialising { module: own(module) });
    }
    if let Some(module) = text.strip_prefix("calling fini: ") {
        return Some(What::Finalising { module: own(module) });
    }
    if let Some(module) = text.strip_prefix("transferring control: ") {
        return Some(What::Transferring { module: own(module) });
    }
    if let Some(pointer) = text.strip_prefix("thread pointer ") {
        return Some(What::Awake {
            thread_pointer: address(pointer)?,
        });
    }
    if let Some(function) = text.strip_prefix("calling ") {
        return Some(What::Calling {
            function: address(function)?,
        });
    }
    if text == "returned" {
        return Some(What::Returned);
    }
    if let Some(number) = text.strip_prefix("stage ") {
        return Some(What::Stage {
            number: number.parse().ok()?,
        });
    }
    numbered(text).or_else(|| {
        let (text, code) = text.rsplit_once(": error ")?;
        Some(What::Failed {
            text: own(text),
            code: own(code),
        })
    })
}

/// `auxv`, `tls` and `relro`: a word, two numbers, and for the last two a module.
fn numbered(text: &str) -> Option<What> {
    let (word, rest) = text.split_once(' ')?;
    let (values, module) = match rest.split_once(": ") {
        Some((values, module)) => (values, module.to_owned()),
        None => (rest, String::new()),
    };
    let (first, second) = values.split_once(' ')?;
    let (first, second) = (first, second.strip_prefix("at ").unwrap_or(second));
    Some(match word {
        "auxv" => What::Auxv {
            kind: first.parse().ok()?,
            value: second.parse().ok()?,
        },
        "tls" => What::Tls {
            number: first.parse().ok()?,
            below: second.parse().ok()?,
            module,
        },
        "relro" => What::Protected {
            start: address(first)?,
            length: second.parse().ok()?,
            module,
        },
        _ => return None,
    })
}

fn bound(rest: &str) -> Option<Bound> {
    let (from, rest) = rest.split_once(" [0] to ")?;
    let (to, rest) = rest.split_once(" [0]: normal symbol `")?;
    let (symbol, rest) = rest.split_once('\'')?;
    let version = rest.strip_prefix(" [").and_then(|rest| rest.strip_suffix(']'));
    Some(Bound {
        from: from.to_owned(),
        to: to.to_owned(),
        symbol: symbol.to_owned(),
        version: version.map(str::to_owned),
    })
}

fn address(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "\
12:\tauxv 33 4096
13:\tfile=/bin/a b [0];  generating link map
14:\t  dynamic: 0x0000000000000010  base: 0x0000000000001000   size: 0x0000000000002000
15:\t    entry: 0x0000000000001100  phdr: 0x0000000000001040  phnum:                  9
16:\tstage 0
17:\tfile=libx.so [0];  needed by /bin/a b [0]
18:\t search path=/x:/y\t\t(RUNPATH from file /bin/a b)
19:\t  passed /x/libx.so: No such file or directory
20:\ttls 1 at 160: libx.so
21:\tbinding file /bin/a b [0] to libx.so [0]: normal symbol `f' [V1]
22:\tcalling 0xff
23:\tresolver 0xff for libx.so answers 0x10
24:\trelro 0x3000 4096: libx.so
25:\truntime linker statistics:
26:\t                                 modules: 2
27:\tsomething new: 3 words
28:\tthread pointer 0x7000
29:\tcannot open: error E0201
";

    fn records(lines: &str) -> Vec<What> {
        let mut reader = Reader::default();
        lines
            .lines()
            .filter_map(|line| reader.line(line))
            .map(|record| record.what)
            .collect()
    }

    #[test]
    fn each_line_is_an_event_or_a_part_of_one() {
        let own = str::to_owned;
        let expected = [
            What::Auxv { kind: 33, value: 4096 },
            What::Module(Mapped {
                name: own("/bin/a b"),
                dynamic: 0x10,
                base: 0x1000,
                size: 0x2000,
                entry: 0x1100,
                headers: 9,
            }),
            What::Stage { number: 0 },
            What::Wanted {
                name: own("libx.so"),
                by: own("/bin/a b"),
            },
            What::List {
                rule: own("RUNPATH from file /bin/a b"),
                directories: Some(own("/x:/y")),
            },
            What::Passed {
                path: own("/x/libx.so"),
                why: own("No such file or directory"),
            },
            What::Tls {
                number: 1,
                below: 160,
                module: own("libx.so"),
            },
            What::Bound(Bound {
                from: own("/bin/a b"),
                to: own("libx.so"),
                symbol: own("f"),
                version: Some(own("V1")),
            }),
            What::Calling { function: 0xff },
            What::Resolved {
                resolver: 0xff,
                module: own("libx.so"),
                answer: 0x10,
            },
            What::Protected {
                start: 0x3000,
                length: 4096,
                module: own("libx.so"),
            },
            What::Count {
                what: own("modules"),
                count: 2,
            },
            What::Awake { thread_pointer: 0x7000 },
            What::Failed {
                text: own("cannot open"),
                code: own("E0201"),
            },
        ];
        assert_eq!(records(LINES), expected);
    }

    #[test]
    fn a_stream_with_any_byte_changed_never_panics() {
        let bytes = LINES.as_bytes();
        for at in 0..bytes.len() {
            for byte in [b' ', b':', b'\'', b'\t', 0xff, b'\n'] {
                let mut changed = bytes.to_vec();
                changed[at] = byte;
                records(&String::from_utf8_lossy(&changed));
            }
        }
    }
}
