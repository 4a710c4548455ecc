from __future__ import annotations

import json
import stat
import sys
import threading
import unittest
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from lastword_client import Client, LastwordError  # noqa: E402
from stand_in import StandIn  # noqa: E402

PATIENCE = 60
"""Seconds. Much more than anything here takes, because a machine may be busy."""


class ClientTest(unittest.TestCase):
    def setUp(self) -> None:
        self.daemon = StandIn()
        self.addCleanup(self.daemon.remove)

    def client(self, **options: Any) -> Client:
        if "url" not in options:
            options["socket"] = self.daemon.socket
        client = Client(spool=self.daemon.spool, **{"kind": "test", **options})
        self.addCleanup(client.close)
        return client

    def test_events_reach_the_daemon_in_their_order_on_one_connection_and_each_is_answered(self) -> None:
        self.daemon.listen()
        client = self.client()
        answers = [
            client.start({"id": "a", "cwd": "/w"}, source="startup"),
            client.start({"id": "b"}),
            client.compaction({"id": "a"}, "before", message_count=40),
            client.end({"id": "a"}, reason="reset"),
            client.end({"id": "b"}),
        ]
        for answer in answers:
            kept = answer.result(PATIENCE)
            self.assertEqual((kept.kept, kept.generation), ("daemon", 1))
        self.assertEqual(self.daemon.story, ["start a", "start b", "compaction a", "end a", "end b"])
        self.assertEqual({number for number, _ in self.daemon.events}, {1})
        self.assertEqual(len({said["op_id"] for _, said in self.daemon.events}), 5)

    def test_many_threads_use_one_client_and_each_sessions_order_holds(self) -> None:
        self.daemon.listen()
        client = self.client()

        def life(name: str) -> None:
            for _ in range(20):
                client.start({"id": name})
                client.end({"id": name})

        threads = [threading.Thread(target=life, args=(f"s{number}",)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertTrue(client.settle(PATIENCE))
        for number in range(8):
            mine = [line.split()[0] for line in self.daemon.story if line.endswith(f" s{number}")]
            self.assertEqual(mine, ["start", "end"] * 20)

    def test_what_is_unanswered_when_the_connection_breaks_is_sent_again_under_the_same_name(self) -> None:
        self.daemon.listen()
        cuts = iter(["cut", "cut"])
        self.daemon.reply = lambda said: next(cuts, "accept")
        self.assertEqual(self.client().end({"id": "a"}).result(PATIENCE).kept, "daemon")
        self.assertEqual(self.daemon.story, ["end a"] * 3)
        self.assertEqual(len({said["op_id"] for _, said in self.daemon.events}), 1)

    def test_an_event_that_cannot_be_written_down_now_is_sent_again_before_what_follows_it(self) -> None:
        self.daemon.listen()
        full = iter([{"code": "journal"}])
        self.daemon.reply = lambda said: (
            {"code": "empty_id"} if said["session"]["id"] == "bad" else next(full, "accept")
        )
        client = self.client()
        bad, late, behind = client.end({"id": "bad"}), client.start({"id": "late"}), client.end({"id": "late"})
        with self.assertRaises(LastwordError) as refused:
            bad.result(PATIENCE)
        self.assertEqual(refused.exception.code, "empty_id")
        self.assertEqual((late.result(PATIENCE).kept, behind.result(PATIENCE).kept), ("daemon", "daemon"))
        self.assertEqual(
            [line for line in self.daemon.story if line.endswith("late")], ["start late", "start late", "end late"]
        )

    def test_while_the_daemon_is_away_events_go_to_a_private_file_and_from_there_to_the_daemon(self) -> None:
        client = self.client()
        answers = [client.start({"id": "a"}), client.end({"id": "a"}), client.start({"id": "b"})]
        self.assertEqual([answer.result(PATIENCE).kept for answer in answers], ["spool"] * 3)
        [file] = self.daemon.spool.iterdir()
        self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(self.daemon.spool.stat().st_mode), 0o700)
        self.daemon.listen()
        client.end({"id": "b"})
        self.daemon.until("all of it", lambda: "end b" in self.daemon.story)
        self.assertEqual(list(dict.fromkeys(self.daemon.story)), ["start a", "end a", "start b", "end b"])
        names = [answer.result().op_id for answer in answers]
        self.assertEqual([said["op_id"] for _, said in self.daemon.events][:3], names)

    def test_the_spool_of_a_process_that_is_gone_is_taken_in_on_a_connection_of_its_own(self) -> None:
        self.daemon.spool.mkdir(parents=True)
        owner = {"name": "gone", "kind": "test", "pid": 4_194_999, "startTime": 1, "bootId": "another"}
        header = {"lastword_spool": 1, "target": f"unix:{self.daemon.socket}", "owner": owner}

        def event(op: str, session: str) -> dict[str, str]:
            said = {"op": op, "op_id": f"{op}-{session}", "session": {"id": session}}
            return {"op_id": said["op_id"], "session": session, "route": "/v1/events", "event": json.dumps(said)}

        lines = [header, event("start", "x"), event("end", "x"), event("start", "y")]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (self.daemon.spool / "test-4194999-1-1.ndjson").write_text(text + '{"op_id":"torn')
        elsewhere = self.daemon.spool / "test-4194999-1-2.ndjson"
        elsewhere.write_text(json.dumps({**header, "target": "unix:/elsewhere"}) + "\n")
        self.daemon.listen()
        problems: list[Exception] = []
        self.client(on_problem=problems.append).start({"id": "a"}).result(PATIENCE)
        self.assertEqual(self.daemon.story, ["start x", "end x", "start y", "start a"])
        numbers = [number for number, _ in self.daemon.events]
        self.assertEqual(len(set(numbers[:3])), 1)
        self.assertNotEqual(numbers[0], numbers[3])
        self.daemon.until("the end of its connection", lambda: numbers[0] in self.daemon.closed)
        self.assertIn("1 lines cannot be read", str(problems[0]))
        self.assertEqual([elsewhere], list(self.daemon.spool.iterdir()), "another daemon's is left alone")

    def test_what_a_client_has_not_been_answered_when_it_closes_is_in_the_spool(self) -> None:
        self.daemon.listen()
        self.daemon.reply = lambda said: "silence"
        first = self.client()
        answer = first.end({"id": "a"})
        self.daemon.until("the end", lambda: len(self.daemon.events) == 1)
        first.close()
        self.assertEqual(answer.result(PATIENCE).kept, "spool")
        with self.assertRaises(LastwordError) as refused:
            first.end({"id": "b"})
        self.assertEqual(refused.exception.code, "closed")
        self.daemon.reply = lambda said: "accept"
        self.client().end({"id": "c"}).result(PATIENCE)
        self.assertEqual(self.daemon.story, ["end a", "end a", "end c"])
        self.assertEqual(len({said["op_id"] for _, said in self.daemon.events}), 2)

    def test_the_queue_and_the_spool_have_bounds_and_who_does_not_fit_is_told(self) -> None:
        client = self.client()
        text = "x" * 1_000_000
        kept = []
        for round in range(3):
            for answer in [client.end({"id": f"{round}-{number}"}, text=text) for number in range(10)]:
                try:
                    kept.append(answer.result(PATIENCE).kept)
                except LastwordError as error:
                    kept.append(error.code)
        self.assertEqual((kept.count("spool"), kept.count("spool_full")), (16, 14))
        with self.assertRaises(LastwordError) as refused:
            client.end({"id": "long"}, text="x" * 1_100_000)
        self.assertEqual(refused.exception.code, "event_too_long")
        # A daemon that answers nothing: what is said meanwhile waits in memory.
        self.daemon.reply = lambda said: "silence"
        self.daemon.listen()
        other = self.client(kind="other")
        with self.assertRaises(LastwordError) as refused:
            for number in range(10_001):
                other.end({"id": str(number)})
        self.assertEqual(refused.exception.code, "queue_full")

    def test_sessions_that_are_active_are_started_again_because_the_connection_is_their_owner(self) -> None:
        self.daemon.listen()
        client = self.client()
        first, other = client.start({"id": "a", "cwd": "/w"}), client.start({"id": "b"})
        first.result(PATIENCE), other.result(PATIENCE), client.end({"id": "b"}).result(PATIENCE)
        self.daemon.stop()
        self.daemon.listen()
        self.daemon.until("the second start", lambda: len(self.daemon.events) == 4)
        _, again = self.daemon.events[3]
        self.assertEqual((again["op"], again["session"]), ("start", {"id": "a", "cwd": "/w"}))
        self.assertNotEqual(again["op_id"], first.result().op_id)

    def test_a_goodbye_comes_after_all_that_was_said_and_says_what_became_of_the_sessions(self) -> None:
        self.daemon.listen()
        client = self.client()
        started = client.start({"id": "a"})
        drain = client.goodbye("restart", budget=PATIENCE)
        self.assertEqual(started.result(PATIENCE).kept, "daemon")
        self.assertEqual((drain["reason"], drain["sessions"], drain["delivered"]), ("restart", 1, 1))

    def test_a_goodbye_to_a_daemon_that_is_away_says_so_within_its_budget(self) -> None:
        client = self.client()
        client.start({"id": "a"})
        with self.assertRaises(LastwordError) as refused:
            client.goodbye(budget=0.3)
        self.assertEqual(refused.exception.code, "unreachable")

    def test_an_end_that_waits_for_its_outcome_holds_up_nothing_but_its_own_session(self) -> None:
        self.daemon.listen()
        released = threading.Event()
        self.daemon.hold = lambda query: released.wait(PATIENCE) if "wait" in query else None
        client = self.client()
        client.start({"id": "a"}).result(PATIENCE)
        waits = client.end({"id": "a"}, wait=20)
        self.assertEqual(client.end({"id": "b"}).result(PATIENCE).kept, "daemon")
        again = client.start({"id": "a"})
        self.daemon.until("the request that waits", lambda: len(self.daemon.requests) == 1)
        self.assertEqual(self.daemon.story, ["start a", "end b"])
        released.set()
        outcome = {"delivery": "stand-in.1/session-end/memory", "state": "delivered"}
        self.assertEqual(waits.result(PATIENCE).outcomes, (outcome,))
        again.result(PATIENCE)
        self.assertEqual(self.daemon.story, ["start a", "end b", "end a", "start a"])

    def test_over_tcp_each_request_has_the_token_and_names_the_owner_with_a_lease(self) -> None:
        port = self.daemon.listen(tcp=True)
        client = self.client(url=f"http://127.0.0.1:{port}", token="lastword_made_up", kind="gateway")
        client.start({"id": "a"}).result(PATIENCE)
        ended = client.end({"id": "a"}, wait=5).result(PATIENCE)
        self.assertEqual([outcome["state"] for outcome in ended.outcomes or ()], ["delivered"])
        self.assertEqual(client.goodbye()["sessions"], 1)
        self.assertEqual([method for method, *_ in self.daemon.requests], ["PUT", "POST", "POST", "DELETE"])
        for *_, headers in self.daemon.requests:
            self.assertEqual(headers["authorization"], "Bearer lastword_made_up")
        query = self.daemon.requests[1][2]
        expected = {"owner": client.owner.name, "kind": "gateway", "lease": "30000ms"}
        self.assertEqual(query, expected)

    def test_what_can_be_mended_at_the_daemon_is_kept_until_it_is(self) -> None:
        port = self.daemon.listen(tcp=True)
        for status, code in ((401, "unauthorized"), (421, "wrong_host")):
            self.daemon.refuses_with = (status, code)
            asked = len(self.daemon.requests)
            client = self.client(url=f"http://127.0.0.1:{port}", token="lastword_made_up")
            kept = client.start({"id": code})
            self.daemon.until("it is refused", lambda asked=asked: len(self.daemon.requests) > asked)
            self.daemon.refuses_with = None
            kept.result(PATIENCE)
            self.daemon.until("it is taken", lambda code=code: f"start {code}" in self.daemon.story)

    def test_a_connection_over_tcp_that_was_idle_for_too_long_is_no_problem(self) -> None:
        port = self.daemon.listen(tcp=True)
        problems: list[Exception] = []
        client = self.client(url=f"http://127.0.0.1:{port}", on_problem=problems.append)
        client.start({"id": "a"}).result(PATIENCE)
        self.daemon.cut_connections()
        self.assertEqual(client.end({"id": "a"}).result(PATIENCE).kept, "daemon")
        self.assertEqual((self.daemon.story, problems), (["start a", "end a"], []))


if __name__ == "__main__":
    unittest.main()
