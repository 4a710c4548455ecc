# A Hermes Agent that calls its plugin: `python3 hermes.py PLUGIN SCENARIO`.
import importlib.util
import sys

folder, scenario = sys.argv[1:]

# As Hermes loads it.
spec = importlib.util.spec_from_file_location("hermes_plugins.lastword", f"{folder}/__init__.py", submodule_search_locations=[folder])
plugin = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = plugin
spec.loader.exec_module(plugin)


class Context:
    hooks = {}

    def register_hook(self, name, callback):
        self.hooks.setdefault(name, []).append(callback)


plugin.register(Context())


def call(hook, session, platform="cli", **said):
    for callback in Context.hooks.get(hook, []):
        # What a hook returns may get into a prompt.
        assert callback(session_id=session, platform=platform, telemetry_schema_version="1", **said) is None


def starts(session, **said):
    call("on_session_start", session, model="m", **said)


def asks(session, task=None, is_first_turn=True, **said):
    task = task or session
    history = [{"role": "user", "content": "a secret"}]
    call("pre_llm_call", session, task_id=task, turn_id="t", user_message="a secret", conversation_history=history,
         is_first_turn=is_first_turn, model="m", sender_id="a secret", **said)


def answers(session, task=None, **said):
    call("post_llm_call", session, task_id=task or session, user_message="a secret", assistant_response="a secret", model="m", **said)
    call("on_session_end", session, task_id=task or session, turn_id="t", completed=True, interrupted=False, model="m", **said)


def sessions():
    # A terminal that is left before anything is asked in it.
    call("on_session_finalize", None, reason="shutdown")
    # A turn, with a sub-agent in it.
    starts("s1")
    asks("s1")
    starts("sub", **{"platform": "subagent"})
    asks("sub", platform="subagent")
    answers("sub", platform="subagent")
    answers("s1")
    # `/new`
    call("on_session_finalize", "s1", reason="session_boundary")
    call("on_session_reset", "s2", reason="new_session")
    starts("s2")
    asks("s2")
    answers("s2")
    call("on_session_finalize", "s2", reason="shutdown")
    # A turn that a signal has ended is over later than its session.
    answers("s2")
    call("on_session_finalize", "s2", reason="shutdown")


def resumed():
    asks("s1", is_first_turn=False)
    # It is compacted in its turn, into another session.
    answers("s2", task="s1")
    asks("s2", is_first_turn=False)
    answers("s2")
    # And before the next one.
    asks("s3", task="s2", is_first_turn=False)
    answers("s3", task="s2")


def quiet():
    starts("s1")
    asks("s1")
    answers("s1")
    asks("s1", is_first_turn=False)
    answers("s1")
    # Nothing was heard of it for longer than this.
    plugin.QUIET = -1
    asks("s1", is_first_turn=False)
    answers("s1")


def gateway():
    # What the process before has left.
    call("on_session_finalize", "old", platform="telegram", reason="session_expired")
    starts("job", platform="cron")
    asks("job", platform="cron")
    answers("job", platform="cron")
    starts("s1", platform="telegram")
    asks("s1", platform="telegram")
    answers("s1", platform="telegram")
    call("on_session_finalize", "s1", platform="telegram", reason="new_session", old_session_id="s1", new_session_id="s2")


def hostile():
    class Bad:
        def __bool__(self):
            raise RuntimeError("no such word")

    # A text that no pipe takes at once, and words of no kind that is known.
    starts("s1")
    asks("s1", is_first_turn=Bad())
    call("pre_llm_call", "s1", task_id=["s1"], is_first_turn=True, model="m" * (1 << 20))
    call("on_session_end", "s1", task_id={}, model=7)


def long_name():
    starts("s" * (1 << 20))


def stay():
    starts("s1")
    asks("s1")
    print("said", flush=True)
    sys.stdin.read()


globals()[scenario]()
print("done", flush=True)
