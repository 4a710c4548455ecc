"""The hook: reports every session that ended to a server, by HTTP. Start reading here.

Each call runs in a fresh sandbox. What stands outside of the hook, the imports included, has run when the plugin was
*built*: the state of that moment is what every call begins with.
"""

import json
import time

import wit_world
from componentize_py_types import Err
from wit_world.imports import store
from wit_world.imports.lastword_hooks_types import HookError_Fatal, HookError_Retry, SessionEndEvent

import post
import report


class WitWorld(wit_world.WitWorld):
    """Implements the world `plugin`; each of its exports is a method."""

    def session_end(self, event: SessionEndEvent) -> None:
        """To return means "done, never call again for this delivery"."""
        url = store.get("report-url")
        if not report.is_address(url):
            # Trying again would not help: somebody has to configure it, and can then have it delivered again.
            raise Err(HookError_Fatal(f"the setting report-url must be an address with http:// or https://, not {url}"))

        body = json.dumps(report.of(event, time.time()))
        try:
            # The id is the same at every attempt: the server sees what it has already, and keeps one of them.
            status = post.json(url, body.encode(), {"idempotency-key": event.delivery.id})
        except post.NotSent as error:
            if error.is_refused_by_runtime:
                raise Err(HookError_Fatal(f"no report to {url}: {error}")) from error
            raise Err(HookError_Retry(f"no report to {url}: {error}")) from error

        answer = f"the server at {url} answered {status}"
        match report.verdict(status):
            case "done":
                print(f"reported {event.session.id}: {answer}")
            case "retry":
                raise Err(HookError_Retry(answer))
            case "fatal":
                raise Err(HookError_Fatal(answer))
