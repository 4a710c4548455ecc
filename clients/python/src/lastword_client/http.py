"""HTTP to a daemon: over TCP with a token, or over its Unix socket."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from .errors import LastwordError, Unavailable, refusal
from .event import Item, Result, answer_of
from .limits import ANSWER_TIMEOUT, CONNECT_TIMEOUT, LEASE
from .owner import Owner


class _UnixConnection(HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("lastword", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def parse(text: str) -> dict[str, Any]:
    """One object that the daemon says."""
    try:
        said = json.loads(text)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise Unavailable("what answers is not a Lastword daemon")
    return said


class Requests:
    """Requests to one daemon, one after the other on one connection."""

    def __init__(
        self, *, socket_path: str | None = None, url: str | None = None, token: str | None = None, ca: str | None = None
    ) -> None:
        self.is_local = socket_path is not None
        """Whether the daemon may see the processes of this machine."""
        self._socket_path = socket_path
        self._url = urlsplit(url or "")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._ca = ca
        self._connection: HTTPConnection | None = None
        self._lock = threading.Lock()

    def _connect(self) -> HTTPConnection:
        if self._socket_path:
            return _UnixConnection(self._socket_path, CONNECT_TIMEOUT)
        host, port = self._url.hostname or "", self._url.port
        if self._url.scheme == "https":
            return HTTPSConnection(
                host, port, timeout=CONNECT_TIMEOUT, context=ssl.create_default_context(cadata=self._ca)
            )
        return HTTPConnection(host, port, timeout=CONNECT_TIMEOUT)

    def ask(self, method: str, path: str, body: str | None, headers: dict[str, str], timeout: float) -> str:
        """Raises ``Unavailable`` when there is no answer, or one that says: later."""
        data = None if body is None else body.encode()
        with self._lock:
            try:
                try:
                    is_used = self._connection is not None
                    response = self._exchange(method, path, data, headers, timeout)
                except (ConnectionError, HTTPException):
                    # The daemon closes a connection that was idle for long. Each request has a name, so it may come twice.
                    self._close()
                    if not is_used:
                        raise
                    response = self._exchange(method, path, data, headers, timeout)
                text = response.read().decode(errors="replace")
                after = response.headers.get("Retry-After", "0")
                if response.will_close:
                    self._close()
            except (OSError, HTTPException) as error:
                self._close()
                raise Unavailable(str(error) or type(error).__name__) from None
        status = response.status
        if status < 300:
            return text
        try:
            problem = parse(text)
        except Unavailable:
            problem = {}
        code = str(problem.get("code", f"http_{status}"))
        detail = str(problem.get("detail", f"the daemon answered {status}"))
        retry_after = float(after) if after.isdigit() else 0.0
        # A token and the daemon's names can be mended, and nothing is to be lost for them until then.
        if status in (401, 408, 421, 507) or (status >= 500 and "code" not in problem):
            raise Unavailable(f"{code}: {detail}", retry_after)
        raise refusal(code, detail, problem.get("field"), retry_after)

    def _exchange(
        self, method: str, path: str, data: bytes | None, headers: dict[str, str], timeout: float
    ) -> HTTPResponse:
        if self._connection is None:
            self._connection = self._connect()
            self._connection.connect()
        self._connection.sock.settimeout(timeout)
        self._connection.request(method, path, data, self._headers | headers)
        return self._connection.getresponse()

    def events(self, items: list[Item], owner: Owner | None) -> list[Result]:
        """Events of one route. Those of ``/v1/events`` go in one body."""
        first = items[0]
        query = {} if owner is None else self._query(owner)
        timeout = ANSWER_TIMEOUT
        if first.wait is not None:
            query |= {"wait": "delivered", "timeout": f"{round(first.wait * 1000)}ms"}
            timeout += first.wait
        path = f"{first.route}?{urlencode(query)}"
        if first.route == "/v1/events":
            text = self.ask("POST", path, "".join(f"{item.text}\n" for item in items), {}, timeout)
            return _read_lines(items, text)
        results: list[Result] = []
        for item in items:
            try:
                text = self.ask("POST", path, item.text, {"Idempotency-Key": item.op_id}, timeout)
                results.append(answer_of(item.op_id, parse(text)))
            except LastwordError as error:
                results.append(error)
        return results

    def _query(self, owner: Owner) -> dict[str, str]:
        """What each request says of its owner. A lease counts where the process cannot be seen."""
        said = {"owner": owner.name, "kind": owner.kind, "lease": f"{round(LEASE * 1000)}ms"}
        if self.is_local and owner.start_time:
            said |= {"pid": str(owner.pid), "start_time": str(owner.start_time)}
            if owner.boot_id:
                said["boot_id"] = owner.boot_id
        return said

    def close(self) -> None:
        """Also while another thread waits for an answer: that one is told."""
        connection = self._connection
        if connection is not None and connection.sock is not None:
            try:
                connection.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _read_lines(items: list[Item], text: str) -> list[Result]:
    """The answers to lines, in their order; behind them what became of their deliveries."""
    said = [parse(line) for line in text.splitlines() if line]
    answers = [line for line in said if line.get("event") != "settled"]
    outcomes = [
        {name: line[name] for name in line if name != "event"} for line in said if line.get("event") == "settled"
    ]
    results: list[Result] = []
    for at, item in enumerate(items):
        if at >= len(answers):
            results.append(Unavailable("the daemon gave no answer"))
        elif answers[at].get("event") == "error":
            error = answers[at]
            results.append(refusal(str(error.get("code")), str(error.get("message")), error.get("field")))
        else:
            line = answers[at] if item.wait is None else answers[at] | {"outcomes": outcomes}
            results.append(answer_of(item.op_id, line))
    return results


class HttpLinker:
    is_owner = False

    def __init__(self, url: str, token: str | None, ca: str | None) -> None:
        parts = urlsplit(url)
        self.target = f"{parts.scheme}://{parts.netloc}"
        self._url, self._token, self._ca = url, token, ca

    def _new(self) -> Requests:
        return Requests(url=self._url, token=self._token, ca=self._ca)

    def connect(self, owner: Owner) -> HttpLink:
        link = HttpLink(self._new(), owner)
        try:
            link.register()
        except LastwordError as error:
            link.close()
            raise Unavailable(f"{error.code}: {error}") from None
        except Unavailable:
            link.close()
            raise
        return link

    def ask(self, item: Item, owner: Owner) -> Result:
        requests = self._new()
        try:
            return requests.events([item], owner)[0]
        finally:
            requests.close()


class HttpLink:
    def __init__(self, requests: Requests, owner: Owner) -> None:
        self._requests = requests
        self._owner = owner
        self._renewal: threading.Timer | None = None
        self._is_closed = False

    def register(self) -> None:
        """Registers the owner, and renews its lease if its process cannot be seen."""
        owner = self._owner
        body: dict[str, Any] = {"kind": owner.kind, "lease": f"{round(LEASE * 1000)}ms"}
        if self._requests.is_local and owner.start_time:
            body |= {"pid": owner.pid, "start_time": owner.start_time, "boot_id": owner.boot_id}
        text = self._requests.ask(
            "PUT", f"/v1/owners/{quote(owner.name, safe='')}", json.dumps(body), {}, CONNECT_TIMEOUT
        )
        if parse(text).get("watched_by") == "process" or self._is_closed:
            return
        self._renewal = threading.Timer(LEASE / 3, self._renew)
        self._renewal.daemon = True
        self._renewal.start()

    def _renew(self) -> None:
        try:
            if not self._is_closed:
                self.register()
        except (LastwordError, Unavailable):
            pass  # The next event finds out.

    def send(self, items: list[Item]) -> list[Result]:
        return self._requests.events(items, self._owner)

    def goodbye(self, reason: str, budget: float) -> dict[str, Any]:
        self._stop_renewing()
        query = urlencode({"reason": reason, "budget": f"{max(round(budget * 1000), 1)}ms"})
        path = f"/v1/owners/{quote(self._owner.name, safe='')}?{query}"
        return parse(self._requests.ask("DELETE", path, None, {}, budget + CONNECT_TIMEOUT))

    def on_lost(self, lost: Callable[[], None]) -> None:
        """Each request finds out by itself."""

    def close(self) -> None:
        self._stop_renewing()
        self._requests.close()

    def _stop_renewing(self) -> None:
        self._is_closed = True
        if self._renewal:
            self._renewal.cancel()
