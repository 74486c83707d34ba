"""MITRE ATT&CK: which techniques may be behind what was told, and why. A table; pure.

ATT&CK® is a registered trademark of The MITRE Corporation. What is here are its identifiers and names, of both the
ICS and the Enterprise matrix. A technique is something an adversary does to a system, by way of a system. What
somebody does with their hands is none: a door that opens at night has no technique, and gets none.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Literal, NamedTuple

from homeward.core.event import Event
from homeward.core.flow import read_flow
from homeward.core.incident import Incident
from homeward.core.settings import Device
from homeward.exchange.needs import local_address

VERSION: Final = "19.1"
"""The release whose identifiers these are. In v19 (April 2026) the ICS matrix got sub-techniques: T0855 became
T1692.001, T0804 became T1691.002."""

ALERT: Final = "alert"
"""The action of an event that carries an alert of an intrusion detection system."""

REMOTE_ACCESS: Final = frozenset({22, 23, 2323, 3389, 5900})
"""Ports of SSH, Telnet (and where botnets look for it), RDP and VNC: who is let in there can command the device."""


class Tactic(NamedTuple):
    uid: str
    name: str


class Technique(NamedTuple):
    """``uid`` of a sub-technique has a dot, and then ``parent`` is its technique's name."""

    uid: str
    name: str
    matrix: Literal["ICS", "Enterprise"]
    tactic: Tactic
    parent: str = ""

    @property
    def url(self) -> str:
        """The page of this release."""
        return (
            f"https://attack.mitre.org/versions/v{VERSION.partition('.')[0]}/techniques/{self.uid.replace('.', '/')}/"
        )


class Row(NamedTuple):
    """Where all these ``signs`` are seen, the technique may be behind it, for this reason."""

    signs: frozenset[str]
    technique: Technique
    why: str


SIGNS: Final = {
    "flood": "the rule *flood*: a device changes more often than anybody can make it",
    "new client": "a client of the broker that was never seen",
    "new device": "a device that was never seen joins the network, or a bridge",
    "unusual asker": "something that takes commands is commanded by whom it usually is not",
    "unusual origin": "something that takes commands is commanded through an app or a client that usually does not",
    "silent": "a device says nothing while others of its source speak",
    "blind": "a source, or one device, cannot be seen at all",
    "asked from outside": "a peer that is not at home asks a device for something",
    "remote access from outside": "the same, at a port where one logs in",
    "heavy sent": "a flow that is heavier than usual, most of it going out",
    "beacon": "a device calls the same peer at even intervals that are not usual for it",
    "scan": "one device tries many ports or many peers",
    "guessing": "logins are tried, one after the other",
    "denial of service": "an intrusion detection system says so",
    "command and control": "an intrusion detection system says so",
    "exploit": "an intrusion detection system sees a known weakness attacked",
    "default login": "an intrusion detection system sees a maker's own password tried",
    "mining": "an intrusion detection system sees currency mined",
}
"""Everything that the table below can start from."""

_IMPACT: Final = Tactic("TA0040", "Impact")
_ENTRY: Final = Tactic("TA0001", "Initial Access")
_CONTROL: Final = Tactic("TA0011", "Command and Control")
_EXFILTRATION: Final = Tactic("TA0010", "Exfiltration")
_INHIBIT: Final = Tactic("TA0107", "Inhibit Response Function")
_ICS_ENTRY: Final = Tactic("TA0108", "Initial Access")

_DENIAL: Final = Technique("T0814", "Denial of Service", "ICS", _INHIBIT)
_ROGUE: Final = Technique("T0848", "Rogue Master", "ICS", _ICS_ENTRY)
_COMMAND: Final = Technique(
    "T1692.001", "Command Message", "ICS", Tactic("TA0106", "Impair Process Control"), "Unauthorized Message"
)
_BLOCKED: Final = Technique("T1691.002", "Reporting Message", "ICS", _INHIBIT, "Block Operational Technology Message")
_VIEW: Final = Technique("T0815", "Denial of View", "ICS", Tactic("TA0105", "Impact"))
_EXPOSED: Final = Technique("T0883", "Internet Accessible Device", "ICS", _ICS_ENTRY)
_SYSTEMS: Final = Technique("T0846", "Remote System Discovery", "ICS", Tactic("TA0102", "Discovery"))
_HARDWARE: Final = Technique("T1200", "Hardware Additions", "Enterprise", _ENTRY)
_ACCOUNTS: Final = Technique("T1078", "Valid Accounts", "Enterprise", _ENTRY)
_DEFAULTS: Final = Technique("T1078.001", "Default Accounts", "Enterprise", _ENTRY, "Valid Accounts")
_PUBLIC: Final = Technique("T1190", "Exploit Public-Facing Application", "Enterprise", _ENTRY)
_REMOTE: Final = Technique("T1133", "External Remote Services", "Enterprise", _ENTRY)
_SERVICES: Final = Technique("T1046", "Network Service Discovery", "Enterprise", Tactic("TA0007", "Discovery"))
_GUESSED: Final = Technique("T1110", "Brute Force", "Enterprise", Tactic("TA0006", "Credential Access"))
_PROTOCOL: Final = Technique("T1071", "Application Layer Protocol", "Enterprise", _CONTROL)
_CHANNEL: Final = Technique("T1041", "Exfiltration Over C2 Channel", "Enterprise", _EXFILTRATION)
_OTHERWISE: Final = Technique("T1048", "Exfiltration Over Alternative Protocol", "Enterprise", _EXFILTRATION)
_FLOODED: Final = Technique("T1498", "Network Denial of Service", "Enterprise", _IMPACT)
_HIJACKED: Final = Technique("T1496", "Resource Hijacking", "Enterprise", _IMPACT)


