"""Who may read, who may answer, and how often: over real HTTP."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.dashboard.running import Running
from tests.dashboard.twin import a_newcomer

from homeward import __version__
from homeward.core.inputs import Change, Feedback
from homeward.dashboard import forms, security

READABLE = ["/", "/fragment", "/api/state", "/events"]


def answer_to(page: Running, incident: str, answer: str = "yes", **others: str) -> dict[str, str]:
    person, channel = others.get("person", "household"), others.get("channel", "page")
    token = security.answer_token(page.key, incident, person, channel)
    return {"answer": answer, "person": person, "channel": channel, "token": token, **others}


def test_the_link_lets_a_browser_in_and_the_key_leaves_the_address(page: Running) -> None:
    reply = page.get(security.enter_path(page.key), cookie=None)
    assert (reply.status, reply.headers["location"]) == (303, "/")
    assert reply.headers["referrer-policy"] == "no-referrer"
    cookie = reply.headers["set-cookie"]
    assert cookie.startswith(page.cookie + ";")
    assert {"HttpOnly", "Path=/", "SameSite=strict"} <= set(cookie.split("; "))
    assert page.key not in cookie + reply.text


def test_a_wrong_link_lets_nobody_in(page: Running) -> None:
    for path in ("/enter", "/enter?key=", "/enter?key=wrong", "/enter?key=%ff%00"):
        reply = page.get(path, cookie=None)
        assert reply.status == 401
        assert "set-cookie" not in reply.headers


@pytest.mark.parametrize("cookie", [None, "", "homeward=x", "homeward-00000000=" + "0" * 64, "{name}=", "{name}=0"])
def test_nobody_reads_without_the_session(page: Running, cookie: str | None) -> None:
    name, _ = security.session_cookie(page.key)
    for path in (*READABLE, "/nothing/here"):
        reply = page.get(path, cookie=cookie and cookie.format(name=name), accept="text/html")
        assert reply.status == 401
        assert "Open the link that the guard printed" in reply.text
        assert "front door" not in reply.text


def test_nobody_answers_without_the_session(page: Running) -> None:
    assert page.post("/incidents/i-4/answer", answer_to(page, "i-4"), cookie=None).status == 401
    assert page.service.said == []


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost", "", None])
def test_a_foreign_host_reads_nothing(page: Running, host: str | None) -> None:
    for path in (*READABLE, security.enter_path(page.key), "/static/page.js"):
        reply = page.get(path, host=host)
        assert reply.status in (400, 421)
        assert "front door" not in reply.text
        assert "set-cookie" not in reply.headers


def test_a_foreign_host_cannot_answer(page: Running) -> None:
    reply = page.post(
        "/incidents/i-4/answer", answer_to(page, "i-4"), host="evil.example", origin="http://evil.example"
    )
    assert reply.status == 421
    assert page.service.said == []


@pytest.mark.parametrize(
    "origin",
    [None, "", "null", "http://evil.example", "http://127.0.0.1:1", "http://127.0.0.1", "http://localhost:{port}",
     "http://127.0.0.1:{port}.evil.example", "file://"],
)  # fmt: skip
def test_a_post_must_come_from_our_own_origin(page: Running, origin: str | None) -> None:
    given = origin and origin.format(port=page.port)
    for path in ("/incidents/i-4/answer", "/leases/l-2/undo", "/stand-down", "/mode", "/young/confirm", "/admit",
                 "/rules", "/step-up"):  # fmt: skip
        assert page.post(path, answer_to(page, "i-4"), origin=given).status == 403
    assert page.service.said == []


def test_a_post_that_the_browser_calls_foreign_is_refused(page: Running) -> None:
    for site in ("cross-site", "same-site"):
        reply = page.post("/incidents/i-4/answer", answer_to(page, "i-4"), sec_fetch_site=site)
        assert reply.status == 403
    assert page.service.said == []


def test_another_site_may_link_but_neither_fetch_nor_embed(page: Running) -> None:
    link = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}
    assert page.get("/", **link).status == 200
    assert page.get("/", **{**link, "sec_fetch_dest": "iframe"}).status == 403
    assert page.get("/", **{**link, "sec_fetch_site": "same-site", "sec_fetch_mode": "cors"}).status == 403


def test_nothing_changes_by_get(page: Running) -> None:
    for path in (
        "/incidents/i-4/answer?answer=yes", "/leases/l-2/undo", "/stand-down", "/mode?mode=arm", "/young/confirm",
        "/admit?device=fridge&how=approve",
    ):  # fmt: skip
        assert page.get(path).status == 405
    assert page.service.said == []


def test_an_answer_is_taken_once(page: Running) -> None:
    reply = page.post("/incidents/i-4/answer", answer_to(page, "i-4"))
    assert (reply.status, reply.headers["location"]) == (303, "/#incident-i-4")
    (said,) = page.service.said
    assert isinstance(said, Feedback)
    assert (said.incident, said.answer, said.person, said.channel) == ("i-4", "yes", "household", "page")
    again = page.post("/incidents/i-4/answer", answer_to(page, "i-4", "no"))
    assert again.status == 409
    assert again.text == "This was answered already: “That was me”.\n"
    assert len(page.service.said) == 1


def test_two_answers_at_the_same_moment_are_one(page: Running) -> None:
    with ThreadPoolExecutor(8) as pool:
        replies = list(
            pool.map(lambda _: page.post("/incidents/i-4/answer", answer_to(page, "i-4")).status, range(8))
        )
    assert sorted(replies) == [303] + [409] * 7
    assert len(page.service.said) == 1


def test_the_command_line_answers_by_the_same_route_under_its_own_name(page: Running) -> None:
    assert page.post("/incidents/i-4/answer", answer_to(page, "i-4", "no", person="ada", channel="cli")).status == 303
    (said,) = page.service.said
    assert isinstance(said, Feedback)
    assert (said.answer, said.person, said.channel) == ("no", "ada", "cli")


def test_that_was_me_but_too_much_is_a_yes_that_says_so(page: Running) -> None:
    assert page.post("/incidents/i-4/answer", answer_to(page, "i-4", "too_much")).status == 303
    (said,) = page.service.said
    assert (said.answer, said.too_much) == ("yes", True)
    assert page.post("/incidents/i-4/answer", answer_to(page, "i-4", "too_much")).status == 409


@pytest.mark.parametrize(
    "change",
    [{"token": ""}, {"token": "0" * 64}, {"person": "mallory"}, {"channel": "cli"}, {"token": "é"}],
)
def test_an_answer_without_its_own_token_is_refused(page: Running, change: dict[str, str]) -> None:
    form = {**answer_to(page, "i-4"), **change}
    assert page.post("/incidents/i-4/answer", form).status == 403
    assert page.post("/incidents/i-1/answer", answer_to(page, "i-4")).status == 403
    assert page.service.said == []


def test_what_cannot_be_answered_says_why(page: Running) -> None:
    assert page.post("/incidents/i-4/answer", answer_to(page, "i-4", "perhaps")).status == 400
    assert page.post("/incidents/i-99/answer", answer_to(page, "i-99")).status == 404
    blind = page.post("/incidents/i-2/answer", answer_to(page, "i-2"))
    assert (blind.status, "nothing to answer" in blind.text) == (409, True)
    assert page.service.said == []


def test_a_lease_is_undone_by_its_own_token_only(page: Running) -> None:
    form = {"person": "household", "channel": "page"}
    other = security.undo_token(page.key, "l-3", "household", "page")
    assert page.post("/leases/l-2/undo", {**form, "token": other}).status == 403
    token = security.undo_token(page.key, "l-2", "household", "page")
    assert page.post("/leases/l-2/undo", {**form, "token": token}).status == 303
    (said,) = page.service.said
    assert isinstance(said, Change)
    assert (said.command, said.target, said.version) == ("undo", "l-2", __version__)
    assert page.post("/leases/l-2/undo", {**form, "token": token}).status == 409


@pytest.mark.parametrize(("lease", "status"), [("l-1", 409), ("l-3", 409), ("l-4", 409), ("l-9", 404)])
def test_only_a_lease_that_holds_can_be_undone(page: Running, lease: str, status: int) -> None:
    token = security.undo_token(page.key, lease, "household", "page")
    assert page.post(f"/leases/{lease}/undo", {"token": token}).status == status
    assert page.service.said == []


def test_standing_down_needs_its_token(page: Running) -> None:
    assert page.post("/stand-down", {"token": "x"}).status == 403
    token = security.stand_down_token(page.key, "household", "page")
    assert page.post("/stand-down", {"token": token}).status == 303
    (said,) = page.service.said
    assert isinstance(said, Change)
    assert said.command == "stand_down"


def mode(page: Running, mode: str) -> dict[str, str]:
    return {"mode": mode, "token": security.mode_token(page.key, mode, "household", "page")}


def test_the_guard_is_armed_and_disarmed(page: Running) -> None:
    for name in ("arm", "arm", "disarm", "disarm"):  # what is so already is no second command
        reply = page.post("/mode", mode(page, name))
        assert (reply.status, reply.headers["location"]) == (303, "/")
    assert [(one.command, one.person, one.channel) for one in page.service.said] == [
        ("arm", "household", "page"), ("disarm", "household", "page"),
    ]  # fmt: skip


def test_arming_needs_the_token_of_arming(page: Running) -> None:
    assert page.post("/mode", {**mode(page, "arm"), "token": ""}).status == 403
    assert page.post("/mode", {**mode(page, "arm"), "mode": "disarm"}).status == 403
    assert page.post("/mode", {**mode(page, "arm"), "person": "mallory"}).status == 403
    assert page.post("/mode", mode(page, "stand_down")).status == 400
    assert page.post("/mode", mode(page, "arm"), cookie=None).status == 401
    assert page.service.said == []


def test_what_was_learned_while_young_is_confirmed_once_and_by_its_own_token(page: Running) -> None:
    other = security.stand_down_token(page.key, "household", "page")
    token = security.young_token(page.key, "household", "page")
    assert page.post("/young/confirm", {"token": other}).status == 403
    assert page.post("/young/confirm", {"token": token}, cookie=None).status == 401
    assert page.service.said == []
    assert page.post("/young/confirm", {"token": token}).status == 303
    (said,) = page.service.said
    assert isinstance(said, Change)
    assert (said.command, said.version) == ("confirm_young", __version__)
    assert page.post("/young/confirm", {"token": token}).status == 409
    assert len(page.service.said) == 1


NEWCOMER = "02:00:5e:00:00:07"


def admission(page: Running, how: str, device: str = NEWCOMER) -> dict[str, str]:
    token = security.admit_token(page.key, device, how, "household", "page")
    return {"device": device, "how": how, "token": token}


@pytest.mark.parametrize(("how", "answer"), [("approve", "yes"), ("restrict", "yes"), ("refuse", "no")])
def test_what_becomes_of_a_newcomer_is_decided_and_answered_at_once(page: Running, how: str, answer: str) -> None:
    a_newcomer(page.service)
    assert page.post("/admit", admission(page, how)).status == 303
    command, feedback = page.service.said
    assert isinstance(command, Change)
    assert (command.command, command.target, command.version) == (how, NEWCOMER, __version__)
    assert isinstance(feedback, Feedback)
    assert (feedback.incident, feedback.answer) == ("i-9", answer)
    assert page.post("/admit", admission(page, "approve")).status == 303, "one may think better of it"
    assert [type(one) for one in page.service.said] == [Change, Feedback, Change]


def test_a_decision_about_a_device_needs_its_own_token(page: Running) -> None:
    a_newcomer(page.service)
    form = admission(page, "refuse")
    for change in ({"token": ""}, {"how": "approve"}, {"device": "fridge"}, {"person": "mallory"}):
        assert page.post("/admit", {**form, **change}).status == 403
    assert page.post("/admit", form, cookie=None).status == 401
    assert page.post("/admit", admission(page, "unlock")).status == 400
    assert page.post("/admit", admission(page, "stand_down")).status == 400
    assert page.post("/admit", admission(page, "refuse", "nobody")).status == 404
    assert page.service.said == []


def test_the_answer_to_a_newcomer_may_be_a_yes_with_a_reservation(page: Running) -> None:
    a_newcomer(page.service)
    assert page.post("/incidents/i-9/answer", answer_to(page, "i-9", "restrict")).status == 303
    command, feedback = page.service.said
    assert (command.command, command.target, feedback.answer) == ("restrict", NEWCOMER, "yes")
    assert page.post("/incidents/i-9/answer", answer_to(page, "i-9", "restrict")).status == 409
    assert "Restricted to what it was seen to need" in page.get("/").text
    assert page.post("/incidents/i-4/answer", answer_to(page, "i-4", "restrict")).status == 400
    assert len(page.service.said) == 2


def test_a_guard_that_cannot_write_says_so_and_changes_nothing(
    page: Running, caplog: pytest.LogCaptureFixture
) -> None:
    page.service.broken = True
    with caplog.at_level(logging.CRITICAL):
        reply = page.post("/incidents/i-4/answer", answer_to(page, "i-4"), accept="text/html")
    assert reply.status == 503
    assert "could not write this down" in reply.text
    assert "No space left" not in reply.text
    page.service.broken = False
    assert page.post("/incidents/i-4/answer", answer_to(page, "i-4")).status == 303


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"x" * 5000, "application/x-www-form-urlencoded", 413),
        (b"\xff\xfe", "application/x-www-form-urlencoded", 400),
        (b"answer=%ff", "application/x-www-form-urlencoded", 400),
        (b"&".join(b"a=1" for _ in range(100)), "application/x-www-form-urlencoded", 400),
        (b'{"answer": "yes"}', "application/json", 415),
        (b"answer=yes", "text/plain", 415),
        (b"", "application/x-www-form-urlencoded", 403),
    ],
)
def test_a_form_that_is_none_is_refused(page: Running, body: bytes, kind: str, status: int) -> None:
    assert page.post("/incidents/i-4/answer", body, content_type=kind).status == status
    assert page.service.said == []


def test_a_form_that_never_ends_is_given_up(page: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "BODY_SECONDS", 0.2)
    reply = page.post("/incidents/i-4/answer", b"answer=yes", content_length="100")
    assert reply.status == 408
    assert page.service.said == []


def test_every_answer_carries_the_strict_headers(page: Running) -> None:
    for path in (*READABLE[:3], "/static/page.js", "/nowhere", "/enter?key=x", "/stand-down"):
        check_headers(page.get(path).headers)
    check_headers(page.get("/", host="evil.example").headers)
    check_headers(page.post("/stand-down", {}, origin=None).headers)


def check_headers(headers: Mapping[str, str]) -> None:
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers


def test_the_state_for_scripts_carries_no_token_and_no_key(page: Running) -> None:
    text = page.get("/api/state").text
    state = json.loads(text)
    assert state["state"] == "watching"
    assert state["incidents"][0]["reason"].startswith("front door open at 01:05")
    assert state["leases"][0]["left"] == 543
    assert page.key not in text
    assert not re.search(r"[0-9a-f]{64}", text)


def test_the_page_is_whole_without_its_script_and_has_nothing_inline(page: Running) -> None:
    text = page.get("/").text
    assert page.key not in text
    assert text.count("<script") == 1
    assert not re.search(r"<style|style=|\son\w+=|javascript:", text)
    assert not re.search(r"(src|href|action)=\"(?!/|#)", text)
    forms = re.findall(r'<form method="post" action="([^"]+)"', text)
    assert list(dict.fromkeys(forms)) == [
        "/mode", "/stand-down", "/incidents/i-4/answer", "/rules", "/leases/l-2/undo", "/young/confirm",
    ]  # fmt: skip


def test_static_files_are_only_those_that_belong_to_the_page(page: Running) -> None:
    assert page.get("/static/page.css", cookie=None).headers["content-type"].startswith("text/css")
    for path in ("/static/../app.py", "/static/..%2fapp.py", "/static/app.py", "/static/"):
        assert page.get(path).status == 404


def test_hostile_names_are_escaped(serve: Callable[..., Running]) -> None:
    page = serve()
    name = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    incident = page.service.incident("i-1", f"{name} open", device=name, action=name, habit=name)
    incident.answered_by, incident.answer = name, "yes"
    page.service.lease("l-1", name, name, incident="i-1").error = name
    page.service.event(name, name, actor=f"person:{name}")
    page.service.counters[name] = 1
    page.service.incident("i-0", f"{name} open", rung="record")
    page.service.guard.engine.young[name] = 1
    text = page.get("/").text
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert text.count("&lt;script&gt;alert") > 5


def test_the_key_is_in_no_log(page: Running, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        page.get(security.enter_path(page.key), cookie=None)
        page.get("/nowhere")
    assert page.key not in caplog.text


def test_a_failure_inside_the_page_tells_nothing_and_keeps_the_headers(
    page: Running, caplog: pytest.LogCaptureFixture
) -> None:
    page.service.recent.append(None)  # what cannot be, to see what a bug would show
    with caplog.at_level(logging.CRITICAL):
        reply = page.get("/", accept="text/html")
    assert reply.status == 500
    assert "Traceback" not in reply.text
    check_headers(reply.headers)
