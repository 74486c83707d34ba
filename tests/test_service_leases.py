"""What was begun ends: by itself, by its time, by an undo or a stand-down, whatever fails meanwhile."""

from __future__ import annotations

import shutil
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from tests.service_twins import BRIEFLY, SETTINGS, START, Clock, TwinSource, running, stranger, until
from tests.test_service_disk import fill, quick_retries, small_disk  # noqa: F401 - fixtures
from tests.test_service_responders import (
    PROMPTLY,
    Light,
    failing,
    gate_fixture,  # noqa: F401 - a fixture
    hanging,
    home,
    journal_fixture,  # noqa: F401 - a fixture
    lease_of,
    shown,
    stand_down,
    undo,
    written,
)

from homeward import responding
from homeward.clock import GuardClock
from homeward.core.effects import Apply, Record
from homeward.core.lease import ONE_SHOT_ATTEMPTS
from homeward.core.settings import Device, Listener, Response, Settings
from homeward.guard import Guard
from homeward.journal import Journal
from homeward.service import Service

LOCK = Settings(
    place="home",
    devices=(Device(name="broker", type="broker"), Device(name="front_door", type="lock")),
    responses=(
        Response(
            name="lock up", device="front_door", command="lock", when=("rule:new client",), minutes=None,
            responder="locks",
        ),
    ),
)  # fmt: skip


async def test_a_one_shot_act_that_fails_is_given_up_after_some_attempts_ever_more_slowly_and_says_so(
    journal: Journal,
) -> None:
    locks = Light("locks", before=failing(1_000))
    async with running(Service(Guard(journal), LOCK, responders=[locks], clock=Clock(rate=60))) as up:
        await up.submit(stranger())
        await until(lambda: lease_of(up, "locks").status == "ended", 20)
        assert locks.asked == ["apply"] * ONE_SHOT_ATTEMPTS
        view = shown(up)["front_door"]
        assert (view.outcome, view.error) == ("failed: the light does not answer", "the light does not answer")
        times = [one.at for one in written(journal) if isinstance(one, Apply)]
    pauses = [(later - earlier).total_seconds() for earlier, later in pairwise(times)]
    assert all(pause >= 2.0 ** (number + 1) for number, pause in enumerate(pauses)), pauses


async def test_an_act_that_fails_is_not_begun_anew_on_a_full_disk_and_is_taken_back_on_time_all_the_same(
    small_disk: Path,  # noqa: F811 - the fixture
) -> None:
    with Journal(small_disk / "state") as journal:
        half = Light("lamps", after=failing(1))
        clock = Clock(rate=4)
        settings = replace(SETTINGS, responses=(replace(SETTINGS.responses[0], minutes=0.2),))
        async with running(Service(Guard(journal), settings, responders=[half], clock=clock)) as up:
            await up.submit(stranger())
            await until(lambda: bool(lease_of(up, "lamps").error))
            ballast = fill(small_disk)
            await until(lambda: "cannot be written down" in lease_of(up, "lamps").error)
            assert half.asked == ["apply"]
            await until(lambda: half.states == ["on", "off"])
            late = clock.now() - (lease_of(up, "lamps").action.ends or START)
            assert late < timedelta(seconds=4 * PROMPTLY)
            ballast.unlink()
            await until(lambda: not up.guard.unwritten)
        assert half.asked == ["apply", "revert"]
        assert journal.verify().ok


@pytest.mark.parametrize("days", [365, -365])
async def test_a_jump_of_the_wall_clock_does_not_move_the_end_of_a_lease(journal: Journal, days: int) -> None:
    ahead = timedelta(0)

    def wall() -> datetime:
        return datetime.now(UTC) + ahead

    lamps = Light("lamps")
    async with running(Service(Guard(journal), BRIEFLY, responders=[lamps], clock=GuardClock(wall=wall))) as up:
        await up.submit(stranger())
        began = time.monotonic()
        await until(lambda: lease_of(up, "lamps").status == "active")
        ends = lease_of(up, "lamps").action.ends
        ahead = timedelta(days=days)
        await until(lambda: lease_of(up, "lamps").status == "ended")
        assert 1.0 < time.monotonic() - began < 1.8 + PROMPTLY
        assert lease_of(up, "lamps").action.ends == ends
    assert lamps.states == ["on", "off"]


async def test_an_undo_while_the_act_is_being_done_takes_it_back_after_it(
    journal: Journal, gate: threading.Event
) -> None:
    lamps = Light("lamps", before=hanging(gate, "apply"))
    async with running(Service(Guard(journal), SETTINGS, responders=[lamps], clock=Clock())) as up:
        await up.submit(stranger())
        await until(lambda: lamps.asked == ["apply"])
        await up.submit(undo(lease_of(up, "lamps").action.id))
        assert shown(up)["lamp"].status == "reverting"
        gate.set()
        await until(lambda: lease_of(up, "lamps").status == "ended")
    assert lamps.states == ["on", "off"]


