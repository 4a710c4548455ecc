"""What schemathesis has to be told to ask the daemon what its description allows. It is given in SCHEMATHESIS_HOOKS."""

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    """Whatever is generated is sent as it is: that it is no lines is for the daemon to say."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@schemathesis.hook
def filter_headers(context, headers):
    """No client sends control characters in a header: with one it is no HTTP, and is refused before the API sees it."""
    return all(is_printable(str(value)) for value in (headers or {}).values())


def is_printable(value):
    return all(character == "\t" or " " <= character != "\x7f" for character in value)


OWNERS = ["lastword", "claude-code", "codex", "gemini", "openclaw", "copilot", "cursor", "cline"]


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """Among all words there are hardly any that name an owner: every second one does."""
    word = (path_parameters or {}).get("owner-kind")
    if isinstance(word, str) and len(word) % 2 == 0:
        return {**path_parameters, "owner-kind": OWNERS[len(word) // 2 % len(OWNERS)]}
    return path_parameters


@schemathesis.hook
def map_query(context, query):
    """The one word for which an answer waits, where any is given, and a time that is one."""
    query = query or {}
    if isinstance(query.get("wait"), str) and len(query["wait"]) % 2 == 0:
        return {**query, "wait": "delivered", "timeout": "1s"}
    return query
