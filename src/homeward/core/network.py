"""The watch over the network: flows are judged, what an intrusion detection system saw is told, newcomers are met."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from homeward.core import explanation
from homeward.core.arrival import Arrivals
from homeward.core.behaviour.conversation import NAMES
from homeward.core.behaviour.network_reason import explain_flow, flow_reason
from homeward.core.behaviour.profile import HALF_LIFE
from homeward.core.behaviour.traffic import Reading, Traffic
from homeward.core.circumstances import Circumstances
from homeward.core.decision.policy import Evidence
from homeward.core.decision.proportion import Deed
from homeward.core.effects import Effect, Record
from homeward.core.event import Event
from homeward.core.flow import FLOW, Flow, read_flow
from homeward.core.incident import Incident
from homeward.core.local_time import moment
from homeward.core.settings import Device
from homeward.core.telling import Telling, guards, words_of

NETWORK_SHARE: Final = 0.15
"""The budget's share for devices that do on the network what they never did."""

NEEDED_DAYS: Final = 2
"""What a device did on so many days it needs: one day may be an accident or a break-in. So it is in MUD files."""

ALERT: Final = "alert"
"""The action of an event by which an intrusion detection system says what it saw (attributes ``signature``,
``category``, ``severity`` from 1, the worst)."""


class NetworkWatch:
    """Judges flows over a `Traffic` and an `Arrivals`; opens incidents of the kinds ``network`` and ``new``."""

    def __init__(
        self, traffic: Traffic, arrivals: Arrivals, telling: Telling, budget: float, circumstances: Circumstances
    ) -> None:
        self._traffic = traffic
        self._arrivals = arrivals
        self._telling = telling
        self._share = budget * NETWORK_SHARE
        self._circumstances = circumstances

    def flow(self, event: Event, device: Device, at: int, *, backfill: bool, effects: list[Effect]) -> str:
        """Take a flow in; returns what became of it: ``learned``, ``held``, ``unusual``, ``snoozed``, ``malformed``.

        The owner's rules decide, but about what they refused or restricted only the one that it is never fine.
        """
        flow = read_flow(event)
        if flow is None:
            return "malformed"
        traffic, name = self._traffic, event.device
        traffic.pass_time(at, self._share, HALF_LIFE)
        reading = traffic.assess(name, flow, at)
        traffic.note(name, flow, reading)
        if backfill:
            traffic.learn(name, flow, reading.seen)
            return "learned"
        refused = name in self._arrivals.refused
        beyond = name in self._arrivals.restricted and not traffic.needs_it(name, flow)
        rule = self._circumstances.owners_rule(device, FLOW, "", at)
        verdict = "" if rule is None else rule.verdict
        if verdict == "never_fine" and not refused:
            self._never_fine(device, flow, reading, at, effects)
            return "unusual"
        if verdict == "always_fine" and not refused and not beyond:
            traffic.learn(name, flow, reading.seen)
            return "learned"
        if verdict == "snooze" and reading.unusual and not refused and not beyond:
            effects.append(Record(at=moment(at), kind="snoozed", subject=name, detail=flow.peer))
            return "snoozed"
        if refused or beyond or reading.unusual:
            self._unusual(device, flow, reading, at, effects)
            return "unusual"
        if reading.held:
            traffic.hold(name, flow, reading.seen)
            return "held"
        traffic.learn(name, flow, reading.seen)
        return "learned"

    def _never_fine(self, device: Device, flow: Flow, reading: Reading, at: int, effects: list[Effect]) -> None:
        """The owner said that this is never fine: it is told as a rule, and held back."""
        way = "was asked by" if flow.inbound else "talked to"
        why = f"{device.name} {way} {flow.peer} on {flow.protocol}/{flow.port}: you said that this is never fine"
        incident = self._telling.rule(("never fine", why), device, FLOW, moment(at), effects)
        self._traffic.hold(device.name, flow, reading.seen, incident.id)

    def _unusual(self, device: Device, flow: Flow, reading: Reading, at: int, effects: list[Effect]) -> None:
        """A device does too much of what it never did: told once, and all of it held back until the owner answers."""
        now, traffic = moment(at), self._traffic
        told = traffic.is_told(device.name, flow)
        incident = self._telling.incidents.find_open("network", device=device.name)
        if incident is not None and incident.answer is not None and not told:
            incident.closed, incident = now, None  # what is new since the answer needs an answer of its own
        if incident is None:
            if told:  # more of what was told and not answered is bundled into one silent, visible entry
                traffic.hold(device.name, flow, reading.seen)
                effects.append(Record(at=now, kind="still_unusual", subject=device.name, detail=flow.peer))
                self._keep_out(device, flow, reading, now, None, effects)
                return
            incident = self._telling.open("network", now, device.name, "flow")
        self._describe(incident, device, flow, reading)
        news = self._telling.incidents.join(incident, now)
        traffic.hold(device.name, flow, reading.seen, incident.id)
        above = max(1, reading.evidence - traffic.threshold)
        broken = self._broken(device, flow)
        evidence = Evidence(above=above, rule=bool(broken), guarded=guards(device))
        called = words_of(device) | broken
        tell = self._telling.interrupt if news else self._telling.go_on
        effects += tell(incident, Deed(device.name, FLOW), evidence, called, now)
        if not news:
            self._keep_out(device, flow, reading, now, incident, effects)

    def _broken(self, device: Device, flow: Flow) -> set[str]:
        """The rule that a device breaks by speaking at all, or by speaking with whom it does not need."""
        if device.name in self._arrivals.refused:
            return {"rule:refused device"}
        beyond = device.name in self._arrivals.restricted and not self._traffic.needs_it(device.name, flow)
        return {"rule:restricted device"} if beyond else set()

    def _keep_out(
        self, device: Device, flow: Flow, reading: Reading, now: datetime, incident: Incident | None,
        effects: list[Effect],
    ) -> None:  # fmt: skip
        """What the owner does not want goes on after its act has ended: it is done again, and nobody is interrupted.

        Where no ``incident`` is open any more, an entry of its own says so.
        """
        broken = self._broken(device, flow)
        if not broken or self._telling.holds(device.name):
            return
        if incident is None:
            incident = self._telling.open("network", now, device.name, FLOW)
            self._describe(incident, device, flow, reading)
            incident.spared = True
            self._telling.incidents.join(incident, now)
        effects += self._telling.keep_out(incident, device, now, broken)

    def _describe(self, incident: Incident, device: Device, flow: Flow, reading: Reading) -> None:
        """The strangest flow is what the incident is about."""
        if incident.reason and reading.score <= incident.score:
            return
        refused = device.name in self._arrivals.refused
        incident.score = reading.score
        incident.habit = NAMES[reading.habit]
        incident.bits = reading.bits[reading.habit] / 256
        incident.p_value = self._traffic.visits.p_value(reading.evidence)
        restricted = device.name in self._arrivals.restricted
        incident.reason = flow_reason(
            self._traffic, device.name, flow, reading, refused=refused, restricted=restricted
        )
        incident.explanation = explain_flow(self._traffic, device.name, flow, reading)

    # What an intrusion detection system says

    def alert(self, event: Event, device: Device, at: int, effects: list[Effect]) -> bool:
        """What another guard saw: the worst interrupts, once for each device and signature; whether it did."""
        about = event.attributes
        signature, severity = about.get("signature", "")[:256], about.get("severity", "")
        if severity != "1" or not self._arrivals.first_alert(event.device, signature, at):
            return False
        peer = f" ({about['peer']})" if about.get("peer") else ""
        why = f"{event.device}{peer}: {signature or 'an alert without a name'}, says {event.source}"
        self._telling.rule(("intrusion alert", why), device, event.action, moment(at), effects)
        return True

    # Who is new here

    def announced(self, event: Event, at: int, effects: list[Effect]) -> bool:
        """A device tells what it is; whether the table of devices changed."""
        what = self._arrivals.announce(event)
        if what == "refused":
            detail = f"says that it is a {event.attributes.get('type')}: only you can make it less guarded"
            effects.append(Record(at=moment(at), kind="refused", subject=event.device, detail=detail))
        return what in {"new", "changed"}

    def meet(self, event: Event, at: int, day: int, effects: list[Effect]) -> bool:
        """A device that was never met is told as new here; whether this is one."""
        if not self._arrivals.meet(event.device, at):
            return False
        now, name = moment(at), event.device
        incidents = self._telling.incidents
        incident = incidents.find_open("new")
        if incident is None:
            incident = self._telling.open("new", now, name, event.action)
            incident.habit, incident.reason = "new here", self._who(name)
            incident.explanation = explanation.of_newcomer(incident.reason, self._wants(event))
        elif incident.device != name:
            incident.reason = f"{self._who(incident.device)}; and {incident.events} more since"
        if incidents.join(incident, now) and self._arrivals.may_interrupt(day):
            evidence = Evidence(above=1, rule=False, guarded=False)
            deed = Deed(name, event.action)
            effects += self._telling.interrupt(incident, deed, evidence, {"rule:new here"}, now)
        return True

    def _who(self, name: str) -> str:
        said = self._arrivals.known.get(name)
        if said is None:
            return f"{name} was never met here before"
        what = " ".join(word for word in (said.maker, said.model) if word) or said.type
        where = f" in {said.room}" if said.room != "unknown" else ""
        address = f", address {said.address}" if said.address and said.address != name else ""
        return f"{name} was never met here before: {what}{where}{address}"

    def _wants(self, event: Event) -> str:
        flow = read_flow(event)
        if flow is None:
            return ""
        way = "is asked by" if flow.inbound else "talks to"
        return f"It {way} {flow.peer} ({flow.protocol}/{flow.port})"


def allowed(traffic: Traffic, device: str) -> tuple[str, ...]:
    """What a device may still do when it is restricted, as `homeward.core.effects.Action.allow` has it.

    That is what it was learned to need on two days at least, the most frequent first; nothing where that is unknown.
    """
    lines = []
    for (peer, port, protocol, inbound), need in traffic.needs(device):
        if need.days >= NEEDED_DAYS:
            lines.append(f"{protocol} {port} {peer}{' in' if inbound else ''}")
    return tuple(lines)
