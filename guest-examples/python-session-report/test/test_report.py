"""`python3 -m unittest discover test`: what is reported, and what answers mean."""

import json
import sys
import unittest
from pathlib import Path
from types import SimpleNamespace as Record

sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

import report


class EndReason_UserExit:
    pass


class EndReason_Reset:
    pass


class EndReason_Other:
    value = "lunch"


def event(reason):
    session = Record(
        tenant="acme", id="s1", generation=2, key=None, agent_id="main", owner_kind="openclaw", cwd=None,
        transcript=None, started_at="2026-11-21T07:00:00.000Z", attributes=[("channel", "web")],
    )
    delivery = Record(id="k3f9a2c1.17/session-end/report", attempt=3, remaining_ms=500, late=False)
    return Record(
        session=session, delivery=delivery, reason=reason, raw_reason=None, ended_at="2026-11-21T07:12:30.000Z",
        duration_ms=750_000, message_count=None, next_session_id=None, next_session_key=None, attributes=[],
    )


class Address(unittest.TestCase):
    def test_only_what_can_be_asked_for_is_an_address(self):
        for url in ("http://127.0.0.1:8080", "https://example.com/reports?key=1"):
            self.assertTrue(report.is_address(url), url)
        for url in (None, "", "example.com", "ftp://example.com/", "https://"):
            self.assertFalse(report.is_address(url), url)


class Report(unittest.TestCase):
    def test_a_report_is_json_with_all_that_is_known(self):
        made = json.loads(json.dumps(report.of(event(EndReason_Reset()), 1_795_244_400.25)))
        self.assertEqual(made["delivery"], "k3f9a2c1.17/session-end/report")
        self.assertEqual(made["sent_at"], "2026-11-21T07:00:00.250+00:00")
        self.assertEqual(made["session"]["attributes"], {"channel": "web"})
        self.assertEqual((made["reason"], made["duration_ms"], made["messages"]), ("reset", 750_000, None))

    def test_a_reason_is_the_word_of_the_contract_or_the_owners_own(self):
        self.assertEqual(report.reason(EndReason_UserExit()), "user-exit")
        self.assertEqual(report.reason(EndReason_Other()), "lunch")


class Verdict(unittest.TestCase):
    def test_what_may_pass_is_tried_again_and_what_is_refused_is_not(self):
        expected = {200: "done", 204: "done", 301: "fatal", 400: "fatal", 401: "fatal", 404: "fatal",
                    408: "retry", 429: "retry", 500: "retry", 503: "retry"}
        self.assertEqual({status: report.verdict(status) for status in expected}, expected)


if __name__ == "__main__":
    unittest.main()
