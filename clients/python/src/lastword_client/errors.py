"""What can be wrong with an event, and with the daemon."""

from __future__ import annotations


class LastwordError(Exception):
    """An event that was refused, or that there is no room for.

    ``code`` is a stable word: one of the daemon's, or ``queue_full``, ``spool_full``, ``spool``, ``event_too_long``,
    ``closed``, ``unreachable``. ``field`` is the field that is wrong, if it is one.
    """

    def __init__(self, code: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.field = field


class Unavailable(Exception):
    """The daemon is away, or cannot take the event now: it is sent again, after so many seconds at least."""

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


_PASSING = frozenset(
    {
        "body_too_slow",
        "draining",
        "failed",
        "journal",
        "too_many_bodies",
        "too_many_connections",
        "too_many_owners",
        "too_many_requests",
        "too_many_waits",
    }
)
"""Codes of errors that go by: the event is sent again."""


def refusal(code: str, message: str, field: str | None = None, retry_after: float = 0.0) -> LastwordError | Unavailable:
    """What to make of a refusal."""
    if code in _PASSING:
        return Unavailable(f"{code}: {message}", retry_after)
    return LastwordError(code, message, field)
