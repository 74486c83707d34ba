"""Modes with an end, and codes that prove who somebody is, over real HTTP."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.dashboard.running import Reply, Running

from homeward.core.inputs import Change
from homeward.dashboard import security
from homeward.dashboard.forms import read_minute, read_until
from homeward.dashboard.security import Refused
from homeward.one_time import KEYS_FILE, WRONG_LIMIT, enrol_pin

NOW = datetime(2026, 3, 4, 1, 17, 9, tzinfo=UTC)
LONDON = ZoneInfo("Europe/London")
PIN = "271828"


def enter(page: Running, mode: str, **fields: str) -> Reply:
    form = {"mode": mode, "token": security.mode_token(page.key, mode, "household", "page")}
    return page.post("/mode", {**form, **fields})


def shown(page: Running) -> Any:
    return json.loads(page.get("/api/state").text)


def test_maintenance_lasts_an_hour_and_is_shown_with_its_end(page: Running) -> None:
    assert enter(page, "maintenance", until="PT1H").status == 303
    (said,) = page.service.said
    assert isinstance(said, Change)
    assert (said.command, said.target, said.until) == ("mode", "maintenance", NOW + timedelta(hours=1))
    mode = shown(page)["mode"]
    assert (mode["name"], mode["left"], mode["until"]) == ("maintenance", 3600, "2026-03-04T02:17:09Z")
    assert "Nothing is done and nobody is told" in page.get("/").text


def test_away_and_night_arm_and_home_disarms(page: Running) -> None:
    for mode, armed in (("away", True), ("home", False), ("night", True), ("maintenance", True), ("home", False)):
        assert enter(page, mode, until="PT2H" if mode == "maintenance" else "").status == 303
        assert (shown(page)["mode"]["name"], shown(page)["armed"]) == (mode, armed)


@pytest.mark.parametrize(
    ("mode", "until", "why"),
    [
        ("maintenance", "", "maintenance must have an end, within 8 hours"),
        ("maintenance", "PT9H", "maintenance may last 8 hours"),
        ("home", "PT1H", "home has no end: it is what other modes end in"),
        ("away", "2026-03-04T01:00", "a mode must end later than now"),
    ],
)
def test_a_mode_that_may_not_be_is_refused_in_the_guards_own_words(
    page: Running, mode: str, until: str, why: str
) -> None:
    reply = enter(page, mode, until=until)
    assert (reply.status, reply.text) == (409, f"Refused: {why}.\n")
    assert shown(page)["mode"]["name"] == "home"


def test_each_mode_needs_its_own_token(page: Running) -> None:
    form = {"until": "PT1H", "token": security.mode_token(page.key, "away", "household", "page")}
    assert page.post("/mode", {**form, "mode": "maintenance"}).status == 403
    assert enter(page, "maintenance", until="PT1H", person="mallory").status == 403
    assert enter(page, "party").status == 400
    assert enter(page, "away", until="never").status == 400
    assert page.service.said == []


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("", None),
        ("PT30M", "2026-03-04T01:47:09"),
        ("P1DT2H", "2026-03-05T03:17:09"),
        ("07:00", "2026-03-04T07:00:00"),
        ("01:17", "2026-03-05T01:17:00"),
        ("2026-06-01T08:00", "2026-06-01T07:00:00"),
        ("2026-06-01T08:00+02:00", "2026-06-01T06:00:00"),
    ],
)
def test_an_end_is_a_duration_a_time_or_a_date_by_the_homes_clock(text: str, at: str | None) -> None:
    expected = None if at is None else datetime.fromisoformat(at).replace(tzinfo=UTC)
    assert read_until(text, NOW, LONDON) == expected


def test_the_next_time_is_the_next_also_when_the_clocks_change() -> None:
    evening = datetime(2026, 3, 28, 22, tzinfo=UTC)
    assert read_until("07:00", evening, LONDON) == datetime(2026, 3, 29, 6, tzinfo=UTC)


@pytest.mark.parametrize("text", ["soon", "P", "PT", "24:00", "7:00", "0001-01-01T00:00+14:00", "P1000D", "PT1S"])
def test_what_is_no_end_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="An end is a time"):
        read_until(text, NOW, LONDON)


def test_hours_are_read_to_the_minute() -> None:
    assert [read_minute(text) for text in ("", "00:00", "06:30", "23:59")] == [None, 0, 390, 1439]
    for text in ("24:00", "6:30", "06:60", "06:30:00", " 06:30"):
        with pytest.raises(Refused, match="06:30"):
            read_minute(text)


# Stepping up


@pytest.fixture
def asked(page: Running, tmp_path: Path) -> Running:
    """The page of a guard that asks anna for her PIN."""
    enrol_pin(tmp_path, "person:anna", PIN)
    state = page.service.guard.engine.state
    state.step_up.demand("person:anna", int(NOW.timestamp() * 1000), 60)
    return page


def give(page: Running, code: str, person: str = "person:anna", **fields: str) -> Reply:
    form = {"person": person, "code": code, "token": security.step_up_token(page.key, person, "page")}
    return page.post("/step-up", {**form, **fields})


def test_a_right_code_proves_who_it_is_and_the_question_goes(asked: Running) -> None:
    assert [one["person"] for one in shown(asked)["asked"]] == ["person:anna"]
    assert "was that you?" in asked.get("/").text
    assert give(asked, PIN).status == 303
    (said,) = asked.service.said
    assert (said.command, said.person, said.channel) == ("verified", "person:anna", "page")
    assert shown(asked)["asked"] == []
    assert (give(asked, PIN).status, len(asked.service.said)) == (409, 1)


def test_a_wrong_code_is_refused_in_words_and_soon_not_even_looked_at(asked: Running) -> None:
    for _ in range(WRONG_LIMIT):
        reply = give(asked, "314159")
        assert (reply.status, reply.text) == (403, "That is not the code.\n")
    reply = give(asked, PIN)
    assert (reply.status, "Too many wrong codes; try again in" in reply.text) == (403, True)
    assert asked.service.said == []


def test_a_code_is_asked_for_only_when_the_guard_asks(asked: Running, tmp_path: Path) -> None:
    enrol_pin(tmp_path, "person:ben", PIN)
    reply = give(asked, PIN, "person:ben")
    assert (reply.status, reply.text) == (409, "Nobody asks for this code (any more).\n")
    assert asked.service.said == []


def test_a_code_needs_its_own_token_and_a_post(asked: Running) -> None:
    for change in (
        {"token": ""},
        {"channel": "cli"},
        {"token": security.answer_token(asked.key, "i-4", "a", "page")},
    ):
        assert give(asked, PIN, **change).status == 403
    assert give(asked, PIN, token=security.step_up_token(asked.key, "person:ben", "page")).status == 403
    assert asked.get(f"/step-up?person=person:anna&code={PIN}").status == 405
    form = {"person": "person:anna", "code": PIN, "token": security.step_up_token(asked.key, "person:anna", "page")}
    assert asked.post("/step-up", form, cookie=None).status == 401
    assert asked.post("/step-up", form, origin="http://evil.example").status == 403
    assert asked.service.said == []


def test_no_code_is_told_to_anybody(asked: Running, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        replies = [give(asked, "314159"), give(asked, PIN), asked.get("/"), asked.get("/api/state")]
    for code in ("314159", PIN):
        assert code not in caplog.text
        assert not any(code in reply.text for reply in replies)
        assert not any(code in value for reply in replies for value in reply.headers.values())


def test_codes_that_cannot_be_read_are_said_to_be_so(
    asked: Running, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / KEYS_FILE).chmod(0o644)
    reply = give(asked, PIN)
    assert (reply.status, reply.text) == (503, "The codes cannot be read; the guard's log says why.\n")
    assert "chmod 600" in caplog.text


def test_a_home_without_codes_asks_nobody(serve: Callable[..., Running]) -> None:
    page = serve()
    assert shown(page)["asked"] == []
    assert "/step-up" not in page.get("/").text
