"""What a connection to a daemon is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from .event import Item, Result
from .owner import Owner


class Link(Protocol):
    """A connection. Its methods raise ``Unavailable`` when it is lost, and it is not used any more then."""

    def send(self, items: list[Item]) -> list[Result]:
        """Sends events in their order, and gives a result for each."""

    def goodbye(self, reason: str, budget: float) -> dict[str, Any]:
        """Says goodbye for the owner: its sessions end."""

    def on_lost(self, lost: Callable[[], None]) -> None:
        """Has it called once when the connection is lost, if that is noticed while nothing is asked."""

    def close(self) -> None: ...


class Linker(Protocol):
    """Makes connections to one daemon."""

    target: str
    """Names the daemon: what was meant for one is not sent to another."""
    is_owner: bool
    """The connection is the owner: its sessions have to be started again on the next one."""

    def connect(self, owner: Owner) -> Link: ...

    def ask(self, item: Item, owner: Owner) -> Result:
        """Sends one event on a connection of its own, and waits for its outcome."""
