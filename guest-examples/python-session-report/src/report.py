"""What is reported, and what the server's answer means. Imports nothing of the plugin, so the tests run it as it is."""

import re
from datetime import datetime, timezone
from typing import Any, Literal, TypeGuard
from urllib.parse import urlsplit


def is_address(url: str | None) -> TypeGuard[str]:
    """Whether something can be sent there."""
    parts = urlsplit(url or "")
    return parts.scheme in ("http", "https") and parts.netloc != ""


def of(event: Any, now: float) -> dict[str, Any]:
    """The report of a `session-end` event, as what becomes JSON. `now` is in seconds since 1970."""
    session = event.session
    return {
        "delivery": event.delivery.id,
        "attempt": event.delivery.attempt,
        "sent_at": datetime.fromtimestamp(now, timezone.utc).isoformat(timespec="milliseconds"),
        "session": {
            "tenant": session.tenant,
            "id": session.id,
            "generation": session.generation,
            "key": session.key,
            "agent": session.agent_id,
            "owner": session.owner_kind,
            "started_at": session.started_at,
            "attributes": dict(session.attributes),
        },
        "reason": reason(event.reason),
        "ended_at": event.ended_at,
        "duration_ms": event.duration_ms,
        "messages": event.message_count,
        "next_session": event.next_session_id,
        "attributes": dict(event.attributes),
    }


def reason(case: Any) -> str:
    """A case of a variant is a class: `EndReason_UserExit`, for `user-exit`."""
    word = type(case).__name__.removeprefix("EndReason_")
    if word == "Other":
        # A word of the owner's that has no case of its own.
        return case.value
    return re.sub(r"(?<!^)(?=[A-Z])", "-", word).lower()


def verdict(status: int) -> Literal["done", "retry", "fatal"]:
    """What an HTTP status means for a report."""
    if 200 <= status < 300:
        return "done"
    # It is too busy, or broken: another time it may not be.
    if status in (408, 429) or status >= 500:
        return "retry"
    # It does not want this report, and will not want it later. Redirects are not followed.
    return "fatal"
