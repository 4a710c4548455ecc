"""Events on the disk, for a daemon that is away.

Each process has a file of its own, so nothing is locked. The first line says whose it is; each other line is an
event. The files of processes that are gone are taken in by whoever connects next to the same daemon under the same
name. The format is that of the client in TypeScript.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .errors import LastwordError
from .event import Item
from .limits import MAX_SPOOL_BYTES, MAX_SPOOLS_BYTES
from .owner import Owner, lives

_VERSION = 1
_ours: set[Path] = set()
"""Files of this process that are in use."""
_ours_lock = threading.Lock()
_numbers = itertools.count(1)


@dataclass
class Spooled:
    """The events of one process."""

    path: Path
    owner: Owner
    items: list[Item] = field(default_factory=list)
    broken: int = 0
    """Lines that cannot be read."""


class Spool:
    """Used by one thread."""

    def __init__(self, directory: Path, name: str, target: str, owner: Owner) -> None:
        self._directory = directory
        self._name = re.sub(r"[^A-Za-z0-9_]", "_", name)[:64]
        self._target = target
        self._owner = owner
        self._file: int | None = None
        self._path: Path | None = None
        self._bytes = 0
        self._room = 0

    @property
    def is_used(self) -> bool:
        """Whether this process has events there."""
        return self._file is not None

    def add(self, items: list[Item]) -> int:
        """Writes events behind those that are there, and gives how many fit. They are on the disk when it returns."""
        try:
            file = self._create() if self._file is None else self._file
        except OSError as error:
            raise LastwordError("spool", f"cannot write to {self._directory}: {error.strerror or error}") from None
        lines: list[bytes] = []
        size = 0
        for item in items:
            said = {"op_id": item.op_id, "session": item.session, "route": item.route, "event": item.text}
            line = json.dumps(said, ensure_ascii=False).encode() + b"\n"
            if self._bytes + size + len(line) > self._room:
                break
            lines.append(line)
            size += len(line)
        if not lines:
            return 0
        try:
            _write(file, b"".join(lines))
            os.fsync(file)
            self._bytes += size
        except OSError as error:
            # All of it or nothing: half of a line would spoil the next.
            os.ftruncate(file, self._bytes)
            raise LastwordError("spool", f"cannot write {self._path}: {error.strerror or error}") from None
        return len(lines)

    def _new_path(self) -> Path:
        return self._directory / f"{self._name}-{self._owner.pid}-{self._owner.start_time}-{next(_numbers)}.ndjson"

    def _create(self) -> int:
        for directory in (self._directory.parent, self._directory):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        others = sum(entry.stat().st_size for entry in os.scandir(self._directory))
        path = self._new_path()
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
        owner = self._owner
        header = {
            "lastword_spool": _VERSION,
            "target": self._target,
            "owner": {
                "name": owner.name,
                "kind": owner.kind,
                "pid": owner.pid,
                "startTime": owner.start_time,
                "bootId": owner.boot_id,
            },
        }
        line = json.dumps(header).encode() + b"\n"
        with _ours_lock:
            _ours.add(path)
        _write(file, line)
        # So that the file's name is on the disk as well.
        for directory in (self._directory, self._directory.parent):
            handle = os.open(directory, os.O_RDONLY)
            os.fsync(handle)
            os.close(handle)
        self._file, self._path = file, path
        self._bytes, self._room = len(line), min(MAX_SPOOL_BYTES, MAX_SPOOLS_BYTES - others)
        return file

    def take(self) -> Iterator[Spooled]:
        """What is there, the oldest file first and this process's own last. It stays until ``done``."""
        try:
            found = [
                Path(entry.path) for entry in os.scandir(self._directory) if entry.name.startswith(f"{self._name}-")
            ]
        except OSError:
            found = []
        for path in sorted(found, key=_modified):
            spooled = None if self._is_in_use(path) else self._read(path)
            if spooled is None:
                continue
            # Who renames it has it.
            taken = self._new_path()
            with _ours_lock:
                _ours.add(taken)
            try:
                path.rename(taken)
            except OSError:
                self.keep(Spooled(taken, spooled.owner))
                continue
            spooled.path = taken
            yield spooled
        own = self._read(self._path) if self._path else None
        if own:
            yield own

    def _is_in_use(self, path: Path) -> bool:
        """By the process whose name the file bears: it may have taken it from one that is gone."""
        with _ours_lock:
            if path in _ours:
                return True
        try:
            pid, start_time = (int(part) for part in path.stem.split("-")[-3:-1])
        except ValueError:
            return True
        is_this = (pid, start_time) == (self._owner.pid, self._owner.start_time)
        return not is_this and lives(pid, start_time)

    def _read(self, path: Path) -> Spooled | None:
        try:
            with path.open(encoding="utf-8", errors="replace", newline="\n") as lines:
                header = json.loads(lines.readline())
                if header.get("lastword_spool") != _VERSION or header.get("target") != self._target:
                    return None
                said = header["owner"]
                owner = Owner(said["name"], said["kind"], int(said["pid"]), int(said["startTime"]), said["bootId"])
                spooled = Spooled(path, owner)
                for line in lines:
                    try:
                        item = json.loads(line)
                        spooled.items.append(
                            Item(item["op_id"], "other", item["session"], item["route"], item["event"])
                        )
                    except (ValueError, KeyError, TypeError):
                        spooled.broken += 1
                return spooled
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def done(self, spooled: Spooled) -> None:
        """A file's events are with the daemon."""
        if spooled.path == self._path:
            self._forget()
        spooled.path.unlink(missing_ok=True)
        with _ours_lock:
            _ours.discard(spooled.path)

    def keep(self, spooled: Spooled) -> None:
        """A file's events are not with the daemon yet."""
        if spooled.path != self._path:
            with _ours_lock:
                _ours.discard(spooled.path)

    def close(self) -> None:
        path = self._path
        self._forget()
        if path:
            with _ours_lock:
                _ours.discard(path)

    def _forget(self) -> None:
        if self._file is not None:
            os.close(self._file)
        self._file = self._path = None


def _write(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