def _row(signs: str, technique: Technique, why: str) -> Row:
    return Row(frozenset(signs.split(" + ")), technique, why)


TABLE: Final = (
    _row("flood", _DENIAL, "So many changes in a minute keep a device from doing its work, or wear it out."),
    _row(
        "new client", _ROGUE, "Whoever may write to the broker can give the commands that the home's own hub gives."
    ),
    _row("new device", _HARDWARE, "Something was joined to the network that nobody announced."),
    _row("unusual asker", _COMMAND, "A command that reaches a device need not come from who may give it."),
    _row("unusual origin", _COMMAND, "A command that reaches a device need not come from who may give it."),
    _row("unusual origin", _ACCOUNTS, "An account that may command is used from where its owner does not use it."),
    _row("silent", _BLOCKED, "What a device reports may be jammed, or cut off, on the way."),
    _row("blind", _VIEW, "While nothing arrives the guard, and its owner, cannot see what happens."),
    _row("asked from outside", _EXPOSED, "A device of the home should not be reached from the internet at all."),
    _row(
        "remote access from outside", _EXPOSED, "A device of the home should not be reached from the internet at all."
    ),
    _row("remote access from outside", _REMOTE, "Who is let in at such a port commands the device from outside."),
    _row("heavy sent", _OTHERWISE, "More than usual leaves the home; it may be what should stay."),
    _row("heavy sent + beacon", _CHANNEL, "It leaves to a peer that the device keeps calling."),
    _row("beacon", _PROTOCOL, "A device that was taken over asks at intervals what to do next."),
    _row("command and control", _PROTOCOL, "The rule that fired knows how such a program talks to its master."),
    _row("scan", _SERVICES, "Ports are tried one after the other to find out what answers."),
    _row("scan", _SYSTEMS, "Peers are tried one after the other to find out what is there."),
    _row("guessing", _GUESSED, "Passwords are tried one after the other."),
    _row("default login", _DEFAULTS, "A maker's own password is the first that is tried."),
    _row("denial of service", _FLOODED, "A device of the home is flooded, or helps to flood another."),
    _row("exploit", _PUBLIC, "The rule that fired knows this weakness."),
    _row("mining", _HIJACKED, "A device that was taken over works for somebody else."),
)

NO_TECHNIQUE: Final = {
    "a door, a window or a motion at an unusual hour": "It is done by hand; ATT&CK tells what is done to systems.",
    "the rule *entrance while armed*": "The same: whoever came in used the door.",
    "an unusual reading, pause or company of activities": "It tells how people live, not what a system does.",
    "a new peer alone": "Makers move their servers every week. With a beacon or a heavy flow it is another matter.",
    "a full disk, a clock that jumped, a guard that was not running": "These are the guard's own affairs.",
}
"""What gets none, and why."""

_CATEGORIES: Final = {
    "attempted denial of service": "denial of service",
    "denial of service": "denial of service",
    "detection of a denial of service attack": "denial of service",
    "detection of a network scan": "scan",
    "malware command and control activity detected": "command and control",
    "a network trojan was detected": "command and control",
    "web application attack": "exploit",
    "attempted administrator privilege gain": "exploit",
    "attempted user privilege gain": "exploit",
    "attempt to login by a default username and password": "default login",
    "crypto currency mining activity detected": "mining",
}
"""Suricata's classes of alerts (its ``classification.config``) that are signs of something."""

_COMMANDED_TYPES: Final = frozenset({"lock", "siren", "alarm", "garage_door"})
_RULES: Final = frozenset({"flood", "new client"})
_BY_ASKER: Final = {"who": "unusual asker", "from where": "unusual origin"}


def techniques(signs: Collection[str]) -> tuple[Technique, ...]:
    """The techniques that may be behind these signs, each once, in the table's order."""
    seen = frozenset(signs)
    return tuple(dict.fromkeys(row.technique for row in TABLE if row.signs <= seen))


def signs_of(incident: Incident, device: Device | None = None, event: Event | None = None) -> frozenset[str]:
    """What in an incident can be a sign of a technique: of its kind, its ``device``, and its strangest ``event``.

    A beacon, a scan or guessed logins are seen in many flows, and not here: whoever sees them adds the sign.
    """
    kind: str = incident.kind
    found = set()
    if kind == "rule" and incident.habit in _RULES:
        found.add(incident.habit)
    elif kind == "silent":
        found.add("silent")
    elif kind == "blind" and incident.device.startswith(("source:", "device:")):
        found.add("blind")
    elif kind == "new":
        client = incident.action == "client_connected" or (device is not None and device.type == "broker")
        found.add("new client" if client else "new device")
    elif kind == "unusual" and incident.habit in _BY_ASKER and _takes_commands(device):
        found.add(_BY_ASKER[incident.habit])
    return frozenset(found) if event is None else frozenset(found | _signs_in(event, incident.habit))


def _takes_commands(device: Device | None) -> bool:
    return device is not None and (device.role == "actuator" or device.type in _COMMANDED_TYPES)


def _signs_in(event: Event, habit: str) -> set[str]:
    if event.action == ALERT:
        sign = _CATEGORIES.get(event.attributes.get("category", "").lower())
        return set() if sign is None else {sign}
    flow = read_flow(event)
    if flow is None:
        return set()
    found = set()
    if flow.inbound and not local_address(flow.peer):
        found.add("remote access from outside" if flow.port in REMOTE_ACCESS else "asked from outside")
    if habit == "how much sent" and flow.sent > flow.received:
        found.add("heavy sent")
    return found
