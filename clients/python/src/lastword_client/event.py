"""What is handed over, and what is answered."""

from __future__ import annotations

from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Any, Literal

from .errors import LastwordError, Unavailable


@dataclass(frozen=True)
class Answer:
    """An event that is safe."""

    op_id: str
    kept: Literal["daemon", "spool"]
    """``daemon``: it is in the daemon's journal. ``spool``: the daemon is away, and it is in the spool, on the disk."""
    session: str | None = None
    generation: int | None = None
    code: str | None = None
    """``duplicate_op`` or ``duplicate_end``: it is acknowledged and nothing more."""
    dropped: tuple[str, ...] = ()
    """What was left out of it, and why."""
    outcomes: tuple[dict[str, Any], ...] | None = None
    """What became of its deliveries, if that was waited for: ``delivery``, ``state``, and ``cause``, ``message``."""


@dataclass
class Item:
    """An event on its way."""

    op_id: str
    kind: Literal["start", "end", "other"]
    session: str
    """Events of one session are sent one after the other."""
    route: str
    """The path that takes it over HTTP. ``/v1/events`` takes lines of the stdio protocol."""
    text: str
    """One line of JSON, without its newline."""
    wait: float | None = None
    """For how long its outcome is waited for, in seconds."""


@dataclass(eq=False)
class Queued:
    """An event whose answer is waited for."""

    item: Item
    size: int
    answer: Future[Answer] = field(default_factory=Future)
    is_again: bool = False
    """It is only said again to a new connection: nothing for the spool."""

    def settle(self, result: Answer | LastwordError) -> None:
        try:
            if isinstance(result, LastwordError):
                self.answer.set_exception(result)
            else:
                self.answer.set_result(result)
        except InvalidStateError:
            pass  # It was cancelled, or is answered already.


Result = Answer | LastwordError | Unavailable
"""What became of one event that was sent."""


def answer_of(op_id: str, said: dict[str, Any]) -> Answer:
    """An answer of the daemon in any of its forms."""
    outcomes = said.get("outcomes")
    return Answer(
        op_id,
        "daemon",
        said.get("session"),
        said.get("generation"),
        said.get("code"),
        tuple(said.get("dropped", ())),
        None if outcomes is None else tuple(outcomes),
    )
