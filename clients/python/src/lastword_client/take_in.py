"""Hands over what is in the spool."""

from __future__ import annotations

from collections.abc import Callable

from .errors import LastwordError, Unavailable
from .event import Item
from .limits import MAX_BATCH_BYTES, MAX_BATCH_EVENTS
from .link import Link, Linker
from .owner import Owner
from .spool import Spool


def take_in(spool: Spool, linker: Linker, owner: Owner, own: Link, on_problem: Callable[[Exception], None]) -> bool:
    """Gives whether there was anything.

    What a process that is gone has left is its own: it goes over a connection of its own, and what that process has
    not ended ends with it. Raises ``Unavailable`` when the daemon is away again: what it has then stays in the spool
    as well, and it knows events by their names.
    """
    is_any = False
    for spooled in spool.take():
        is_ours = (spooled.owner.pid, spooled.owner.start_time) == (owner.pid, owner.start_time)
        link: Link | None = None
        try:
            link = own if is_ours else linker.connect(spooled.owner)
            if spooled.broken:
                on_problem(LastwordError("spool", f"{spooled.path}: {spooled.broken} lines cannot be read"))
            _hand_over(link, spooled.items, on_problem)
            spool.done(spooled)
            is_any = True
        except BaseException:
            spool.keep(spooled)
            raise
        finally:
            if link and not is_ours:
                link.close()
    return is_any


def _hand_over(link: Link, items: list[Item], on_problem: Callable[[Exception], None]) -> None:
    rest = items
    while rest:
        batch = _first_of(rest)
        again: list[Item] = []
        later: Unavailable | None = None
        for item, result in zip(batch, link.send(batch), strict=True):
            if isinstance(result, Unavailable):
                again.append(item)
                later = result
            elif isinstance(result, LastwordError):
                on_problem(result)
        if later and len(again) == len(batch):
            raise later
        rest = again + rest[len(batch) :]


def _first_of(items: list[Item]) -> list[Item]:
    """The first that can be sent at once: each of another session, so that none overtakes another of its own."""
    batch: list[Item] = []
    sessions: set[str] = set()
    size = 0
    for item in items[:MAX_BATCH_EVENTS]:
        size += len(item.text.encode())
        if batch and (item.route != batch[0].route or size > MAX_BATCH_BYTES or item.session in sessions):
            break
        sessions.add(item.session)
        batch.append(item)
    return batch
