//! A folder of files to ask about, made with the machine's own compiler, and what lode-tool says of them.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use temp_dir::TempDir;

use crate::tools::{has, run, succeed, text, tool};

/// A folder and the tool.
pub struct Stand {
    pub folder: TempDir,
    tool: PathBuf,
}

/// What lode-tool said.
pub struct Said {
    /// Its status
    pub status: i32,
    /// Standard output, in which the stand's folder is called DIR
    pub text: String,
    /// Standard error, likewise
    pub error: String,
}

impl Stand {
    /// An empty folder; `None`, with a word, if there is no tool or no compiler.
    pub fn new() -> Option<Stand> {
        let tool = tool()?;
        has("gcc").then(|| Stand {
            folder: TempDir::with_prefix("lode-ask-").unwrap(),
            tool,
        })
    }

    /// The path of a file in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.child(name)
    }

    /// Writes a file that can be executed, and the folders above it.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> &Stand {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    /// Links `source` into the file `name` with a compiler; switches count from the folder.
    pub fn link_with(&self, compiler: &str, name: &str, source: &str, switches: &[&str]) -> &Stand {
        // What is there already is replaced, not written into.
        let _ = fs::remove_file(self.path(name));
        let file = format!("{name}.c");
        self.write(&file, source);
        succeed(
            Command::new(compiler)
                .current_dir(self.folder.path())
                .args(["-o", name, &file])
                .args(switches),
        );
        fs::remove_file(self.path(&file)).unwrap();
        self
    }

    /// A library with the machine's compiler; its soname is its file name.
    pub fn library(&self, name: &str, source: &str, switches: &[&str]) -> &Stand {
        let soname = format!("-Wl,-soname,{}", name.rsplit('/').next().unwrap());
        self.link_with(
            "gcc",
            name,
            source,
            &[&["-shared", "-fPIC", &soname], switches].concat(),
        )
    }

    /// A program with the machine's compiler.
    pub fn program(&self, name: &str, source: &str, switches: &[&str]) -> &Stand {
        self.link_with("gcc", name, source, switches)
    }

    /// Asks. Words that name a file of the folder are made paths.
    pub fn ask(&self, words: &[&str]) -> Said {
        let path = |word: &&str| -> PathBuf {
            let inside = self.path(word);
            if !word.is_empty() && inside.exists() {
                inside
            } else {
                PathBuf::from(word)
            }
        };
        self.said(&run(self.command().args(words.iter().map(path))))
    }

    /// The tool, to be asked in some other way.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.tool);
        command.env_remove("LD_LIBRARY_PATH").env_remove("LD_BIND_NOW");
        command
    }

    /// Asks in that way.
    pub fn answer(&self, command: &mut Command) -> Said {
        self.said(&run(command))
    }

    fn said(&self, output: &Output) -> Said {
        let folder = self.folder.path().to_string_lossy().into_owned();
        let named = |bytes: &[u8]| text(bytes).replace(&folder, "DIR");
        Said {
            status: output.status.code().unwrap(),
            text: named(&output.stdout),
            error: named(&output.stderr),
        }
    }

    /// Asks, and holds the text against a file of `tests/ask/`.
    pub fn golden(&self, file: &str, status: i32, words: &[&str]) -> String {
        let said = self.ask(words);
        assert_eq!(said.status, status, "{words:?}:\n{}{}", said.text, said.error);
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("ask").join(file);
        if env::var_os("LODE_BLESS").is_some() {
            fs::write(place, &said.text).unwrap();
        } else {
            let expected = fs::read_to_string(&place).unwrap_or_default();
            assert_eq!(said.text, expected, "{}: LODE_BLESS=1 writes it", place.display());
        }
        said.text
    }

    /// Asks for JSON; returns the whole of it, whose outer members are checked.
    pub fn json(&self, status: i32, words: &[&str]) -> Value {
        let said = self.ask(&[words, &["--format", "json"]].concat());
        assert_eq!(said.status, status, "{words:?}:\n{}{}", said.text, said.error);
        let json: Value = serde_json::from_str(&said.text).unwrap();
        assert_eq!(json["schema"], 1);
        assert_eq!(json["command"], words[0]);
        let verdict = ["clean", "findings", "", "would-not-start"][usize::try_from(status).unwrap()];
        assert_eq!(json["verdict"], verdict);
        json
    }
}
