//! The property of transcripts' uris.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use lastword_transcript::{Root, Scratch, TRANSCRIPT, copy_transcript};
use tempfile::TempDir;

/// More than any of the files has.
const MAX_BYTES: u64 = 1 << 20;
/// How an input says where the agents' directory is: it has another name in each run.
const AGENTS: &str = "{agents}";

/// `agents/acme` and `agents/evil`, each with a file of its own and links out of it, and a file beside them.
struct Machine {
    _home: TempDir,
    agents: PathBuf,
    scratch: Scratch,
    root: Root,
}

impl Machine {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let real = home.path().canonicalize().unwrap();
        let agents = real.join("agents");
        for tenant in ["acme", "evil"] {
            let own = agents.join(tenant);
            fs::create_dir_all(own.join("deep/er")).unwrap();
            for file in ["s.jsonl", "deep/er/s.jsonl", "per%20cent", "ä b"] {
                fs::write(own.join(file), format!("{tenant}'s own")).unwrap();
            }
        }
        fs::write(real.join("secret"), "nobody's").unwrap();
        #[cfg(unix)]
        for (link, target) in
            [("up", ".."), ("other", "../acme"), ("secret", "../../secret"), ("root", "/"), ("self", "self")]
        {
            std::os::unix::fs::symlink(target, agents.join("evil").join(link)).unwrap();
        }
        fs::create_dir(real.join("run")).unwrap();
        let scratch = Scratch::open(&real.join("run")).unwrap();
        let root = format!("{}/{{tenant}}", agents.display()).parse().unwrap();
        Self { _home: home, agents, scratch, root }
    }
}

/// Whatever uri an owner names, what is copied for its tenant is a file of its own.
pub fn transcript_uris(input: &[u8]) {
    static MACHINE: OnceLock<Machine> = OnceLock::new();
    static CANCELLED: AtomicBool = AtomicBool::new(false);
    let machine = MACHINE.get_or_init(Machine::new);
    let tenant = machine.root.for_tenant("evil").unwrap();
    for uri in String::from_utf8_lossy(input).lines() {
        let uri = uri.replace(AGENTS, &machine.agents.display().to_string());
        match copy_transcript(&machine.scratch, &tenant, &uri, MAX_BYTES, &CANCELLED) {
            Ok(copy) => {
                let copied = fs::read_to_string(copy.dir().join(TRANSCRIPT)).unwrap();
                assert_eq!(copied, "evil's own", "{uri:?}");
            }
            Err(refused) => assert!(!refused.name().is_empty(), "{uri:?}"),
        }
    }
}
