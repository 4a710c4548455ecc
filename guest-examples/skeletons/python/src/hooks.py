"""A Lastword plugin."""

import wit_world
from wit_world.imports.types import SessionEndEvent


class WitWorld(wit_world.WitWorld):
    def session_end(self, event: SessionEndEvent) -> None:
        """Called when a session has ended, at least once.

        `raise Err(HookError_Retry(why))` asks to be called again later with the same `delivery.id`;
        `HookError_Fatal` says that this would not help. (`Err` is in `componentize_py_types`, the others are beside
        `SessionEndEvent`.)
        """
        print(f"{event.session.id} ended: {event.reason}")
