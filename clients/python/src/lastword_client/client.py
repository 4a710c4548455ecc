"""The client."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from concurrent.futures import Future
from os import PathLike, fspath
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from .errors import LastwordError
from .event import Answer, Item
from .http import HttpLinker
from .limits import MAX_EVENT_BYTES
from .link import Linker
from .owner import this_process
from .places import default_socket, default_spool
from .raw import RawLinker
from .sender import OnProblem, Sender
from .spool import Spool


class Client:
    """Tells a Lastword daemon what happens to the sessions of this process. Any number of threads may use it.

    ``socket`` is the daemon's Unix socket, and ``url`` the daemon over TCP, with a ``token`` of the role ``owner``
    and, if the system does not know it, the certificate ``ca`` of its authority in PEM. With neither it is the
    default socket. ``kind`` says what the owner is, e.g. ``my-gateway``; its spool bears this name too. ``owner`` is
    its name over HTTP. ``on_problem`` is told, on a thread of the client, what nobody waits for: that the daemon is
    away, or that it refuses an event of the spool.
    """

    def __init__(
        self,
        *,
        socket: str | PathLike[str] | None = None,
        url: str | None = None,
        token: str | None = None,
        ca: str | None = None,
        kind: str = "client",
        owner: str | None = None,
        spool: str | PathLike[str] | None = None,
        on_problem: OnProblem | None = None,
    ) -> None:
        self.owner = this_process(kind, owner)
        linker: Linker = HttpLinker(url, token, ca) if url else RawLinker(fspath(socket or default_socket()))
        files = Spool(Path(spool or default_spool()), kind, linker.target, self.owner)
        self._sender = Sender(linker, self.owner, files, on_problem or (lambda _: None))

    def start(self, session: Mapping[str, Any], *, op_id: str | None = None, **fields: Any) -> Future[Answer]:
        """A session begins, or goes on.

        ``session`` has an ``id``; ``fields`` are e.g. ``source`` and ``resumed_from``.
        """
        return self._event("start", session, op_id, None, fields)

    def end(
        self, session: Mapping[str, Any], *, op_id: str | None = None, wait: float | None = None, **fields: Any
    ) -> Future[Answer]:
        """A session is over. With ``wait``, in seconds and at most 55, the answer has what became of its deliveries."""
        return self._event("end", session, op_id, wait, fields)

    def compaction(
        self, session: Mapping[str, Any], phase: Literal["before", "after"], *, op_id: str | None = None, **fields: Any
    ) -> Future[Answer]:
        """A session's conversation is about to be summarised, or was."""
        return self._event("compaction", session, op_id, None, {"phase": phase, **fields})

    def _event(
        self,
        op: Literal["start", "end", "compaction"],
        session: Mapping[str, Any],
        op_id: str | None,
        wait: float | None,
        fields: dict[str, Any],
    ) -> Future[Answer]:
        op_id = op_id or str(uuid.uuid4())
        text = json.dumps({**fields, "op": op, "op_id": op_id, "session": dict(session)})
        if len(text) > MAX_EVENT_BYTES:
            raise LastwordError("event_too_long", f"an event has at most {MAX_EVENT_BYTES} bytes")
        name = f"{session.get('tenant', 'default')}/{session.get('id')}"
        return self._sender.push(Item(op_id, "other" if op == "compaction" else op, name, "/v1/events", text, wait))

    def settle(self, timeout: float) -> bool:
        """Waits until everything is answered. False when the time, in seconds, is over."""
        return self._sender.settle(timeout)

    def goodbye(
        self, reason: Literal["shutdown", "restart", "crashed"] = "shutdown", *, budget: float = 2.0
    ) -> dict[str, Any]:
        """The owner goes: what waits is sent, then all of its sessions end.

        Gives what became of that within the budget, in seconds. Raises ``LastwordError`` with the code
        ``unreachable`` when the daemon is away.
        """
        return self._sender.goodbye(reason, budget)

    def close(self) -> None:
        """Closes the connection. What is not answered goes into the spool.

        On a raw connection the sessions end: ``goodbye`` says why.
        """
        self._sender.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