async def test_standing_down_takes_everything_back_whatever_each_act_has_come_to(
    journal: Journal, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One hangs while it is done, one failed, one holds; all end, and the late one does not outlive its end."""
    monkeypatch.setattr(responding, "ANSWER_SECONDS", 0.05)
    late, failed, holds = (
        Light("late", before=hanging(gate, "apply")),
        Light("failed", after=failing(99)),
        Light("holds"),
    )
    settings = home("late", "failed", "holds")
    responders = [late, failed, holds]
    async with running(Service(Guard(journal), settings, responders=responders, clock=Clock(rate=20))) as up:
        await up.submit(stranger())
        await until(lambda: lease_of(up, "holds").status == "active")
        await until(lambda: bool(lease_of(up, "late").error and lease_of(up, "failed").error))
        await up.submit(stand_down())
        await until(lambda: [one.states[-1:] for one in responders] == [["off"]] * 3)
        await until(lambda: "may yet succeed" in lease_of(up, "late").error)
        gate.set()  # the act is done now, long after it was taken back
        await until(lambda: not any(one.status != "ended" for one in up.guard.engine.leases.values()))
        assert late.states[0] == late.states[-1] == "off"
        assert "on" in late.states
        await up.submit(stand_down())
    assert [one.states[-1] for one in responders] == ["off", "off", "off"]


async def test_two_leases_on_one_device_end_each_alone(journal: Journal) -> None:
    """A camera's light is on, and its network is restricted; the one is undone, the other goes on to its own end."""
    lights, net = Light("camera"), Light("net")
    settings = home("camera")
    narrow = Response(
        name="narrow", device="camera", command="restrict", when=("rule:new client",), minutes=0.1, restore="release",
        responder="net",
    )  # fmt: skip
    settings = replace(settings, responses=(*settings.responses, narrow))
    async with running(Service(Guard(journal), settings, responders=[lights, net], clock=Clock())) as up:
        await up.submit(stranger())
        await until(lambda: lease_of(up, "camera").status == lease_of(up, "net").status == "active")
        await up.submit(undo(lease_of(up, "camera").action.id))
        await until(lambda: lease_of(up, "camera").status == "ended")
        assert lease_of(up, "net").status == "active"
        assert net.states == ["restrict"]
        await until(lambda: lease_of(up, "net").status == "ended", 20)
    assert lights.states == ["on", "off"]
    assert net.states == ["restrict", "release"]
    ended = [one.subject for one in written(journal) if isinstance(one, Record) and one.kind == "lease_ended"]
    assert len(ended) == len(set(ended)) == 2


async def test_a_claim_that_held_at_a_restart_is_made_again_at_once(journal: Journal, tmp_path: Path) -> None:
    """The machine may have come up anew, and its firewall with nothing in it."""
    narrow = Response(
        name="narrow", device="camera", command="restrict", when=("rule:new client",), minutes=10.0,
        restore="release", responder="net",
    )  # fmt: skip
    settings = replace(home("camera"), responses=(narrow,))
    async with running(Service(Guard(journal), settings, responders=[Light("net")], clock=Clock())) as up:
        await up.submit(stranger())
        await until(lambda: lease_of(up, "net").status == "active")
        await until(lambda: not up.guard.unwritten)
        shutil.copytree(journal.path.parent, tmp_path / "crash")
    with Journal(tmp_path / "crash") as left:
        after = Light("net")
        clock = Clock(START + timedelta(seconds=30))
        async with running(Service(Guard.resume(left), settings, responders=[after], clock=clock)) as up:
            await until(lambda: after.states == ["restrict"])
            assert lease_of(up, "net").status == "active"


async def test_a_message_that_waits_for_the_end_of_quiet_hours_outlives_a_restart_and_waits_on(
    journal: Journal, tmp_path: Path
) -> None:
    night = datetime(2025, 3, 3, 2, 0, tzinfo=UTC)
    settings = Settings(
        place="home",
        devices=(Device(name="hall", type="light"),),
        listeners=(Listener(name="household", channel="phone", quiet=(22 * 60, 7 * 60)),),
    )
    phone, stuck = Light("phone"), Light("phone")
    source = TwinSource()
    async with running(
        Service(Guard(journal), settings, sources=[source], responders=[stuck], clock=Clock(night))
    ) as up:
        source.queue.put_nowait(ConnectionError("the broker is gone"))
        await until(lambda: any(one.action.responder == "phone" for one in up.guard.engine.leases.values()))
        await until(lambda: not up.guard.unwritten)
        shutil.copytree(journal.path.parent, tmp_path / "crash")
    assert stuck.asked == []
    with Journal(tmp_path / "crash") as left:
        clock = Clock(night.replace(hour=6, minute=59, second=58))
        async with running(Service(Guard.resume(left), settings, responders=[phone], clock=clock)) as up:
            await until(lambda: lease_of(up, "phone").status == "ended", 20)
        times = [one.at for one in written(left) if isinstance(one, Apply)]
    assert phone.asked == ["apply"]
    assert times == [night.replace(hour=7)]
