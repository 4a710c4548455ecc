"""Which process the sessions belong to."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Owner:
    """A process, and when it began: its number alone could be another's."""

    name: str
    kind: str
    pid: int
    start_time: int
    """Field 22 of ``/proc/PID/stat``; 0 where there is none."""
    boot_id: str


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def _start_time(pid: int) -> int | None:
    stat = _read(f"/proc/{pid}/stat")
    # The program's name is in brackets, and may have spaces and brackets itself.
    return None if stat is None else int(stat.rpartition(")")[2].split()[19])


def _boot_id() -> str:
    return (_read("/proc/sys/kernel/random/boot_id") or "").strip()


def this_process(kind: str, name: str | None = None) -> Owner:
    """This process."""
    pid = os.getpid()
    began = _start_time(pid) or 0
    return Owner(name or f"{kind}-{pid}-{began}", kind, pid, began, _boot_id())


def lives(pid: int, start_time: int) -> bool:
    """Whether that process is still there."""
    if start_time != 0:
        return _start_time(pid) == start_time
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
