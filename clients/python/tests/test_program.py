"""With the real daemon: ``LASTWORD_PROGRAM`` names a built ``lastword``."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from lastword_client import Client  # noqa: E402

PROGRAM = os.environ.get("LASTWORD_PROGRAM")
IS_CI = os.environ.get("CI", "") not in ("", "false")
PATIENCE = 60


@unittest.skipUnless(PROGRAM or IS_CI, "LASTWORD_PROGRAM names no `lastword` program")
class ProgramTest(unittest.TestCase):
    def setUp(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="lastword-"))
        self.addCleanup(shutil.rmtree, self.home)
        self.socket = self.home / "lastword.sock"
        self.serve()
        self.addCleanup(lambda: self.kill(signal.SIGTERM))

    def serve(self) -> None:
        if not PROGRAM:
            self.fail("LASTWORD_PROGRAM names no `lastword` program")
        said = subprocess.check_output([PROGRAM, "token", "gateway", "--role", "owner"], text=True)
        self.token, tokens = said.splitlines()[0], self.home / "tokens.toml"
        tokens.touch(0o600)
        tokens.write_text(said[said.index("[[token]]") :])
        self.daemon = subprocess.Popen(
            [
                PROGRAM,
                "serve",
                "--socket",
                self.socket,
                "--journal",
                self.home / "journal.db",
                "--listen",
                "127.0.0.1:0",
                "--tokens",
                tokens,
            ],
            env={"PATH": os.environ.get("PATH", ""), "HOME": str(self.home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        # One line says that it is ready.
        assert self.daemon.stdout
        ready = self.daemon.stdout.readline()
        self.assertTrue(ready, "the daemon has left")
        self.url = f"http://{json.loads(ready)['addresses'][0]}"

    def kill(self, number: signal.Signals) -> None:
        self.daemon.send_signal(number)
        self.daemon.wait(PATIENCE)
        if self.daemon.stdout:
            self.daemon.stdout.close()

    def client(self) -> Client:
        client = Client(socket=self.socket, spool=self.home / "spool", kind="test")
        self.addCleanup(client.close)
        return client

    def test_a_session_is_started_compacted_and_ended_and_an_end_that_is_sent_again_is_none(self) -> None:
        client = self.client()
        client.start({"id": "a", "cwd": "/w"}).result(PATIENCE)
        client.compaction({"id": "a"}, "after", message_count=4).result(PATIENCE)
        ended = client.end({"id": "a"}, reason="reset", op_id="end-a").result(PATIENCE)
        self.assertEqual((ended.generation, ended.code), (1, None))
        self.assertEqual(client.end({"id": "a"}, reason="reset", op_id="end-a").result(PATIENCE).code, "duplicate_op")
        self.assertEqual(client.end({"id": "b"}, wait=5).result(PATIENCE).outcomes, ())

    def test_a_goodbye_ends_the_clients_own_sessions(self) -> None:
        client, other = self.client(), self.client()
        client.start({"id": "mine"}).result(PATIENCE)
        other.start({"id": "other"}).result(PATIENCE)
        drain = client.goodbye("restart")
        self.assertEqual((drain["reason"], drain["sessions"], drain["timed_out"]), ("restart", 1, False))
        self.assertEqual(other.goodbye()["sessions"], 1)

    def test_over_tcp_a_session_is_started_and_ended_by_an_owner_with_a_lease(self) -> None:
        client = Client(url=self.url, token=self.token, spool=self.home / "spool", kind="remote")
        self.addCleanup(client.close)
        self.assertEqual(client.start({"id": "far"}).result(PATIENCE).kept, "daemon")
        self.assertEqual(client.end({"id": "far"}, reason="reset", wait=5).result(PATIENCE).outcomes, ())
        client.start({"id": "farther"}).result(PATIENCE)
        self.assertEqual(client.goodbye()["sessions"], 1)

    def test_what_is_said_while_the_daemon_is_away_is_with_it_when_it_is_back(self) -> None:
        client = self.client()
        client.start({"id": "away"}).result(PATIENCE)
        self.kill(signal.SIGKILL)
        self.assertEqual(client.end({"id": "away"}, op_id="end-away").result(PATIENCE).kept, "spool")
        self.serve()
        # Until the client has noticed, events go behind those of the spool.
        until = time.monotonic() + PATIENCE
        while client.start({"id": "next"}).result(PATIENCE).kept == "spool":
            self.assertLess(time.monotonic(), until)
            time.sleep(0.05)
        self.assertEqual(client.end({"id": "away"}, op_id="end-away").result(PATIENCE).code, "duplicate_op")
