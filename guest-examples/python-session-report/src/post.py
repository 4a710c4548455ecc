"""POST, through `wasi:http`. Synchronous, as hooks are."""

from urllib.parse import urlsplit

from componentize_py_types import Err, Ok
from wit_world.imports import outgoing_handler
from wit_world.imports.wasi_http_types import (
    ErrorCode_HttpRequestDenied,
    Fields,
    Method_Post,
    OutgoingBody,
    OutgoingRequest,
    Scheme_Http,
    Scheme_Https,
)

# WASI takes no more at once.
PIECE_BYTES = 4096


class NotSent(Exception):
    """There is no answer: nobody listens, the time was up, the certificate is wrong, …"""

    def __init__(self, code: object) -> None:
        # A case of a variant is a class: its name says what happened.
        super().__init__(type(code).__name__.removeprefix("ErrorCode_"))
        #: The grant `http` does not name the server.
        self.is_refused_by_runtime = isinstance(code, ErrorCode_HttpRequestDenied)


def json(url: str, body: bytes, headers: dict[str, str]) -> int:
    """Posts JSON and returns the answer's status. Raises `NotSent` when there is none."""
    request = _request(url, len(body), headers)
    outgoing = request.body()
    try:
        # It is on its way from here on; the body follows.
        future = outgoing_handler.handle(request, None)
    except Err as error:
        raise NotSent(error.value) from error
    try:
        _write(outgoing, body)
    except Err:
        # Nobody takes the body. Why, and whether there is an answer all the same, is known below.
        pass

    with future.subscribe() as ready:
        # Not for ever: Lastword gives a request less time than the call has.
        ready.block()
    match future.get():
        case Ok(Ok(response)):
            return response.status()
        case Ok(Err(code)):
            raise NotSent(code)
        case other:
            raise AssertionError(f"a response that is ready, and is not: {other}")


def _request(url: str, length: int, headers: dict[str, str]) -> OutgoingRequest:
    parts = urlsplit(url)
    fields = {"content-type": "application/json", "content-length": str(length), **headers}
    request = OutgoingRequest(Fields.from_list([(name, value.encode()) for name, value in fields.items()]))
    request.set_method(Method_Post())
    request.set_scheme(Scheme_Https() if parts.scheme == "https" else Scheme_Http())
    request.set_authority(parts.netloc)
    request.set_path_with_query((parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
    return request


def _write(outgoing: OutgoingBody, body: bytes) -> None:
    # `with`: the stream must be closed before the body can be finished.
    with outgoing.write() as stream:
        for at in range(0, len(body), PIECE_BYTES):
            stream.blocking_write_and_flush(body[at : at + PIECE_BYTES])
    OutgoingBody.finish(outgoing, None)
