"""A server that speaks as the daemon does, as far as the client needs it, and does what a test asks for."""

from __future__ import annotations

import json
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

Said = dict[str, Any]
Reply = str | dict[str, str]
"""What a test has the server answer to an event: ``accept``, ``cut``, ``silence``, or an error's ``code``."""


class StandIn:
    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="lastword-"))
        self.socket = self.directory / "lastword.sock"
        self.spool = self.directory / "state" / "clients"
        self.changed = threading.Condition()
        self.events: list[tuple[int, Said]] = []
        """Every event in the order in which it came, with the number of its connection; 0 for HTTP."""
        self.requests: list[tuple[str, str, dict[str, str], dict[str, str]]] = []
        """Method, path, query and headers."""
        self.closed: list[int] = []
        self.reply: Callable[[Said], Reply] = lambda said: "accept"
        self.hold: Callable[[dict[str, str]], None] = lambda query: None
        self.refuses_with: tuple[int, str] | None = None
        """The status and the code of every answer over HTTP."""
        self._connections = 0
        self._server: socket.socket | None = None
        self._open: set[socket.socket] = set()

    def listen(self, tcp: bool = False) -> int:
        if tcp:
            self._server = socket.create_server(("127.0.0.1", 0))
        else:
            self.socket.unlink(missing_ok=True)
            self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._server.bind(str(self.socket))
            self._server.listen()
        threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()
        return self._server.getsockname()[1] if tcp else 0

    def stop(self) -> None:
        """As a daemon that is killed: connections break."""
        if self._server:
            self._server.shutdown(socket.SHUT_RDWR)
            self._server.close()
            self._server = None
        self.cut_connections()

    def cut_connections(self) -> None:
        for connection in list(self._open):
            _cut(connection)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.directory)

    @property
    def story(self) -> list[str]:
        return [f"{said['op']} {said['session']['id']}" for _, said in self.events]

    def until(self, what: str, holds: Callable[[], bool]) -> None:
        with self.changed:
            if not self.changed.wait_for(holds, 30):
                raise AssertionError(f"{what} did not happen: {self.story}")

    def _note(self, connection: int, said: Said) -> None:
        with self.changed:
            self.events.append((connection, said))
            self.changed.notify_all()

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if connection.recv(1, socket.MSG_PEEK) == b"{":
                self._raw(connection)
            else:
                while self._http(connection):
                    pass
        except OSError:
            pass
        finally:
            _cut(connection)
            self._open.discard(connection)

    def _raw(self, connection: socket.socket) -> None:
        with self.changed:
            self._connections += 1
            number = self._connections

        def write(line: Said) -> None:
            connection.sendall(json.dumps(line).encode() + b"\n")

        try:
            write({"event": "ready", "journal": "stand-in", "plugins": []})
            with connection.makefile("r", encoding="utf-8") as lines:
                for line in lines:
                    said = json.loads(line)
                    if said["op"] == "shutdown":
                        write({"event": "drain", "reason": said["reason"], "sessions": 1, "delivered": 1})
                        return
                    self._note(number, said)
                    reply = self.reply(said)
                    if reply == "cut":
                        return
                    if reply != "silence":
                        write(_answer(said, reply))
        finally:
            with self.changed:
                self.closed.append(number)
                self.changed.notify_all()

    def _http(self, connection: socket.socket) -> bool:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = connection.recv(1)
            if not byte:
                return False
            head += byte
        first, *rest = head.decode().strip().split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in rest)}
        body = b""
        while len(body) < int(headers.get("content-length", 0)):
            body += connection.recv(65536)
        url = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        with self.changed:
            self.requests.append((method, url.path, query, headers))
            self.changed.notify_all()
        self.hold(query)
        if self.refuses_with is not None:
            status, code = self.refuses_with
            text = json.dumps({"status": status, "code": code, "detail": "as the test wants it"})
            connection.sendall(f"HTTP/1.1 {status} No\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode())
            return True
        if method == "PUT":
            text = json.dumps({"watched_by": "lease"})
        elif method == "DELETE":
            text = json.dumps({"reason": query["reason"], "sessions": 1, "delivered": 1})
        else:
            lines = [json.loads(line) for line in body.decode().splitlines()]
            for said in lines:
                self._note(0, said)
            answers = [_answer(said, self.reply(said)) for said in lines]
            if "wait" in query:
                answers.append({"event": "settled", "delivery": "stand-in.1/session-end/memory", "state": "delivered"})
            text = "".join(json.dumps(answer) + "\n" for answer in answers)
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode())
        return True


def _answer(said: Said, reply: Reply) -> Said:
    if isinstance(reply, dict):
        return {"event": "error", "line": 1, "code": reply["code"], "message": "as the test wants it"}
    return {
        "event": "accepted",
        "op": said["op"],
        "op_id": said["op_id"],
        "session": said["session"]["id"],
        "generation": 1,
    }


def _cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    connection.close()
