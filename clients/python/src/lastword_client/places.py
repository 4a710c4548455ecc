"""Where the daemon's socket and the user's state are, as ``lastword`` itself looks for them."""

from __future__ import annotations

import os
from pathlib import Path


def _absolute(variable: str) -> Path | None:
    path = Path(os.environ.get(variable, ""))
    return path if path.is_absolute() else None


def state_directory() -> Path:
    """The user's directory for what has to be kept."""
    return _absolute("XDG_STATE_HOME") or Path.home() / ".local" / "state"


def default_socket() -> Path:
    """The socket that ``lastword serve`` has by default."""
    return (_absolute("XDG_RUNTIME_DIR") or state_directory()) / "lastword" / "lastword.sock"


def default_spool() -> Path:
    """Where events wait while the daemon is away. The daemon's own spool is another directory."""
    return state_directory() / "lastword" / "clients"
