"""The page in a real browser: what a person sees and clicks, and what another site's page cannot do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from tests.dashboard.browsing import Seen, opened, tell
from tests.dashboard.running import Running
from tests.dashboard.twin import a_newcomer

from homeward.core.inputs import Change, Feedback
from homeward.dashboard import security


def test_it_loads_quietly_and_from_nowhere_else(page: Running, tab: Page, seen: Seen) -> None:
    expect(tab.locator("h1")).to_have_text("14 Linden Road")
    expect(tab.locator(".state")).to_have_text("watching, at most 1 alarm a week")
    expect(tab.locator("#incident-i-4 h3")).to_contain_text("never between 00:30 and 05:30")
    expect(tab).to_have_title("(1) 14 Linden Road · Homeward")
    assert tab.url == page.url + "/"
    assert seen.console == []
    assert {url.partition(page.url)[0] for url in seen.requests} == {""}
    assert page.key not in tab.content()
    assert tab.evaluate("document.cookie") == ""


def test_that_was_me_is_submitted_and_shown(page: Running, tab: Page, seen: Seen) -> None:
    tab.locator("#incident-i-4").get_by_role("button", name="That was me", exact=True).click()
    expect(tab.locator("#incident-i-4 .answered")).to_contain_text("household said: That was me")
    (said,) = page.service.said
    assert isinstance(said, Feedback)
    assert (said.incident, said.answer) == ("i-4", "yes")
    expect(tab.locator("#lease-l-2")).to_have_count(0)
    assert tab.locator("#incident-i-4 .answer button").count() == 0
    expect(tab.locator("#incident-i-4")).to_be_focused()
    assert seen.console == []


def test_not_me_by_keyboard_alone(page: Running, tab: Page) -> None:
    tab.locator("#incident-i-4").get_by_role("button", name="Not me").focus()
    tab.keyboard.press("Enter")
    expect(tab.locator("#incident-i-4 .answered")).to_contain_text("Not me")
    (said,) = page.service.said
    assert isinstance(said, Feedback)
    assert said.answer == "no"


@pytest.mark.parametrize(
    ("button", "shown"),
    [("Approve", "Approved"), ("Only what it needs now", "Restricted to what it was seen to need"),
     ("Refuse", "Refused")],
)  # fmt: skip
def test_a_newcomer_is_let_in_restricted_or_refused(
    page: Running, tab: Page, seen: Seen, button: str, shown: str
) -> None:
    page.call(tell(page, lambda: a_newcomer(page.service)))
    card = tab.locator("#incident-i-9")
    expect(card.locator(".tag")).to_have_text(["alarm", "new here", "going on"])
    expect(card.locator(".wants li")).to_have_text(["to cloud.example (tcp/443)", "asked by 192.168.1.5 (tcp/554)"])
    card.get_by_role("button", name=button).click()
    expect(card.locator(".answered")).to_have_text(f"{'!' if button == 'Refuse' else '✓'} household said: {shown}")
    assert card.locator("button").count() == 0
    assert seen.console == []


def test_undo_takes_one_lease_back(page: Running, tab: Page) -> None:
    tab.get_by_role("button", name="Undo now hall light").click()
    expect(tab.locator("#lease-l-2")).to_have_count(0)
    (said,) = page.service.said
    assert isinstance(said, Change)
    assert (said.command, said.target) == ("undo", "l-2")
    tab.get_by_text("Ended lately").click()
    expect(tab.locator("#ended-l-2")).to_contain_text("taken back by the household")


def test_stand_down_takes_everything_back(page: Running, tab: Page) -> None:
    tab.get_by_role("button", name="Stand down").click()
    expect(tab.locator("#no-leases")).to_be_visible()
    (said,) = page.service.said
    assert isinstance(said, Change)
    assert said.command == "stand_down"


def test_what_was_only_noted_is_folded_and_asks_nothing_until_it_is_an_alarm(
    page: Running, tab: Page, seen: Seen
) -> None:
    expect(tab.locator("#incidents .count")).to_have_text("1 waits for your word")
    expect(tab.locator("#noted-i-1")).to_be_hidden()
    tab.get_by_text("Noted, without an alarm").click()
    expect(tab.locator("#noted-i-1")).to_contain_text("fridge open after this device was quiet for 29 hours")
    assert tab.locator("#noted button").count() == 0

    def worse() -> None:
        page.service.guard.engine.incidents["i-1"].rung = "notify"

    page.call(tell(page, worse))
    expect(tab.locator("#incident-i-1").get_by_role("button", name="Not me")).to_be_visible()
    expect(tab.locator("#announce")).to_contain_text("New: fridge open after")
    expect(tab.locator("#noted")).to_have_count(0)
    assert seen.console == []


def test_what_was_learned_while_young_is_looked_over_and_confirmed(page: Running, tab: Page, seen: Seen) -> None:
    confirm = tab.get_by_role("button", name="This is how we live")
    expect(confirm).to_be_hidden()
    tab.get_by_text("Learned while young").click()
    expect(tab.locator("#young li")).to_have_text(
        ["hall motion on 1,204 times", "kettle on 31 times", "garden gate open 1 time"]
    )
    confirm.click()
    expect(tab.locator("#young")).to_have_count(0)
    (said,) = page.service.said
    assert isinstance(said, Change)
    assert said.command == "confirm_young"
    assert seen.console == []


def test_the_entrances_are_armed_and_disarmed(page: Running, tab: Page, seen: Seen) -> None:
    expect(tab.locator("#mode span")).to_have_text("Entrances not armed")
    tab.get_by_role("button", name="Arm", exact=True).click()
    expect(tab.locator("#mode span")).to_have_text("Armed: an entrance that opens is an alarm")
    tab.get_by_role("button", name="Disarm").click()
    expect(tab.locator("#mode span")).to_have_text("Entrances not armed")
    assert [one.command for one in page.service.said] == ["arm", "disarm"]
    assert seen.console == []


def test_it_works_without_javascript(page: Running, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(page.link)
    tab.locator("#incident-i-4").get_by_role("button", name="That was me", exact=True).click()
    expect(tab.locator("#incident-i-4 .answered")).to_contain_text("That was me")
    assert tab.url == page.url + "/#incident-i-4"
    assert len(page.service.said) == 1
    tab.get_by_role("button", name="Arm", exact=True).click()
    expect(tab.get_by_role("button", name="Disarm")).to_be_visible()
    context.close()


def test_it_follows_the_guard_by_itself_and_disturbs_nothing(page: Running, tab: Page, seen: Seen) -> None:
    tab.set_viewport_size({"width": 400, "height": 600})
    tab.locator("#why-i-4 summary").click()
    button = tab.locator("#incident-i-4").get_by_role("button", name="Not me")
    button.focus()
    tab.evaluate("scrollTo(0, 320)")
    before = button.bounding_box()

    def intruder() -> None:
        page.service.incident("i-5", "back door open: never seen here before", device="back door")
        page.service.event("back door", "open")

    page.call(tell(page, intruder))
    expect(tab.locator("#incident-i-5")).to_have_count(1)
    expect(tab.locator("#announce")).to_have_text("New: back door open: never seen here before")
    expect(tab.locator("#event-rows tr").first).to_contain_text("back door")
    expect(tab).to_have_title("(2) 14 Linden Road · Homeward")
    first = tab.locator("#incident-list > li").first
    assert first.get_attribute("id") == "incident-i-5"
    expect(button).to_be_focused()
    assert tab.locator("#why-i-4").get_attribute("open") is not None
    after = button.bounding_box()
    assert before is not None
    assert after is not None
    assert abs(before["y"] - after["y"]) < 2
    assert seen.console == []


def test_the_time_left_counts_down(tab: Page) -> None:
    left = tab.locator("#lease-l-2 .count-down")
    shown = {left.inner_text()}
    while len(shown) < 3:
        tab.wait_for_function("(was) => document.querySelector('#lease-l-2 .count-down').textContent !== was",
                              arg=left.inner_text())  # fmt: skip
        shown.add(left.inner_text())
    assert shown <= {f"{8 + (s >= 0)} min {s % 60:02d} s" for s in range(-57, 4)}
    assert len(shown) == 3


def test_an_answer_that_came_too_late_is_told(page: Running, tab: Page) -> None:
    # On another channel, and this page has not heard of it yet.
    incident = page.service.guard.engine.incidents["i-4"]
    incident.answer, incident.answered_by = "no", "ada"
    tab.locator("#incident-i-4").get_by_role("button", name="That was me", exact=True).click()
    expect(tab.locator("#offline")).to_have_text("This was answered already: “Not me”.\n")
    expect(tab.locator("#incident-i-4 .answered")).to_contain_text("ada said: Not me")
    assert page.service.said == []


def test_it_says_when_the_guard_is_gone(page: Running, tab: Page) -> None:
    page.server.should_exit = True
    page.thread.join(20)
    tab.get_by_role("button", name="Stand down").click()
    expect(tab.locator("#offline")).to_contain_text("No contact with the guard. What you see is from 01:17:09.")


HOSTILE = [
    "<script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "\"><svg onload=document.title='owned'>",
    "door\u202egpj.exe",
    "</bdi></h3></li><h1>Homeward says: all is well",
    "x" * 128,
    "ж" * 64 + "門" * 64,
    "{{ 7 * 7 }}",
]


def test_hostile_names_are_inert_and_break_nothing(
    serve: Callable[..., Running], context: BrowserContext, seen: Seen
) -> None:
    page = serve()
    for number, name in enumerate(HOSTILE):
        page.service.incident(f"i-{number}", f"{name} open: never seen here before", device=name, action=name)
        page.service.lease(f"l-{number}", name, name, incident=f"i-{number}")
        page.service.event(name, name, actor=f"person:{name}", value=1.0)
        page.service.incident(f"n-{number}", f"{name} on", rung="record")
        page.service.guard.engine.young[f"{name} open"] = 7
    tab = opened(page, context, seen)
    page.call(tell(page, lambda: page.service.event(HOSTILE[0], "on")))
    for summary in ("#noted", "#young"):
        tab.locator(f"{summary} summary").click()
    for width in (1200, 400):
        tab.set_viewport_size({"width": width, "height": 800})
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.title() == "(8) 14 Linden Road · Homeward"
    assert tab.locator("h1").count() == 1
    assert tab.locator("#live script, #live svg, #live [onerror]").count() == 0
    expect(tab.locator("#incident-i-3 .device")).to_have_text("door\ufffdgpj.exe · door\ufffdgpj.exe")
    assert "\u202e" not in tab.content()
    assert seen.console == []


# What another site's page can do. The browser holds the session in all of these.

ATTACK = """<!doctype html><title>attack</title><body><script type="module">
const results = {{}};
const attempt = async (name, what) => {{
  try {{ results[name] = String(await what()); }} catch (error) {{ results[name] = "failed"; }}
}};
const url = "{url}";
const form = new URLSearchParams({form});
await attempt("read", async () => (await fetch(url + "/", {{credentials: "include"}})).text());
await attempt("read state", async () => (await fetch(url + "/api/state", {{credentials: "include"}})).text());
await attempt("read opaquely", async () =>
  (await (await fetch(url + "/", {{credentials: "include", mode: "no-cors"}})).text()) || "nothing");
