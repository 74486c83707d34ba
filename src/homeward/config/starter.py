"""The ``homeward.toml`` that ``homeward init`` writes: every key explained, every act a dry run at first."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from homeward.config.checked import RULES
from homeward.config.tables import ConfigError
from homeward.core.vocabulary import ROLES, TYPES

STARTER: Final = """\
# Homeward: the guard of this home. `homeward check` reads this file and says what is wrong with it.
# Paths are relative to this file's folder. Passwords never stand here: see password_file.

[home]
name = "home"              # as the page shows it; with MQTT also a part of the topic homeward/NAME/status
timezone = "@TIMEZONE@"  # where the home is (IANA); habits follow its clock, summer time included
budget = 1.0               # how many alarms a week you are willing to hear: a ceiling, never a quota
# state = "state"          # the folder of the journal and the page's key; only the guard may read it
# devices = "devices.csv"  # your devices as a table: device,type,room,role (or as [[device]] below)

[page]
host = "127.0.0.1"         # this machine only. For another address also list the names you open it by:
port = 8480
# allowed_hosts = ["hub.local:8480"]

# Where events come from. Without one of these tables the guard has nothing to watch; `homeward discover` writes them.
# [mqtt]
# host = "localhost"
# port = 8883                         # 8883 with TLS, 1883 without
# ca_file = "ca.crt"                  # the CA that signed the broker's certificate: turns TLS on
# username = "homeward"
# password_file = "mqtt-password"     # a file of its own, chmod 600; or: password_env = "HOMEWARD_MQTT_PASSWORD"
# client_id = "homeward"              # names the session at the broker: one guard, one name
# protocol = 311                      # MQTT 3.1.1 or (5) MQTT 5; by default 5 is tried first
# presets = ["zigbee2mqtt"]           # whose devices are found, named and typed by themselves: zigbee2mqtt,
#                                     #   home_assistant (its discovery topics), tasmota, shelly
# home_assistant = true               # Homeward appears in Home Assistant, with buttons that answer

# Other topics, one table each. {names} stand for one level of the topic.
# [[mqtt.topic]]
# pattern = "home/{room}/{device}/state"
# format = "json"                     # json, text (the payload is the state) or mosquitto_log
# device = "{device}"                 # how the device's name is made; by default all {names} joined by "/"
# happened = "time"                   # the property that says when it happened, if any
# ignore = ["home/+/test/state"]      # topics that are no events
# [mqtt.topic.properties]             # what each property means: a table of words, or
# contact = { true = "closed", false = "open" }
# power = "value"                     # value (a number), text (the state itself), moment (a button)
# [mqtt.topic.steps]                  # the least change of a value that counts
# power = 5.0

# The broker's own log tells which clients connect (the rule "new client"):
# [[mqtt.topic]]
# pattern = "$SYS/broker/log/N"
# format = "mosquitto_log"

# Home Assistant itself: a user of its own without administrator's rights, and a long-lived token of that user.
# [home_assistant]
# url = "http://homeassistant.local:8123"
# token_file = "home-assistant-token" # a file of its own, chmod 600; or: token_env = "HOMEWARD_TOKEN"
# history_days = 90                   # how much of its past a new guard learns from on the first evening
# answer_entity = "sensor.homeward_answer" # where a press on a phone is heard: docs/how-to/be-told-and-answer.md

# The network, as Zeek, Suricata or an interface (pip install "homeward[packets]") tells it.
# [zeek]
# directory = "/opt/zeek/logs/current"
# [suricata]
# file = "/var/log/suricata/eve.json"
# [packets]
# interface = "eth0"
# interpreter = "/usr/local/bin/homeward-packets"  # a copy of Python that may listen, if the guard may not; or the
# meter = "/run/homeward/packets.sock"             #   socket of a process that reads packets beside it
# [network]
# local = ["192.168.1.0/24"]          # beside the private networks, which are the home's wherever it is
# names = { "192.168.1.20" = "hallway camera" }

# Devices. A device that is not listed is watched all the same, as type and role "other".
# Types: @TYPES@
# Roles: @ROLES@
# Locks, alarms, sirens, smoke and medical devices and every entrance learn a new habit only from your answer.
# [[device]]
# name = "front_door"
# type = "contact.door"
# role = "entrance"
# room = "hall"
# [[device]]
# name = "hall_light"
# type = "light"
# role = "actuator"

# People, where your sources say who did it. Their habits are learned without a word here; somebody who is named here
# is judged by their own past, at a budget of their own, as soon as they took part in forty visits of the home.
# [[person]]
# name = "person:anna"
# budget = 0.5               # alarms a week about what she does

