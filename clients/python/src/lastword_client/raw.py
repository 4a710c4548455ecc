"""A raw connection to the daemon's Unix socket.

The connection itself is the owner: when it closes without a goodbye, its sessions end.
"""

from __future__ import annotations

import json
import socket
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, TimeoutError as FutureTimeout
from typing import Any, TypeVar

from .errors import Unavailable, refusal
from .event import Item, Result, answer_of
from .http import Requests, parse
from .limits import ANSWER_TIMEOUT, CONNECT_TIMEOUT
from .owner import Owner

_T = TypeVar("_T")


class RawLinker:
    is_owner = True

    def __init__(self, path: str) -> None:
        self.target = f"unix:{path}"
        self._path = path

    def connect(self, owner: Owner) -> RawLink:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(CONNECT_TIMEOUT)
            connection.connect(self._path)
            # A daemon that takes nothing does not hold the thread for ever.
            connection.settimeout(None)
        except OSError as error:
            connection.close()
            raise Unavailable(f"{self._path}: {error.strerror or error}") from None
        return RawLink(connection)

    def ask(self, item: Item, owner: Owner) -> Result:
        """Over HTTP to the same socket, because a line has no outcome of its own.

        It names no owner: the session is over.
        """
        requests = Requests(socket_path=self._path)
        try:
            return requests.events([item], None)[0]
        finally:
            requests.close()


class RawLink:
    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._asked: deque[tuple[str, Future[Result]]] = deque()
        self._drain: Future[dict[str, Any]] | None = None
        self._lost: Unavailable | None = None
        self._on_lost: Callable[[], None] | None = None
        threading.Thread(target=self._read, name="lastword-raw", daemon=True).start()

    def send(self, items: list[Item]) -> list[Result]:
        answers: list[Future[Result]] = [Future() for _ in items]
        with self._lock:
            if self._lost:
                raise self._lost
            self._asked.extend(zip((item.op_id for item in items), answers, strict=True))
        self._write("".join(f"{item.text}\n" for item in items))
        return [self._wait(answer, ANSWER_TIMEOUT) for answer in answers]

    def goodbye(self, reason: str, budget: float) -> dict[str, Any]:
        drain: Future[dict[str, Any]] = Future()
        with self._lock:
            if self._lost:
                raise self._lost
            self._drain = drain
        self._write(json.dumps({"op": "shutdown", "reason": reason}) + "\n")
        return self._wait(drain, budget)

    def on_lost(self, lost: Callable[[], None]) -> None:
        with self._lock:
            self._on_lost = lost
            is_lost = self._lost is not None
        if is_lost:
            lost()

    def close(self) -> None:
        with self._lock:
            self._on_lost = None
        self._lose("the connection is closed")

    def _write(self, text: str) -> None:
        watch = threading.Timer(ANSWER_TIMEOUT, self._lose, ("the daemon takes nothing",))
        watch.daemon = True
        watch.start()
        try:
            self._connection.sendall(text.encode())
        except OSError as error:
            self._lose(str(error))
        finally:
            watch.cancel()

    def _wait(self, answer: Future[_T], seconds: float) -> _T:
        try:
            return answer.result(seconds)
        except FutureTimeout:
            self._lose(f"no answer within {seconds} s")
            raise Unavailable(f"no answer within {seconds} s") from None

    def _read(self) -> None:
        try:
            with self._connection.makefile("r", encoding="utf-8", newline="\n") as lines:
                for line in lines:
                    if line.strip():
                        self._take(parse(line))
            self._lose("the daemon has closed the connection")
        except (OSError, ValueError, Unavailable) as error:
            self._lose(str(error))

    def _take(self, said: dict[str, Any]) -> None:
        event, code = said.get("event"), str(said.get("code"))
        if event == "accepted":
            op_id, answer = self._answered(said.get("op_id"))
            answer.set_result(answer_of(op_id, said))
        elif event == "error":
            # A connection that is not taken at all is told so before it has asked.
            if code == "too_many_owners":
                raise Unavailable(f"{code}: {said.get('message')}")
            _, answer = self._answered(said.get("op_id"))
            answer.set_result(refusal(code, str(said.get("message")), said.get("field")))
        elif event == "drain":
            with self._lock:
                drain, self._drain = self._drain, None
            if drain is None:
                raise Unavailable("the daemon leaves")
            drain.set_result(said)

    def _answered(self, op_id: object) -> tuple[str, Future[Result]]:
        """Answers come in the order of the lines, and an error may not know its line's ``op_id``."""
        with self._lock:
            while self._asked:
                asked = self._asked.popleft()
                if op_id is None or asked[0] == op_id:
                    return asked
                asked[1].set_result(Unavailable("the daemon gave no answer"))
        return "", Future()

    def _lose(self, why: str) -> None:
        with self._lock:
            if self._lost:
                return
            self._lost = Unavailable(why)
            waiting: list[Future[Any]] = [answer for _, answer in self._asked]
            self._asked.clear()
            if self._drain:
                waiting.append(self._drain)
            on_lost = self._on_lost
        try:
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._connection.close()
        for answer in waiting:
            answer.set_exception(Unavailable(why))
        if on_lost:
            on_lost()
