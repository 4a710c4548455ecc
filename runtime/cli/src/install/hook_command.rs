//! The command of a hook: `lastword emit` for one owner. The command identifies our hooks among others.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use lastword_events::text::printable_path;
use lastword_protocol::owners::InputFormat;

use super::shell::{for_shell, words};
use crate::exit::Failure;

/// The name that a program must end in, so that its hooks are recognized as ours.
const PROGRAM: &str = "lastword";

/// The program's first argument, before the owner.
const EMIT: &str = "emit";

/// Our hooks' option, after the owner and the event.
const SPAWN: &str = "--spawn";
const SOCKET: &str = "--socket";

/// The common part of an owner's hook commands.
#[derive(Clone, Debug)]
pub(crate) struct HookCommand {
    program: String,
    socket: Option<String>,
}

impl HookCommand {
    /// Makes the command with this program, else with the running one. The hooks find the daemon at `socket`.
    ///
    /// # Errors
    /// When the program would not be found, or not be recognized as ours.
    pub(crate) fn new(program: Option<&Path>, socket: Option<&Path>) -> Result<Self, Failure> {
        let program = match program {
            Some(path) => absolute(path)?,
            None => itself().map_err(Failure::usage)?,
        };
        if program.file_name() != Some(OsStr::new(PROGRAM)) {
            return Err(Failure::usage(anyhow!(
                "{} is not called {PROGRAM}, and its hooks would not be known as ours: say --command PATH, \
                 with a link of that name",
                printable_path(&program)
            )));
        }
        let socket = socket.map(absolute).transpose()?;
        Ok(Self { program: text(&program)?, socket: socket.as_deref().map(text).transpose()? })
    }

    /// A command for callers that need only the place of an owner's files, which does not depend on the program.
    pub(super) fn of_no_program() -> Self {
        Self { program: format!("/{PROGRAM}"), socket: None }
    }

    /// Returns the path of the program.
    pub(super) fn program(&self) -> &str {
        &self.program
    }

    /// Returns the path of the socket, if it is not the default.
    pub(super) fn socket(&self) -> Option<&str> {
        self.socket.as_deref()
    }

    /// Returns the command of an owner's hook, for a shell. `event` is for owners whose payloads do not name the event.
    pub(super) fn line(&self, owner: &str, event: Option<&str>) -> String {
        let mut line = format!("{} {EMIT} {owner}", for_shell(&self.program));
        if let Some(event) = event {
            line.push(' ');
            line.push_str(event);
        }
        line.push(' ');
        line.push_str(SPAWN);
        if let Some(socket) = &self.socket {
            line.push(' ');
            line.push_str(SOCKET);
            line.push(' ');
            line.push_str(&for_shell(socket));
        }
        line
    }
}

/// Whether a hook's command is ours, of any version and path. A command that does more belongs to the user.
pub(crate) fn is_ours(command: &str) -> bool {
    let Some(words) = words(command) else { return false };
    let mut words = words.iter().map(String::as_str);
    let is_program = words.next().is_some_and(|program| Path::new(program).file_name() == Some(OsStr::new(PROGRAM)));
    let is_emit = words.next() == Some(EMIT);
    let is_owner = words.next().is_some_and(|word| InputFormat::ALL.iter().any(|owner| owner.as_str() == word));
    is_program && is_emit && is_owner && is_rest(words)
}

/// Whether these words are the rest of one of our commands: an event, and options that we write.
fn is_rest<'w>(words: impl Iterator<Item = &'w str>) -> bool {
    let mut words = words.peekable();
    words.next_if(|word| word.chars().all(|c| c.is_ascii_alphanumeric()));
    while let Some(word) = words.next() {
        let is_known = match word {
            SPAWN => true,
            SOCKET => words.next().is_some(),
            _ => false,
        };
        if !is_known {
            return false;
        }
    }
    true
}

/// Returns the path of the program in one of our commands.
pub(crate) fn program_of(command: &str) -> PathBuf {
    words(command).and_then(|words| words.into_iter().next()).map(PathBuf::from).unwrap_or_default()
}