# What may be done when something is far out of the ordinary. Every act ends, by itself or by being taken back.
# The guard never unlocks, opens, disarms or toggles, and never touches medical devices or smoke alarms.
# [[response]]
# device = "hall_light"
# command = "on"
# restore = "off"                       # how it is taken back; a lock has none: it is never unlocked
# minutes = 10                          # how long; a lock has none: it ends by itself
# when = ["entrance", "rule:flood"]     # devices, types, roles, or rules:
#                                       #   @RULES@
# responder = "dry_run"                 # only says what it would do. "mqtt" does it; then also:
# topic = "zigbee2mqtt/hall_light/set"
# payloads = { on = '{"state": "ON"}', off = '{"state": "OFF"}' }
# entity = "light.hall"                 # or responder = "home_assistant"; then this, and where the usual service
# services = { on = "light.turn_on" }   #   of the entity will not do, another

# A device may be let do only what it needs ("restrict") or cut off ("quarantine") by the firewall or the broker.
# [[response]]
# device = "*"                          # whichever device it is about
# command = "quarantine"                # for an hour, unless minutes says otherwise; then it is let in again
# when = ["rule:refused device", "rule:intrusion alert"]
# responder = "dry_run"                 # "nftables" or "mosquitto" do it; then also one of these tables:
# [nftables]                            # the firewall of this machine, where it is the router or a bridge
# addresses = { "hall camera" = ["192.168.1.20"] }
# never = ["192.168.1.5"]               # who is let be: addresses, networks or names of devices
# resolvers = []                        # the home's name servers, if this machine is none
# nft = "nft"                           # the program
# [mosquitto]                           # the broker's dynamic security
# users = { "hall camera" = "camera1" } # the user behind a device, where it has another name
# own_topics = { "hall camera" = ["publish cameras/hall/#"] } # what a restricted device may still do
# never = ["zigbee2mqtt"]

# How people are told: a channel, and who listens to it. Without one, what happens is on the page.
# [channel.phone]
# kind = "ntfy"                         # ntfy, apprise, webhook or home_assistant
# server = "https://ntfy.example.org"
# topic = "home-2c5e81d0"               # long and random: who knows it can read
# answers_topic = "home-9f21a7b3"       # buttons on the message answer there
# token_file = "ntfy-token"
# phone_server = "https://ntfy.example.org" # as phones know it, where that is another address
# click = "http://hub.local:8480"       # what a tap on the message opens
# ca_file = "ca.crt"
# [channel.mail]
# kind = "apprise"
# urls_file = "apprise-urls"            # Apprise's addresses, one on each line, chmod 600
# [channel.program]
# kind = "webhook"
# url = "https://hooks.example.org/homeward"
# secret_file = "webhook-secret"        # what each call is signed with
# [channel.app]
# kind = "home_assistant"
# service = "notify.mobile_app_anna"
# [[listener]]
# person = "household"                  # or "person:anna": told of what is done in her name
# channel = "phone"
# quiet_hours = "22:00-07:00"           # what can wait waits; what is urgent does not
# [[listener]]
# person = "person:anna"
# channel = "app"
# second = true                         # told when nobody has answered for a quarter of an hour

# What chooses how far to go, among what guardrails allow and evidence has earned.
# [policy]
# use = "ladder"                        # fixed. "trial": once in ten tries something as good, so that
#                                       #   `homeward policy compare` can tell; "learned": from your answers

# Recorded history of this home, learned from once, before the first day. Its times are of the home's own clock,
# unless a table 2024.home.json beside it says {"home": "…", "clock": "utc", "timezone": "Europe/Berlin"}.
# [history]
# files = ["2024.events.csv.gz"]
"""


def write_starter(path: Path) -> None:
    """Write a commented configuration; an existing file is never overwritten.

    Raises:
        ConfigError: the file exists or cannot be written.
    """
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(starter())
    except FileExistsError:
        raise ConfigError(f"{path}: exists already and is left as it is — name another file") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror} — choose a folder that you may write to") from None


def starter() -> str:
    """The text of a new configuration, with this machine's time zone."""
    return (
        STARTER.replace("@TIMEZONE@", local_zone())
        .replace("@TYPES@", _wrapped(TYPES))
        .replace("@ROLES@", _wrapped(ROLES))
        .replace("@RULES@", ", ".join(sorted(RULES)))
    )


def _wrapped(words: Iterable[str]) -> str:
    return textwrap.fill(", ".join(sorted(words)), 108, subsequent_indent="#   ")


def local_zone() -> str:
    """The name of this machine's time zone, as far as it says; UTC otherwise."""
    parts = Path("/etc/localtime").resolve().parts
    name = "/".join(parts[parts.index("zoneinfo") + 1 :]) if "zoneinfo" in parts else "UTC"
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return "UTC"
