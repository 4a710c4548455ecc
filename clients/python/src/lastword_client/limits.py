"""Every number that bounds the client, with its unit and where it comes from."""

MAX_EVENT_BYTES = 1024 * 1024
"""Bytes of one event: the longest line and the longest body that the daemon takes."""

MAX_QUEUED_EVENTS = 10_000
"""Events that wait in memory: ten seconds' worth of what a token may send."""

MAX_QUEUED_BYTES = 16 * 1024 * 1024
"""Bytes of the events that wait in memory."""

MAX_SPOOL_BYTES = 16 * 1024 * 1024
"""Bytes of one process's spool."""

MAX_SPOOLS_BYTES = 64 * 1024 * 1024
"""Bytes of all spools in the directory: no number of processes that die fills the disk."""

MAX_BATCH_EVENTS = 256
"""Events that are sent at once, each of another session. The daemon writes them down together."""

MAX_BATCH_BYTES = 1024 * 1024
"""Bytes that are sent at once: a sixteenth of what the daemon takes in a body."""

MAX_WAITS = 32
"""Events that wait for their outcome at once, each with a connection and a thread of its own.
Beyond that they are sent without waiting."""

ANSWER_TIMEOUT = 30.0
"""How long an answer may take, in seconds. The daemon answers when the event is on its disk."""

CONNECT_TIMEOUT = 5.0
"""How long a connection may take to be made, in seconds."""

FIRST_BACK_OFF = 0.1
"""The first pause before another try, in seconds; doubled each time."""

MAX_BACK_OFF = 1.0
"""The longest pause before another try, in seconds: half of the time that a daemon gives an owner to come back."""

SPOOL_AFTER = 1.0
"""How long events wait in memory for a daemon that is away, in seconds: longer than its restart.

Then they are spooled.
"""

LEASE = 30.0
"""The lease of an owner whose process the daemon cannot see, in seconds. It is renewed each third of it."""
