# Lastword's plugin for Hermes Agent, written by `lastword install hermes`: `lastword uninstall hermes` deletes it.
#
# It tells Lastword's daemon which sessions this process has, with `lastword emit`. When the process dies, the daemon ends them. What was
# written and answered stays here: only names of sessions, platforms, models and reasons go out.

import json
import os
import subprocess
import threading
import time

PROGRAM = "{{PROGRAM}}"
SOCKET = "{{SOCKET}}"

# Seconds that a hook waits for the program, so that what is said of a session arrives in its order. The program itself is done within 0.7 s,
# whatever happens, and it goes on when nobody waits. That is for all that a hook says; what it says when they are over is given LEAST to be
# taken. A hook says three things at most: so it waits for less than 1 s.
WAIT = 0.7
LEAST = 0.1
# Characters of a text that is handed on.
MAX_TEXT = 1024
# Sessions that are remembered, so that each is said to begin once. A gateway has its users' sessions for months.
MAX_SESSIONS = 65536
# Seconds after which the daemon may have ended a session because nothing was heard of it. It is said to begin again then, which changes
# nothing of one that goes on.
QUIET = 60.0

# A sub-agent's session is its parent's affair.
SUB_AGENT = "subagent"
# What runs one turn and is never finalized: a job of the clock, and what tidies up skills.
OF_ONE_TURN = ("cron", "curator")

# Sessions of this process that have begun, and when each was heard of, the longest ago first. Hooks are called by many threads.
sessions = {}
lock = threading.Lock()


def process():
    """Who this process is: its number, and when it began, so that no later process of that number is taken for it. Only Linux says it."""
    try:
        with open("/proc/self/stat", encoding="utf-8", errors="replace") as stat:
            # The name of the program, in brackets, may have spaces.
            start = stat.read().rsplit(")", 1)[1].split()[19]
        return ["--process", f"{os.getpid()},{start}"]
    except (OSError, IndexError):
        return []


def say(until, event, session, said, **more):
    extra = {name: said[name][:MAX_TEXT] for name in ("platform", "model", "reason") if isinstance(said.get(name), str)}
    extra.update(more)
    try:
        folder = os.getcwd()
    except OSError:
        folder = ""
    payload = {"hook_event_name": event, "session_id": session[:MAX_TEXT], "cwd": folder, "extra": extra}
    words = [PROGRAM, "emit", "hermes", "--spawn", *(["--socket", SOCKET] if SOCKET else []), *process()]
    try:
        # In a session of its own: it outlives a Ctrl-C, a closed terminal and this process.
        child = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            child.communicate(json.dumps(payload).encode(), max(until - time.monotonic(), LEAST))
        except subprocess.TimeoutExpired:
            # One that has taken all of it goes on. Of one that does not take it nothing will come.
            if not child.stdin.closed:
                child.kill()
                child.stdin.close()
    except Exception:
        # `lastword doctor hermes` finds out. An agent goes on without it.
        pass


def remember(session):
    """Whether it is to be said that it begins."""
    now = time.monotonic()
    with lock:
        heard = sessions.pop(session, None)
        while len(sessions) >= MAX_SESSIONS:
            del sessions[next(iter(sessions))]
        sessions[session] = now
    return heard is None or now - heard > QUIET


def forget(session):
    """Whether it was there."""
    with lock:
        return sessions.pop(session, None) is not None


def has(session):
    with lock:
        if session not in sessions:
            return False
        del sessions[session]
        sessions[session] = time.monotonic()
        return True


def is_session(session, said):
    return isinstance(session, str) and session != "" and said.get("platform") != SUB_AGENT


def begins(until, event, session, said, **more):
    if remember(session):
        say(until, event, session, said, **more)


def goes_on_as(until, session, task, said):
    """A turn's task is the session that it was asked in. When that is another one by now, it was compacted into this one."""
    if isinstance(task, str) and task != session and forget(task):
        say(until, "on_session_finalize", task, {**said, "reason": "compression"})
        begins(until, "on_session_start", session, said, source="compression")


def on_session_start(until, session_id=None, **said):
    if is_session(session_id, said):
        begins(until, "on_session_start", session_id, said)


def on_session_reset(until, session_id=None, **said):
    # The session that follows one that was finalized, or that a terminal shows.
    if is_session(session_id, said):
        begins(until, "on_session_reset", session_id, said)


def pre_llm_call(until, session_id=None, task_id=None, is_first_turn=False, **said):
    if not is_session(session_id, said):
        return
    goes_on_as(until, session_id, task_id, said)
    # Hermes says nothing of a session that is resumed, but it says that it works.
    begins(until, "on_session_start", session_id, said, **({} if is_first_turn else {"source": "resume"}))
    say(until, "pre_llm_call", session_id, said)


def on_session_end(until, session_id=None, task_id=None, interrupted=False, **said):
    # The end of a turn, by another name.
    if not is_session(session_id, said):
        return
    goes_on_as(until, session_id, task_id, said)
    if said.get("platform") in OF_ONE_TURN:
        if forget(session_id):
            say(until, "on_session_end", session_id, said, reason="interrupted" if interrupted else "completed")
    elif has(session_id):
        say(until, "on_session_end", session_id, said)


def on_session_finalize(until, session_id=None, **said):
    # A gateway also finalizes sessions of the process before it, which have ended with that.
    if is_session(session_id, said) and forget(session_id):
        say(until, "on_session_finalize", session_id, said)


def guarded(hook):
    """What Hermes calls: it has one time for all that it says, and whatever goes wrong in it is nothing to Hermes."""

    def call(**said):
        try:
            hook(time.monotonic() + WAIT, **said)
        except Exception:
            pass

    return call


def register(ctx):
    for hook in (on_session_start, on_session_reset, pre_llm_call, on_session_end, on_session_finalize):
        ctx.register_hook(hook.__name__, guarded(hook))
