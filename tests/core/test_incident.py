"""Incidents: what belongs together is told once."""

from __future__ import annotations

from datetime import timedelta

from tests.strategies import START

from homeward.core.incident import GUARDED_LIMIT, INCIDENT_LIMIT, LONGEST, QUIET, IncidentBook, IncidentState

MINUTE = timedelta(minutes=1)


def book() -> IncidentBook:
    return IncidentBook(IncidentState())


def test_the_first_event_is_news_and_more_of_the_same_is_not() -> None:
    incidents = book()
    incident = incidents.open("unusual", START, "motion", ())
    assert incidents.join(incident, START)
    assert incidents.alarm(incident, "motion", START).interrupts
    assert not incidents.join(incident, START + MINUTE)
    assert (incident.events, incident.alarms, incident.updated) == (2, 1, START + MINUTE)


def test_the_first_guarded_device_is_news_also_after_something_else_was_and_no_other_is() -> None:
    incidents = book()
    incident = incidents.open("unusual", START, "motion", ())
    news = []
    for guarded in ("", "door", "door", "window", "", "door"):
        news.append(incidents.join(incident, START, guarded))
        if news[-1]:
            incidents.alarm(incident, guarded, START)
    assert news == [True, True, False, False, False, False]
    assert incident.guarded == ["door", "window"], "all are named"
    for number in range(2 * GUARDED_LIMIT):
        incidents.join(incident, START, f"door {number}")
    assert len(incident.guarded) == GUARDED_LIMIT


def test_an_incident_closes_half_an_hour_after_its_last_event_and_at_the_latest_after_six_hours() -> None:
    incidents = book()
    incident = incidents.open("unusual", START, "motion", ())
    assert incidents.next_deadline() == START + QUIET
    incidents.join(incident, START + 20 * MINUTE)
    incidents.close_due(START + QUIET)
    assert incident.closed is None
    assert incidents.next_deadline() == START + 50 * MINUTE
    incident.updated = START + LONGEST
    incidents.close_due(START + timedelta(days=1))
    assert incident.closed == START + LONGEST
    assert incidents.next_deadline() is None


def test_blindness_does_not_close_by_itself() -> None:
    incidents = book()
    incident = incidents.open("blind", START, "disk", ())
    assert incidents.next_deadline() is None
    incidents.close_due(START + timedelta(days=400))
    assert incident.closed is None


def test_an_open_incident_is_found_by_kind_rule_and_device_the_newest_first() -> None:
    incidents = book()
    older = incidents.open("rule", START, "door", ())
    older.habit = "flood"
    newer = incidents.open("rule", START, "lamp", ())
    newer.habit = "flood"
    assert incidents.find_open("rule") is newer
    assert incidents.find_open("rule", "flood", "door") is older
    assert incidents.find_open("rule", "other", "door") is None
    assert incidents.find_open("unusual") is None
    older.closed = START
    assert incidents.find_open("rule", "flood", "door") is None


def test_the_oldest_closed_incidents_go_and_none_that_is_open_or_still_holds_a_lease() -> None:
    incidents = book()
    incidents.open("blind", START, "disk", ())
    for _ in range(INCIDENT_LIMIT + 50):
        incidents.open("unusual", START, "motion", {"i2"}).closed = START
        assert len(incidents.state.incidents) <= INCIDENT_LIMIT
    kept = list(incidents.state.incidents)
    assert kept[:2] == ["i1", "i2"]
    assert kept[-1] == f"i{INCIDENT_LIMIT + 51}"


def test_an_alarm_tells_what_the_incident_is_about_and_climbs_one_rung() -> None:
    incidents = book()
    incident = incidents.open("unusual", START, "motion", ())
    incident.habit, incident.reason, incident.bits, incident.p_value = "when", "because", 12.3456, 0.01
    assert incident.rung == "record"
    alarm = incidents.alarm(incident, "motion", START)
    assert (alarm.habit, alarm.reason, alarm.bits, alarm.p_value) == ("when", "because", 12.35, 0.01)
    assert (incident.rung, incident.alarms) == ("notify", 1)
