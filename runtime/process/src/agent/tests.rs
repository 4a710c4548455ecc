use std::collections::BTreeMap;

use super::*;

/// One process of a table.
#[derive(Clone, Default)]
struct Row {
    parent: Option<u32>,
    executable: Option<&'static str>,
    command_line: Option<Vec<&'static str>>,
}

struct Table(BTreeMap<u32, Row>);

impl ProcessTable for Table {
    fn parent(&self, pid: u32) -> Option<u32> {
        self.0.get(&pid)?.parent
    }

    fn executable(&self, pid: u32) -> Option<PathBuf> {
        self.0.get(&pid)?.executable.map(PathBuf::from)
    }

    fn command_line(&self, pid: u32) -> Option<Vec<OsString>> {
        self.0.get(&pid)?.command_line.as_ref().map(|words| words.iter().map(OsString::from).collect())
    }
}

const HOOK: u32 = 100;

/// Makes a table with the hook and its ancestors, the nearest first: 99, 98, … The last one has no parent.
fn above_the_hook(rows: &[(Option<&'static str>, &[&'static str])]) -> Table {
    let mut table = BTreeMap::from([(HOOK, Row { parent: Some(HOOK - 1), ..Row::default() })]);
    for (above, (executable, words)) in (1..).zip(rows) {
        let has_parent = (above as usize) < rows.len();
        table.insert(
            HOOK - above,
            Row {
                parent: has_parent.then(|| HOOK - above - 1),
                executable: *executable,
                command_line: (!words.is_empty()).then(|| words.to_vec()),
            },
        );
    }
    Table(table)
}

#[track_caller]
fn assert_agent(rows: &[(Option<&'static str>, &[&'static str])], expected: Option<u32>) {
    assert_eq!(agent_of(&above_the_hook(rows), HOOK, None), expected, "{rows:?}");
}

#[test]
fn the_agent_is_the_nearest_ancestor_that_is_no_shell() {
    let terminal = (Some("/usr/bin/tmux"), &["tmux"][..]);
    let user_shell = (Some("/usr/bin/zsh"), &["-zsh"][..]);
    // Claude Code: dash stays in between. Its binary is named after its version.
    let sh = (Some("/usr/bin/dash"), &["/bin/sh", "-c", "lastword emit claude-code"][..]);
    assert_agent(&[sh, (Some("/opt/claude/2.1.332"), &["claude"]), user_shell, terminal], Some(98));
    // Codex: a login shell that executes the command in its place.
    assert_agent(&[(Some("/opt/codex"), &["codex"]), user_shell, terminal], Some(99));
    // Gemini and Qwen: the agent is the nearest node, and the one that the user started is above it.
    let node = (Some("/usr/bin/node"), &["qwen"][..]);
    assert_agent(&[node, node, user_shell, terminal], Some(99));
    assert_agent(&[sh, sh, sh, node, node, user_shell], Some(96));
}

#[test]
fn a_shell_is_known_by_its_executable_whatever_it_calls_itself() {
    let agent = (Some("/opt/agent"), &["agent"][..]);
    for shell in [
        "/bin/sh",
        "/usr/bin/bash",
        "/usr/bin/zsh-5.9",
        "/bin/ksh93",
        "/usr/bin/bash (deleted)",
        "/opt/fish",
        "/bin/bash5",
    ] {
        assert_agent(&[(Some(shell), &["agent"]), agent], Some(98));
    }
    // A program that calls itself a shell is none, and a name that only begins like a shell's is none.
    for program in ["/opt/agent", "/opt/shark", "/opt/bashful", "/usr/bin/ssh", "/opt/nushelly", "/opt/7"] {
        assert_agent(&[(Some(program), &["-bash"]), (Some("/sbin/agetty"), &[])], Some(99));
    }
}

#[test]
fn of_a_program_that_is_many_the_command_line_says_which() {
    let agent = (Some("/opt/agent"), &["agent"][..]);
    for words in
        [&["sh", "-c", "x"][..], &["/bin/sh"], &["-ash"], &["busybox", "sh", "-c", "x"], &["/bin/busybox", "ash"]]
    {
        assert_agent(&[(Some("/bin/busybox"), words), agent], Some(98));
    }
    assert_agent(&[(Some("/bin/busybox"), &["httpd", "-f"]), agent], Some(99));
    assert_agent(&[(Some("/bin/busybox"), &["init"]), agent], None);
    assert_agent(&[(Some("/bin/busybox"), &[]), agent], Some(99));
}

#[test]
fn where_the_executable_is_not_shown_the_command_line_says_it() {
    let agent = (Some("/opt/agent"), &["agent"][..]);
    assert_agent(&[(None, &["/bin/bash", "-c"]), agent], Some(98));
    assert_agent(&[(None, &["/opt/other-agent"]), agent], Some(99));
    // The program of the nearest one, which may be the agent, is unknown.
    assert_agent(&[(None, &[]), agent], None);
}

#[test]
fn who_was_adopted_has_no_agent() {
    let sh = (Some("/bin/sh"), &["sh"][..]);
    assert_agent(&[sh, (Some("/usr/lib/systemd/systemd"), &["systemd", "--user"])], None);
    assert_agent(&[sh, (Some("/sbin/init"), &["init"])], None);
    assert_agent(&[sh, (Some("/usr/bin/tini"), &["tini", "--", "agent"])], None);
    assert_agent(&[sh, sh], None);
    // In a container the agent itself may be the first process.
    assert_agent(&[sh, (Some("/usr/bin/node"), &["agent"])], Some(98));
}

#[test]
fn what_the_agent_claims_counts_if_it_is_an_ancestor() {
    let agents: [(_, &[_]); 3] =
        [(Some("/bin/sh"), &["sh"]), (Some("/opt/inner"), &["inner"]), (Some("/opt/claude"), &["claude"])];
    let table = above_the_hook(&agents);
    assert_eq!(agent_of(&table, HOOK, Some(97)), Some(97));
    // Even a shell: it is the agent's own word.
    assert_eq!(agent_of(&table, HOOK, Some(99)), Some(99));
    for stranger in [0, 1, 4242, HOOK] {
        assert_eq!(agent_of(&table, HOOK, Some(stranger)), Some(98), "{stranger} is no ancestor");
    }
}

#[test]
fn a_circle_of_parents_ends() {
    let row = |parent| Row { parent: Some(parent), executable: Some("/bin/sh"), command_line: None };
    let table = Table(BTreeMap::from([(HOOK, row(7)), (7, row(8)), (8, row(7))]));
    assert_eq!(ancestors(&table, HOOK).len(), MAX_ANCESTORS);
    assert_eq!(agent_of(&table, HOOK, None), None);
}

#[test]
fn ancestors_end_where_no_more_is_shown() {
    let table = above_the_hook(&[(Some("/bin/sh"), &["sh"]), (Some("/bin/sh"), &["sh"])]);
    assert_eq!(ancestors(&table, HOOK), [99, 98]);
    assert_eq!(ancestors(&table, 98), [0; 0]);
    assert_eq!(ancestors(&table, 4242), [0; 0]);
}