/// Whether both paths lead to the same file.
pub(crate) fn is_same_file(a: &Path, b: &Path) -> bool {
    match (fs::metadata(a), fs::metadata(b)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

/// Returns the path by which the running program was found, with its links: a package manager changes their target at
/// each update.
fn itself() -> anyhow::Result<PathBuf> {
    let executable = env::current_exe().context("where this program is cannot be told: say --command PATH")?;
    let called = env::args_os().next().map(PathBuf::from).unwrap_or_default();
    let found = if called.components().count() > 1 {
        std::path::absolute(&called).ok()
    } else {
        let path = env::var_os("PATH").unwrap_or_default();
        let mut found =
            env::split_paths(&path).filter(|folder| folder.is_absolute()).map(|folder| folder.join(&called));
        found.find(|path| path.is_file())
    };
    Ok(found.filter(|found| is_same_file(found, &executable)).unwrap_or(executable))
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    let what = || format!("{} is not a path", printable_path(path));
    std::path::absolute(path).with_context(what).map_err(Failure::usage)
}

fn text(path: &Path) -> Result<String, Failure> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| Failure::usage(anyhow!("{} is not UTF-8, which JSON has to be", printable_path(path))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(program: &str) -> String {
        HookCommand { program: program.into(), socket: None }.line("codex", None)
    }

    #[test]
    fn our_commands_are_known_wherever_the_program_is() {
        for program in ["/usr/bin/lastword", "/a b/lastword", "/it's/lastword", "/emit x/lastword"] {
            let line = of(program);
            assert!(is_ours(&line), "{line}");
            assert_eq!(program_of(&line), Path::new(program), "{line}");
        }
        assert!(is_ours("\"/opt/lastword\" emit codex"));
        assert_eq!(program_of("\"/a b/lastword\" emit codex"), Path::new("/a b/lastword"));
        assert!(is_ours("lastword emit codex"));
        assert!(is_ours("\"$HOME/bin/lastword\" emit codex --spawn"));
        let with_socket = HookCommand { program: "/opt/lastword".into(), socket: Some("/run/a & b/s;ock".into()) };
        assert!(is_ours(&with_socket.line("cline", Some("TaskStart"))));
        for foreign in ["/bin/notlastword emit codex", "lastword stdio", "echo emit ", "", "emit lastword"] {
            assert!(!is_ours(foreign), "{foreign}");
        }
    }

    #[test]
    fn a_command_that_does_something_else_as_well_is_its_users() {
        for foreign in [
            "notify-send hi; /opt/lastword emit claude-code --spawn",
            "FOO=1 /opt/lastword emit claude-code --spawn",
            "tee /tmp/log | /opt/lastword emit claude-code --spawn && echo done",
            "/opt/lastword emit claude-code --spawn; echo done",
            "/opt/lastword emit claude-code --spawn;echo done",
            "/opt/lastword emit claude-code --spawn\necho done",
            "/opt/lastword emit claude-code --spawn > /tmp/log",
            "/opt/lastword emit claude-code --spawn &",
            "/opt/lastword emit claude-code --socket $(socket)",
            "/opt/lastword emit claude-code --socket \"$(socket)\"",
            "/opt/lastword emit claude-code --socket `socket`",
            "/opt/lastword emit claude-code --socket",
            "/opt/lastword emit claude-code --spool /mine --spawn",
            "/opt/lastword emit claude-code Stop more --spawn",
            "/opt/lastword emit someone --spawn",
            "/opt/lastword emit",
            "wrapper /opt/lastword emit claude-code --spawn",
            "timeout 3 /opt/lastword emit claude-code --spawn",
            "sh -c '/opt/lastword emit claude-code --spawn'",
            "'/opt/lastword emit claude-code --spawn",
        ] {
            assert!(!is_ours(foreign), "{foreign}");
        }
    }

    #[test]
    fn a_command_says_the_event_and_the_socket_where_it_has_to() {
        let command =
            HookCommand { program: "/opt/lastword".into(), socket: Some("/run/my agents/lastword.sock".into()) };
        assert_eq!(
            command.line("copilot", Some("sessionEnd")),
            "/opt/lastword emit copilot sessionEnd --spawn --socket '/run/my agents/lastword.sock'"
        );
        assert_eq!(of("/opt/lastword"), "/opt/lastword emit codex --spawn");
    }

    #[test]
    fn a_program_of_another_name_is_refused() {
        let refused = HookCommand::new(Some(Path::new("/usr/bin/lw")), None).unwrap_err();
        assert!(refused.error.to_string().contains("--command"), "{}", refused.error);
    }
}
