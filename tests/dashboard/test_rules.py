"""Rules of the owner's own over real HTTP: made, changed, deleted, and refused in the guard's own words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.dashboard.running import Reply, Running

from homeward.core.standing import StandingRule
from homeward.dashboard import security

TWO_HOURS = {"begin": "00:00", "end": "02:00"}


def token(page: Running, how: str, about: str) -> str:
    return security.rule_token(page.key, how, about, "household", "page")


def add(page: Running, verdict: str = "never_fine", device: str = "front door", **fields: str) -> Reply:
    form = {"verdict": verdict, "device": device, "action": "open", "token": token(page, "add", device)}
    return page.post("/rules", {**form, **fields})


def rules(page: Running) -> dict[str, StandingRule]:
    made: dict[str, StandingRule] = page.service.guard.engine.state.standing.rules
    return made


def shown(page: Running) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(page.get("/api/state").text)["rules"]
    return listed


def test_a_rule_is_made_and_stands_as_a_sentence(page: Running) -> None:
    reply = add(page, "always_fine", **TWO_HOURS)
    assert (reply.status, reply.headers["location"]) == (303, "/#rule-s1")
    (said,) = page.service.said
    assert (said.command, said.person, said.channel, said.rule.by) == ("rule_add", "household", "page", "household")
    sentence = "“Front door open” is always fine between 00:00 and 02:00, whoever it is. You said so on 4 March 2026."
    (rule,) = shown(page)
    assert rule["sentence"].casefold() == sentence.casefold()
    assert (rule["begin"], rule["end"], rule["person"], rule["until"]) == ("00:00", "02:00", "", None)
    assert rule["sentence"] in page.get("/").text


def test_a_rule_may_say_for_whom_and_until_when(page: Running) -> None:
    assert add(page, "always_fine", who="person:anna", until="2026-03-05T08:00").status == 303
    (rule,) = shown(page)
    assert (rule["person"], rule["until"]) == ("person:anna", "2026-03-05T08:00:00Z")
    assert "if it is anna, until 5 March 2026, 08:00" in rule["sentence"]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"verdict": "always_fine"}, "it is guarded: say for whom, or name at most four hours of the day"),
        ({"verdict": "snooze", "until": "P1D"}, "it is guarded: a snooze may last eight hours"),
        ({"verdict": "snooze"}, "a snooze must have an end, within seven days"),
        ({"verdict": "snooze", "until": "PT1H", "action": ""}, "it is guarded: say which action"),
        ({"begin": "07:00"}, "hours need a beginning and an end"),
        ({"until": "2026-03-04T01:00"}, "it must end later than now"),
        ({"who": "\u202egnu"}, "a name in it is empty, too long, or cannot be printed"),
    ],
)
def test_a_rule_that_may_not_be_is_refused_in_the_guards_own_words(
    page: Running, fields: dict[str, str], why: str
) -> None:
    reply = add(page, **fields)
    assert (reply.status, reply.text) == (409, f"Refused: {why}.\n")
    assert rules(page) == {}


@pytest.mark.parametrize(
    "fields",
    [{"verdict": "unlock"}, {"verdict": ""}, {"begin": "25:00", "end": "26:00"}, {"begin": "6", "end": "7"},
     {"until": "soon"}, {"until": "P"}, {"until": "9999-12-31T23:59"}, {"until": "PT99999999M"}],
)  # fmt: skip
def test_what_cannot_be_understood_makes_no_rule(page: Running, fields: dict[str, str]) -> None:
    reply = add(page, **fields)
    assert reply.status in (400, 409)
    assert rules(page) == {}


def test_a_rule_is_changed_in_its_hours_person_and_end_and_in_nothing_else(page: Running) -> None:
    add(page, "always_fine", **TWO_HOURS)
    form = {
        "token": token(page, "change", "s1"), "begin": "23:00", "end": "00:30", "who": "person:ben",
        "verdict": "snooze", "device": "siren", "action": "off",
    }  # fmt: skip
    reply = page.post("/rules/s1", form)
    assert (reply.status, reply.headers["location"]) == (303, "/#rule-s1")
    (rule,) = rules(page).values()
    assert (rule.verdict, rule.device, rule.action) == ("always_fine", "front door", "open")
    assert (rule.begin, rule.end, rule.person) == (23 * 60, 30, "person:ben")
    reply = page.post("/rules/s1", {"token": token(page, "change", "s1")})
    assert (reply.status, "say for whom" in reply.text) == (409, True), "without hours it would be for anybody"
    assert rules(page)["s1"] == rule


def test_a_rule_is_deleted_once(page: Running) -> None:
    add(page)
    form = {"token": token(page, "delete", "s1")}
    reply = page.post("/rules/s1/delete", form)
    assert (reply.status, reply.headers["location"]) == (303, "/#rules")
    assert rules(page) == {}
    assert page.post("/rules/s1/delete", form).status == 404
    assert page.post("/rules/s1", {"token": token(page, "change", "s1")}).status == 404
    assert [one.command for one in page.service.said] == ["rule_add", "rule_remove"]


def test_each_act_upon_a_rule_needs_its_own_token(page: Running) -> None:
    add(page)
    fridge = token(page, "add", "fridge")
    for change in ({"token": ""}, {"token": fridge}, {"person": "mallory"}, {"channel": "cli"}):
        assert add(page, **change).status == 403
    for path, wrong in (("/rules/s1", "delete"), ("/rules/s1/delete", "change"), ("/rules/s2/delete", "delete")):
        assert page.post(path, {"token": token(page, wrong, "s1")}).status == 403
    assert add(page, token=token(page, "add", "front door"), person="household").status == 303
    for path in ("/rules", "/rules/s1", "/rules/s1/delete"):
        assert page.post(path, {"token": token(page, "delete", "s1")}, cookie=None).status == 401
        assert page.post(path, {"token": token(page, "delete", "s1")}, origin="http://evil.example").status == 403
        assert page.get(path).status == 405
    assert sorted(rules(page)) == ["s1", "s2"]


def test_who_has_not_given_a_code_makes_and_deletes_no_rule(page: Running) -> None:
    add(page)
    state = page.service.guard.engine.state
    state.step_up.demand("household", state.at, 60)
    for reply in (add(page), page.post("/rules/s1/delete", {"token": token(page, "delete", "s1")})):
        assert (reply.status, reply.text) == (409, "household was asked for a code and has not given it.\n")
    assert sorted(rules(page)) == ["s1"]


def test_a_hostile_name_in_a_rule_is_escaped(page: Running) -> None:
    name = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    assert add(page, device=name, action=name, who=f"person:{name}").status == 303
    text = page.get("/").text
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert text.count("&lt;script&gt;alert") > 2
