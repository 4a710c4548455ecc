"""Sends events in their order, again when a connection is lost, and keeps them on the disk while the daemon is away."""

from __future__ import annotations

import json
import random
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from .errors import LastwordError, Unavailable
from .event import Answer, Item, Queued, Result
from .limits import (
    FIRST_BACK_OFF,
    MAX_BACK_OFF,
    MAX_BATCH_BYTES,
    MAX_BATCH_EVENTS,
    MAX_QUEUED_BYTES,
    MAX_QUEUED_EVENTS,
    MAX_WAITS,
    SPOOL_AFTER,
)
from .link import Link, Linker
from .owner import Owner
from .spool import Spool
from .take_in import take_in

OnProblem = Callable[[Exception], None]


class Sender:
    """One thread of its own does all that waits."""

    def __init__(self, linker: Linker, owner: Owner, spool: Spool, on_problem: OnProblem) -> None:
        self._linker = linker
        self._owner = owner
        self._spool = spool
        self._report = on_problem
        # Everything below is guarded by it, except for what only the thread has.
        self._changed = threading.Condition()
        self._queue: list[Queued] = []
        self._bytes = 0
        self._waiting: dict[str, Queued] = {}
        """Events that wait for their outcome, by their session."""
        self._active: dict[str, Item] = {}
        """The starts of sessions that are active, where the connection is their owner."""
        self._is_closed = False
        self._link: Link | None = None
        self._spool_may_be_used = True
        self._away_at: float | None = None
        self._back_off = FIRST_BACK_OFF
        self._said = ""
        self._thread = threading.Thread(target=self._work, name="lastword-client", daemon=True)
        self._thread.start()

    def push(self, item: Item) -> Future[Answer]:
        """The answer comes when the event is safe, with the daemon or in the spool."""
        queued = Queued(item, len(item.text.encode()))
        with self._changed:
            if self._is_closed:
                raise LastwordError("closed", "the client is closed")
            if len(self._queue) >= MAX_QUEUED_EVENTS or self._bytes + queued.size > MAX_QUEUED_BYTES:
                count, size = len(self._queue), self._bytes
                message = f"{count} events with {size} bytes wait already: hand them over more slowly"
                raise LastwordError("queue_full", message)
            self._queue.append(queued)
            self._bytes += queued.size
            self._note(item)
            self._changed.notify_all()
        return queued.answer

    def _note(self, item: Item) -> None:
        if not self._linker.is_owner:
            return
        if item.kind == "end":
            self._active.pop(item.session, None)
        elif item.kind == "start":
            self._active[item.session] = item

    def settle(self, timeout: float) -> bool:
        """Waits until nothing waits. False when the time is over."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._queue and not self._waiting, timeout)

    def goodbye(self, reason: str, budget: float) -> dict[str, Any]:
        until = time.monotonic() + budget
        is_sent = self.settle(budget)
        with self._changed:
            link, self._link = self._link, None
            self._active.clear()
        try:
            if not is_sent or link is None:
                raise Unavailable("the daemon is away: it ends the sessions by itself")
            return link.goodbye(reason, max(until - time.monotonic(), 0.001))
        except Unavailable as error:
            raise LastwordError("unreachable", str(error)) from None
        finally:
            if link:
                link.close()

    def close(self) -> None:
        """What is not answered goes into the spool."""
        with self._changed:
            if self._is_closed:
                return
            self._is_closed = True
            link, self._link = self._link, None
            self._active.clear()
            self._changed.notify_all()
        if link:
            link.close()
        self._thread.join()
        with self._changed:
            # Their answers may come or not: the daemon knows them by their names.
            self._queue[:0] = self._waiting.values()
            self._waiting.clear()
        self._put_away()
        self._spool.close()

    def _work(self) -> None:
        while not self._is_closed:
            try:
                link = self._link or self._connect()
                if self._spool_may_be_used:
                    self._take_in(link)
                if not self._wait_for_work(link):
                    continue
                self._send_some(link)
            except Exception as error:  # noqa: BLE001 - the thread has to go on, whatever it is
                self._drop()
                self._away(error if isinstance(error, Unavailable) else Unavailable(repr(error)))
                with self._changed:
                    # The daemon is asked again with the next event.
                    if not self._waiting and not self._active and not self._spool.is_used:
                        self._changed.wait_for(lambda: self._is_closed or bool(self._queue or self._active))

    def _wait_for_work(self, link: Link) -> bool:
        """Until there is something to be sent. False when the connection is another one by then."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or self._link is not link or self._next() is not None)
            if self._link is not link and not self._queue and not self._active and not self._is_closed:
                # The daemon is asked again with the next event.
                self._changed.wait_for(lambda: self._is_closed or bool(self._queue))
            return self._link is link and not self._is_closed

    def _next(self) -> list[Queued] | None:
        """What can be sent now: some events, or one whose outcome is waited for."""
        batch: list[Queued] = []
        taken = set(self._waiting)
        size = 0
        for queued in self._queue[:MAX_BATCH_EVENTS]:
            item = queued.item
            if item.session in taken or (
                batch and (item.route != batch[0].item.route or size + queued.size > MAX_BATCH_BYTES)
            ):
                break
            if item.wait is not None:
                if batch:
                    return batch
                if len(self._waiting) >= MAX_WAITS:
                    item.wait = None
                return [queued]
            # Each of another session, so that none overtakes another of its own.
            taken.add(item.session)
            batch.append(queued)
            size += queued.size
        return batch or None

    def _connect(self) -> Link:
        link = self._linker.connect(self._owner)
        with self._changed:
            if self._is_closed:
                link.close()
                raise Unavailable("the client is closed")
            self._link = link
            self._spool_may_be_used = True
            self._start_again()
        link.on_lost(lambda: self._lost(link))
        return link

    def _lost(self, link: Link) -> None:
        with self._changed:
            if self._link is link:
                self._link = None
            self._changed.notify_all()

    def _start_again(self) -> None:
        """Behind what is in the spool, and before what has come since: they belong to this connection from now on."""
        waits = {queued.item.op_id for queued in self._queue}
        again = []
        for item in self._active.values():
            if item.op_id in waits:
                continue
            op_id = str(uuid.uuid4())
            text = json.dumps(json.loads(item.text) | {"op_id": op_id})
            again.append(
                Queued(Item(op_id, item.kind, item.session, item.route, text), len(text.encode()), is_again=True)
            )
        self._queue = again + [queued for queued in self._queue if not queued.is_again]
        self._bytes = sum(queued.size for queued in self._queue)

    def _drop(self) -> None:
        with self._changed:
            link, self._link = self._link, None
        if link:
            link.close()

    def _away(self, why: Unavailable) -> None:
        """The daemon is away, or has no time."""
        now = time.monotonic()
        if self._away_at is None:
            self._away_at = now
        if self._said != str(why):
            self._said = str(why)
            self._on_problem(why)
        until = now + max(self._back_off * random.uniform(0.5, 1.0), why.retry_after)
        self._back_off = min(self._back_off * 2, MAX_BACK_OFF)
        spool_at = self._away_at + SPOOL_AFTER
        while not self._is_closed:
            now = time.monotonic()
            if now >= spool_at:
                self._put_away()
            if now >= until:
                return
            # An event does not hurry a daemon that is away, but it may have to go to the disk.
            with self._changed:
                if now < spool_at:
                    self._changed.wait_for(lambda: self._is_closed, min(until, spool_at) - now)
                else:
                    self._changed.wait_for(lambda: self._is_closed or self._has_for_spool(), until - now)

    def _on_problem(self, problem: Exception) -> None:
        try:
            self._report(problem)
        except Exception:  # noqa: BLE001 - what the user does with it stops nothing
            pass

    def _is_back(self) -> None:
        self._away_at = None
        self._back_off = FIRST_BACK_OFF
        self._said = ""

    def _has_for_spool(self) -> bool:
        return any(queued.item.session not in self._waiting for queued in self._queue)

    def _put_away(self) -> None:
        """Puts what waits in memory on the disk, behind what is there."""
        while True:
            with self._changed:
                for queued in [queued for queued in self._queue if queued.is_again]:
                    self._take(queued)
                # What follows an event whose outcome is waited for follows it.
                some = [one for one in self._queue if one.item.session not in self._waiting][:MAX_BATCH_EVENTS]
            if not some:
                return
            self._spool_may_be_used = True
            error = LastwordError("spool_full", "the daemon is away and the spool is full: the event is not kept")
            kept = 0
            try:
                kept = self._spool.add([queued.item for queued in some])
            except LastwordError as failure:
                error = failure
            for at, queued in enumerate(some):
                self._settle(queued, Answer(queued.item.op_id, "spool") if at < kept else error)

    def _take_in(self, own: Link) -> None:
        """Hands over what is in the spool: before anything else, because it is older."""
        is_any = take_in(self._spool, self._linker, self._owner, own, self._on_problem)
        self._spool_may_be_used = False
        if is_any:
            self._is_back()

    def _send_some(self, link: Link) -> None:
        with self._changed:
            batch = self._next()
            if batch is None:
                return
            if batch[0].item.wait is not None:
                self._ask_for(batch[0])
                return
        later: Unavailable | None = None
        for queued, result in zip(batch, link.send([queued.item for queued in batch]), strict=True):
            if isinstance(result, Unavailable):
                later = later or result
            else:
                self._settle(queued, result)
        if later:
            raise later
        self._is_back()

    def _ask_for(self, queued: Queued) -> None:
        """The rest goes on, except for what else is said of its session."""
        self._waiting[queued.item.session] = queued
        self._take(queued)
        threading.Thread(target=self._asked, args=(queued,), name="lastword-wait", daemon=True).start()

    def _asked(self, queued: Queued) -> None:
        result: Result
        try:
            result = self._linker.ask(queued.item, self._owner)
        except (LastwordError, Unavailable) as error:
            result = error
        with self._changed:
            if self._waiting.get(queued.item.session) is not queued:
                return
            del self._waiting[queued.item.session]
            if isinstance(result, Unavailable):
                # Its answer is lost, and what a second one says of outcomes is nothing: it is sent like any other.
                queued.item.wait = None
                self._queue.insert(0, queued)
                self._bytes += queued.size
            self._changed.notify_all()
        if not isinstance(result, Unavailable):
            queued.settle(result)

    def _settle(self, queued: Queued, result: Answer | LastwordError) -> None:
        with self._changed:
            self._take(queued)
        queued.settle(result)

    def _take(self, queued: Queued) -> None:
        if queued in self._queue:
            self._queue.remove(queued)
            self._bytes -= queued.size
        self._changed.notify_all()
