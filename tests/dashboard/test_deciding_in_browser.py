"""What the owner decides for good or for a while, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from tests.dashboard.browsing import Seen, opened, tell
from tests.dashboard.running import Running
from tests.dashboard.twin import START, an_evening

from homeward.core.effects import Action
from homeward.core.inputs import Feedback
from homeward.core.lease import Lease
from homeward.core.local_time import milliseconds
from homeward.core.settings import Device
from homeward.core.standing import StandingRule
from homeward.one_time import enrol_pin

PIN = "271828"


def test_that_was_me_but_too_much(page: Running, tab: Page, seen: Seen) -> None:
    expect(tab.locator("#incident-i-4 .answer button")).to_have_text(
        ["That was me", "Not me", "That was me, but too much"]
    )
    tab.get_by_role("button", name="That was me, but too much").click()
    expect(tab.locator("#incident-i-4 .answered")).to_contain_text("household said: That was me")
    (said,) = page.service.said
    assert isinstance(said, Feedback)
    assert said.too_much
    assert seen.console == []


def test_a_rule_is_made_at_an_incident_changed_and_deleted(page: Running, tab: Page, seen: Seen) -> None:
    expect(tab.locator("#no-rules")).to_be_visible()
    card = tab.locator("#incident-i-4")
    card.get_by_text("Always fine…").click()
    form = card.locator("#always_fine-i-4")
    expect(form.get_by_label("From")).to_have_value("00:00")
    expect(form.get_by_label("to", exact=True)).to_have_value("02:15")
    card.get_by_role("button", name="Always fine").click()
    rule = tab.locator("#rule-s1")
    expect(rule.locator("p").first).to_have_text(
        "“front door open” is always fine between 00:00 and 02:15, whoever it is. You said so on 4 March 2026."
    )
    expect(card.get_by_role("link", name="“front door open” is always fine")).to_have_attribute("href", "#rule-s1")
    expect(card.get_by_role("button", name="Always fine")).to_be_hidden()
    expect(card.locator("#always_fine-i-4 summary")).to_be_focused()

    rule.get_by_text("Change").click()
    rule.get_by_label("to", exact=True).fill("01:00")
    rule.get_by_label("Until").fill("2026-03-05T08:00")
    rule.get_by_role("button", name="Save").click()
    expect(rule.locator("p").first).to_contain_text(
        "between 00:00 and 01:00, whoever it is, until 5 March 2026, 08:00"
    )
    expect(rule.get_by_label("to", exact=True)).to_have_value("01:00")

    rule.get_by_role("button", name="Delete").click()
    expect(rule).to_have_count(0)
    expect(tab.locator("#no-rules")).to_be_visible()
    expect(tab.locator("#rules")).to_be_focused()
    assert [one.command for one in page.service.said] == ["rule_add", "rule_add", "rule_remove"]
    assert seen.console == []


def test_a_rule_that_may_not_be_is_refused_in_words_and_what_was_filled_in_stays(page: Running, tab: Page) -> None:
    card = tab.locator("#always_fine-i-4")
    card.get_by_text("Always fine…").click()
    card.get_by_label("to", exact=True).fill("09:00")
    card.get_by_role("button", name="Always fine").click()
    expect(tab.locator("#offline")).to_have_text(
        "Refused: it is guarded: say for whom, or name at most four hours of the day.\n"
    )
    expect(card.get_by_label("to", exact=True)).to_have_value("09:00")
    expect(tab.locator("#no-rules")).to_be_visible()


def test_a_snooze_of_a_guarded_device_is_short(page: Running, tab: Page) -> None:
    card = tab.locator("#incident-i-4")
    card.get_by_text("Snooze…").click()
    expect(card.get_by_label("How long").locator("option")).to_have_text(
        ["for an hour", "for 4 hours", "for 8 hours"]
    )
    card.get_by_label("How long").select_option("for 8 hours")
    card.get_by_role("button", name="Snooze").click()
    expect(tab.locator("#rule-s1")).to_contain_text("interrupts nobody, whoever it is, until 4 March 2026, 09:17")
    other = tab.locator("#incident-i-3")
    other.get_by_text("Snooze…").click()
    expect(other.get_by_label("How long").locator("option").first).to_have_text("until 08:00")


def test_maintenance_for_an_hour_is_entered_shown_and_left(page: Running, tab: Page, seen: Seen) -> None:
    modes = tab.locator("#modes")
    expect(modes.locator("summary")).to_have_text("Mode: home")
    modes.locator("summary").click()
    tab.get_by_label("How long maintenance lasts").select_option("for an hour")
    tab.get_by_role("button", name="Maintenance").click()
    expect(modes.locator("summary")).to_have_text("Mode: maintenance until 02:17")
    expect(tab.locator(".muted")).to_contain_text("nobody is told, unless it may save a life, until 02:17")
    expect(modes.locator("summary")).to_be_focused()
    expect(tab.get_by_role("button", name="Maintenance")).to_be_hidden()
    modes.locator("summary").click()
    tab.get_by_role("button", name="Home").click()
    expect(modes.locator("summary")).to_have_text("Mode: home")
    expect(tab.locator(".muted")).to_have_count(0)
    assert [(one.target, one.until) for one in page.service.said] == [
        ("maintenance", START + timedelta(hours=1)), ("home", None),
    ]  # fmt: skip
    assert seen.console == []


@pytest.fixture
def asked(page: Running, tmp_path: Path) -> Running:
    """The page of a guard that asks anna for her PIN."""
    enrol_pin(tmp_path, "person:anna", PIN)
    page.service.guard.engine.state.step_up.demand("person:anna", milliseconds(START), 60)
    return page


def test_a_code_is_given_by_keyboard_and_is_never_shown(asked: Running, context: BrowserContext, seen: Seen) -> None:
    tab = opened(asked, context, seen)
    field = tab.get_by_label("Code or PIN")
    expect(field).to_have_attribute("type", "password")
    field.fill("314159")
    field.press("Enter")
    expect(tab.locator("#offline")).to_have_text("That is not the code.\n")
    expect(field).to_have_value("")
    field.fill(PIN)
    field.press("Enter")
    expect(tab.locator("#asked")).to_have_count(0)
    assert [one.command for one in asked.service.said] == ["verified"]
    assert not any(PIN in url for url in seen.requests)
    assert PIN not in tab.content()
    assert [line for line in seen.console if "403" not in line] == []


def test_that_somebody_is_asked_for_a_code_is_said_aloud(page: Running, tab: Page) -> None:
    step_up = page.service.guard.engine.state.step_up

    def doubt() -> None:
        step_up.demand("person:anna", milliseconds(START), 60)

    page.call(tell(page, doubt))
    expect(tab.locator("#announce")).to_have_text("New: anna is asked for a code")


def test_who_was_told_and_whom_nothing_reached(page: Running, tab: Page) -> None:
    engine = page.service.guard.engine

    def send(number: int, channel: str, **about: str | int) -> None:
        action = Action(
            id=f"m-{number}", incident="i-4", responder=channel, device="person:anna", command="ask",
            restore=None, ends=None, text="Front door open",
        )  # fmt: skip
        engine.leases[action.id] = Lease(action=action, opened=START, **about)  # type: ignore[arg-type]
        engine.incidents["i-4"].leases.append(action.id)

    def sent() -> None:
        send(1, "mail", status="ended", outcome="done; ends by itself")
        send(2, "phone", attempts=3, error="the server refused")

    page.call(tell(page, sent))
    expect(tab.locator("#told-i-4 li")).to_have_text(
        [
            "anna not reached. phone: not delivered, tried 3 times: the server refused",
            "anna asked through mail, 01:17",
        ]
    )
    expect(tab.locator("#lease-m-2")).to_contain_text("phone: not delivered, tried 3 times: the server refused")
    expect(tab.locator("#lease-m-1, #lease-m-2 button")).to_have_count(0)


def test_all_of_it_works_without_javascript(asked: Running, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(asked.link)
    tab.get_by_label("Code or PIN").fill(PIN)
    tab.get_by_role("button", name="Give the code").click()
    expect(tab.locator("#asked")).to_have_count(0)
    tab.locator("#incident-i-4").get_by_text("Never fine…").click()
    tab.locator("#incident-i-4").get_by_role("button", name="Never fine").click()
    expect(tab.locator("#rule-s1")).to_contain_text("is never fine, whoever it is")
    assert tab.url == asked.url + "/#rule-s1"
    tab.locator("#rule-s1").get_by_role("button", name="Delete").click()
    expect(tab.locator("#no-rules")).to_be_visible()
    tab.locator("#modes summary").click()
    tab.get_by_role("button", name="Night").click()
    expect(tab.locator("#modes summary")).to_have_text("Mode: night until 07:00")
    expect(tab.locator("#mode")).to_contain_text("Armed")
    context.close()


def test_hostile_and_many_rules_break_nothing_at_any_width(
    serve: Callable[..., Running], context: BrowserContext, seen: Seen
) -> None:
    page = serve()
    an_evening(page.service)
    state = page.service.guard.engine.state
    names = ["<script>document.title='owned'</script>", "x" * 128, "門" * 128, "</bdi><h1>all is well"]
    for number, name in enumerate(names, start=1):
        rule = StandingRule(
            id=f"s{number}", verdict="always_fine", device=name, action=name, person=f"person:{name}"[:128],
            by=name, made_at=milliseconds(START),
        )  # fmt: skip
        assert not state.standing.add(rule, Device(name=name))
        page.service.incident(f"i{number}", f"{name} {name}", device=name, action=name)
        state.step_up.demand(f"person:{name}"[:128], milliseconds(START), 60)
    tab = opened(page, context, seen)
    for summary in tab.locator("#modes summary, #change-s2 summary, #always_fine-i2 summary").all():
        summary.click()
    for width in (1200, 390):
        tab.set_viewport_size({"width": width, "height": 800})
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert re.fullmatch(r"\(\d\) 14 Linden Road · Homeward", tab.title())
    assert tab.locator("h1").count() == 1
    assert tab.locator("#live script").count() == 0
    assert (
        tab.locator("input:not([type=hidden]), select").count()
        == tab.locator("label input, label select, [aria-label]:is(input, select)").count()
    ), "every field has a label"
    assert seen.console == []