await attempt("answer", async () =>
  (await fetch(url + "/incidents/i-4/answer", {{method: "POST", body: form, credentials: "include"}})).text());
await attempt("answer opaquely", async () =>
  (await fetch(url + "/incidents/i-4/answer",
    {{method: "POST", body: form, credentials: "include", mode: "no-cors"}})).type);
await attempt("listen", () => new Promise((resolve, reject) => {{
  const stream = new EventSource(url + "/events", {{withCredentials: true}});
  stream.onopen = () => resolve("opened");
  stream.onerror = () => {{ stream.close(); reject(); }};
}}));
window.results = results;
</script>
<iframe name="frame" src="{url}/"></iframe>
<form id="form" method="post" action="{url}/incidents/i-4/answer">{inputs}<button>win a prize</button></form>
"""


@contextmanager
def another_site(page: Running) -> Iterator[int]:
    """A page on another port that knows everything but the key: even the token of the answer."""
    token = security.answer_token(page.key, "i-4", "household", "page")
    fields = {"answer": "yes", "person": "household", "channel": "page", "token": token}
    inputs = "".join(f'<input type="hidden" name="{name}" value="{value}">' for name, value in fields.items())

    class Attack(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.strip("/")
            url = f"http://{name}:{page.port}"
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(ATTACK.format(url=url, form=fields, inputs=inputs).encode())

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Attack)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("site", ["127.0.0.1", "localhost"])
def test_another_origin_can_neither_read_nor_answer(page: Running, tab: Page, site: str) -> None:
    """From another port of the same host (to which browsers do send our cookie), and from another site."""
    with another_site(page) as port:
        foreign = tab.context.new_page()
        foreign.goto(f"http://{site}:{port}/127.0.0.1")
        foreign.wait_for_function("window.results")
        results = foreign.evaluate("window.results")
        assert set(results) == {"read", "read state", "read opaquely", "answer", "answer opaquely", "listen"}
        assert {name for name, result in results.items() if result not in ("failed", "nothing", "opaque")} == set()
        frame = foreign.frame("frame")
        assert frame is not None
        assert "14 Linden Road" not in frame.content()
        with foreign.expect_response("**/answer") as caught:
            foreign.get_by_role("button", name="win a prize").click()
        assert caught.value.status in (401, 403)
        foreign.close()
    assert page.service.said == []
    # And after all that, the person can.
    tab.locator("#incident-i-4").get_by_role("button", name="That was me", exact=True).click()
    expect(tab.locator("#incident-i-4 .answered")).to_be_visible()
    assert len(page.service.said) == 1


def test_a_link_from_elsewhere_asks_for_one_more_click(page: Running, tab: Page) -> None:
    """A strict cookie is not sent with a link from another site: the page that says so has the link that works."""
    with another_site(page) as port:
        foreign = tab.context.new_page()
        foreign.goto(f"http://localhost:{port}/127.0.0.1")
        foreign.evaluate("(url) => { location.href = url }", page.url + "/")
        foreign.get_by_role("link", name="Go to the page").click()
        expect(foreign.locator("h1")).to_have_text("14 Linden Road")


def test_a_foreign_name_for_this_machine_reads_nothing(page: Running, browser: Browser) -> None:
    """DNS rebinding: the browser believes that a name of the attacker's is this machine."""
    context = browser.new_context()
    tab = context.new_page()
    reply = tab.goto(f"http://rebound.localhost:{page.port}{security.enter_path(page.key)}")
    assert reply is not None
    assert reply.status == 421
    assert "14 Linden Road" not in tab.content()
    context.close()
