"""What Prometheus reads, with a token of its own that opens nothing else: over real HTTP."""

from __future__ import annotations

import socket
import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.dashboard.running import DEADLINE, Reply, Running
from tests.service_twins import SETTINGS, TwinSource, event, stranger

from homeward import __version__
from homeward.core.event import Event
from homeward.core.inputs import Health
from homeward.dashboard import security
from homeward.dashboard.security import KeyFileError, metrics_token, write_metrics_token
from homeward.guard import Guard
from homeward.journal import Journal
from homeward.service import Service

READABLE = ["/", "/fragment", "/api/state", "/events", "/metrics/", "/metrics/x", "/static/x", "//metrics"]
Series = tuple[str, tuple[tuple[str, str], ...]]


def scrape(page: Running, **headers: str | None) -> Reply:
    asked: dict[str, str | None] = {"cookie": None, "authorization": f"Bearer {metrics_token(page.key)}", **headers}
    return page.get("/metrics", **asked)


def parsed(reply: Reply) -> dict[Series, float]:
    """What Prometheus' own parser makes of it."""
    assert reply.status == 200
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(reply.text)
        for sample in family.samples
    }


def value(found: dict[Series, float], name: str, **labels: str) -> float:
    return found[f"homeward_{name}", tuple(sorted(labels.items()))]


def test_it_is_prometheus_text_and_counts_what_the_page_counts(page: Running) -> None:
    page.service.sources["zeek"] = False
    page.service.unwritten = 7
    reply = scrape(page)
    found = parsed(reply)
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert value(found, "info", version=__version__) == 1
    assert value(found, "unwritten_entries") == 7
    assert (value(found, "source_up", source="mqtt"), value(found, "source_up", source="zeek")) == (1, 0)
    assert value(found, "refused_total", source="mqtt", reason="malformed") == 3
    assert value(found, "late_total", kind="bad clock") == 2
    assert value(found, "incidents_unanswered") == 1


def test_no_name_of_the_home_is_told(page: Running) -> None:
    text = scrape(page).text
    for name in ("Linden", "front door", "hall", "Ada", "armed", page.key):
        assert name not in text


def test_it_carries_the_strict_headers_and_reads_only(page: Running) -> None:
    reply = scrape(page)
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["x-content-type-options"] == "nosniff"
    bearer = f"Bearer {metrics_token(page.key)}"
    assert page.post("/metrics", {}, authorization=bearer).status == 405
    assert page.post("/metrics", {}, authorization=bearer, origin=None).status == 403
    assert page.service.said == []


@pytest.mark.parametrize(
    "given",
    [None, "", "Bearer", "Bearer ", "Bearer x", "Bearer {key}", "Bearer {session}", "Basic {token}", "{token}",
     "Bearer {token}x", "Bearer {token} {token}", "Bearer {stand_down}", "Bearer \u00e9"],
)  # fmt: skip
def test_nothing_but_its_own_token_opens_it(page: Running, given: str | None) -> None:
    """Neither the key, nor the page's cookie, nor the token of an act."""
    _, session = security.session_cookie(page.key)
    words = {
        "key": page.key, "session": session, "token": metrics_token(page.key),
        "stand_down": security.stand_down_token(page.key, "household", "page"),
    }  # fmt: skip
    for cookie in (None, page.cookie):
        reply = scrape(page, cookie=cookie, authorization=given and given.format(**words))
        assert reply.status == 401
        assert reply.headers["www-authenticate"].startswith("Bearer")
        assert "homeward_" not in reply.text
        assert metrics_token(page.key) not in reply.text


def test_two_tokens_are_none(page: Running) -> None:
    given = f"Authorization: Bearer {metrics_token(page.key)}\r\n"
    with socket.create_connection(("127.0.0.1", page.port), timeout=DEADLINE) as asking:
        asking.sendall(f"GET /metrics HTTP/1.1\r\nHost: {page.host}\r\n{given}{given}\r\n".encode())
        assert asking.recv(4096).startswith(b"HTTP/1.1 401 ")


def test_the_token_opens_nothing_else(page: Running) -> None:
    token = metrics_token(page.key)
    name, _ = security.session_cookie(page.key)
    for path in READABLE:
        for cookie in (None, f"{name}={token}"):
            reply = page.get(path, cookie=cookie, authorization=f"Bearer {token}")
            assert reply.status in (401, 404)
            assert "front door" not in reply.text
            assert "homeward_" not in reply.text
    assert page.get(f"/enter?key={token}", cookie=None).status == 401
    form = {"token": token}
    for path in ("/stand-down", "/young/confirm", "/mode", "/admit", "/incidents/i-4/answer"):
        assert page.post(path, form, cookie=None, authorization=f"Bearer {token}").status == 401
        assert page.post(path, form).status == 403
    assert page.service.said == []


def test_a_foreign_host_or_site_reads_nothing(page: Running) -> None:
    assert scrape(page, host="evil.example").status == 421
    assert scrape(page, sec_fetch_site="cross-site", sec_fetch_mode="cors").status == 403


def test_the_scheme_may_be_written_in_any_case(page: Running) -> None:
    assert scrape(page, authorization=f"bearer {metrics_token(page.key)}").status == 200


def test_the_token_lies_in_a_file_for_its_owner_alone(tmp_path: Path) -> None:
    key = security.load_or_create_key(tmp_path)
    for _ in range(2):  # at each start
        path = write_metrics_token(tmp_path, key)
    assert path == tmp_path / "metrics.token"
    assert path.read_text() == metrics_token(key) + "\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(one.name for one in tmp_path.iterdir()) == ["metrics.token", "page.key"], "no half file stays"


def test_a_file_that_others_could_read_or_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("not ours")
    (tmp_path / "metrics.token").symlink_to(tmp_path / "elsewhere")
    path = write_metrics_token(tmp_path, "k" * 43)
    assert not path.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (tmp_path / "elsewhere").read_text() == "not ours"


def test_a_token_that_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="cannot be written") as caught:
        write_metrics_token(tmp_path / "missing", "k" * 43)
    assert "\n" not in str(caught.value)


def test_of_a_real_guard_it_tells_sources_events_alarms_and_refusals(
    tmp_path: Path, serve: Callable[..., Running]
) -> None:
    source = TwinSource("twin")
    source.refused = {"malformed": 3}  # type: ignore[attr-defined]
    with Journal(tmp_path) as journal:
        service = Service(Guard(journal), SETTINGS, sources=[source, TwinSource("zeek")])
        page = serve(service)
        now = service.clock.now()
        page.call(service.submit(event()))
        page.call(service.submit(stranger()))
        page.call(service.submit(Event(id="9", source="zeek", at=now, device="lamp", action="on")))
        page.call(
            service.submit(Health(at=now + timedelta(seconds=1), subject="source:zeek", up=False, detail="gone"))
        )
        found = parsed(scrape(page))
        assert value(found, "events_total", source="twin") == 2
        assert value(found, "events_total", source="zeek") == 1
        assert value(found, "alarms_total", kind="rule") == 1
        assert value(found, "alarms_total", kind="blind") == 1
        assert value(found, "refused_total", source="twin", reason="malformed") == 3
        assert (value(found, "source_up", source="twin"), value(found, "source_up", source="zeek")) == (1, 0)
        assert value(found, "incidents_open", kind="rule") == 1
        assert value(found, "unwritten_entries") == 0
        page.call(service.submit(Health(at=now, subject="source:zeek", up=True)))
        assert value(parsed(scrape(page)), "source_up", source="zeek") == 1
        page.server.should_exit = True
        page.thread.join(20)
