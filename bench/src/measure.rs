//! One start of a program: what it took.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};
use nix::sys::resource::{Usage, UsageWho, getrusage};

/// A program as one contender starts it.
#[derive(Debug, Clone)]
pub struct Start {
    /// The file that the kernel is given.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Whether all functions are bound at the start (LD_BIND_NOW).
    pub now: bool,
    /// Variables beside those of all contenders.
    pub variables: Vec<(String, String)>,
}

/// What one start took.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sample {
    /// From before the fork to the end of the process, in microseconds.
    pub wall: f64,
    /// User and system time of the process, in microseconds.
    pub cpu: f64,
    /// Minor page faults.
    pub faults: f64,
}

/// Variables of a login, so that what a loader does for each of them counts as it does elsewhere, and no two users measure different things.
pub const ENVIRONMENT: &[(&str, &str)] = &[
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("HOME", "/root"),
    ("USER", "somebody"),
    ("LOGNAME", "somebody"),
    ("SHELL", "/bin/bash"),
    ("LANG", "C.UTF-8"),
    ("LC_ALL", "C"),
    ("TERM", "xterm-256color"),
    ("COLORTERM", "truecolor"),
    ("PWD", "/"),
    ("OLDPWD", "/home/somebody"),
    ("SHLVL", "1"),
    ("EDITOR", "vi"),
    ("PAGER", "less"),
    ("LESS", "-R"),
    ("MAIL", "/var/mail/somebody"),
    ("HOSTNAME", "machine"),
    ("HISTSIZE", "1000"),
    ("DISPLAY", ":0"),
    ("XDG_SESSION_ID", "1"),
    ("XDG_SESSION_TYPE", "tty"),
    ("XDG_SESSION_CLASS", "user"),
    ("XDG_RUNTIME_DIR", "/run/user/1000"),
    ("XDG_DATA_DIRS", "/usr/local/share:/usr/share"),
    ("XDG_CONFIG_DIRS", "/etc/xdg"),
    ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/run/user/1000/bus"),
    ("SSH_AUTH_SOCK", "/run/user/1000/ssh-agent"),
    ("GPG_TTY", "/dev/pts/0"),
    ("LS_COLORS", "rs=0:di=01;34:ln=01;36:mh=00:pi=40;33:so=01;35:do=01;35"),
    ("LESSOPEN", "| /usr/bin/lesspipe %s"),
    ("LESSCLOSE", "/usr/bin/lesspipe %s %s"),
    ("MANPATH", "/usr/share/man"),
    ("TZ", "UTC"),
    ("QT_IM_MODULE", "ibus"),
    ("GTK_MODULES", "gail"),
    ("DESKTOP_SESSION", "plain"),
    ("WINDOWID", "1"),
    ("COLUMNS", "120"),
    ("LINES", "40"),
];

impl Start {
    /// The command, with the environment that all contenders have and its own variables.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(ENVIRONMENT.iter().copied());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        if self.now {
            command.env("LD_BIND_NOW", "1");
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Starts it and waits. No other child of this process may end meanwhile: the kernel tells the sum of all.
    ///
    /// # Errors
    /// It cannot be started. How it ended is part of the answer.
    pub fn timed(&self) -> Result<(Sample, ExitStatus)> {
        let mut command = self.command();
        let before = getrusage(UsageWho::RUSAGE_CHILDREN)?;
        let clock = Instant::now();
        let status = command
            .status()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        let wall = clock.elapsed().as_secs_f64() * 1e6;
        let after = getrusage(UsageWho::RUSAGE_CHILDREN)?;
        let sample = Sample {
            wall,
            cpu: cpu(&after) - cpu(&before),
            faults: (after.minor_page_faults() - before.minor_page_faults()) as f64,
        };
        Ok((sample, status))
    }

    /// Starts it and gives its standard output.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn output(&self) -> Result<(Vec<u8>, ExitStatus)> {
        let mut command = self.command();
        let output = command.stdout(Stdio::piped()).output();
        let output = output.with_context(|| format!("cannot start {}", self.program.display()))?;
        Ok((output.stdout, output.status))
    }
}

/// User and system time in microseconds.
fn cpu(usage: &Usage) -> f64 {
    let (user, system) = (usage.user_time(), usage.system_time());
    (user.tv_sec() + system.tv_sec()) as f64 * 1e6 + (user.tv_usec() + system.tv_usec()) as f64
}

/// Where a program is found: a path as it is, a name in PATH; links are followed.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = match program.contains('/') {
        true => Some(Path::new(program).to_owned()),
        false => std::env::split_paths(&path)
            .map(|folder| folder.join(program))
            .find(|file| file.is_file()),
    };
    found?.canonicalize().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_takes_time_and_faults() {
        let start = Start {
            program: find("true").unwrap(),
            arguments: Vec::new(),
            now: true,
            variables: Vec::new(),
        };
        let (sample, status) = start.timed().unwrap();
        assert!(status.success());
        assert!(sample.wall > 0.0 && sample.faults > 0.0, "{sample:?}");
    }

    #[test]
    fn nothing_of_cargo_reaches_what_is_measured() {
        let start = Start {
            program: find("env").unwrap(),
            arguments: Vec::new(),
            now: true,
            variables: Vec::new(),
        };
        let text = String::from_utf8(start.output().unwrap().0).unwrap();
        assert!(text.contains("LD_BIND_NOW=1"));
        assert_eq!(text.lines().count(), ENVIRONMENT.len() + 1);
    }
}
