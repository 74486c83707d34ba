"""What the guard acts and tells with, and where answers come back: made from the configuration."""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final, Literal, Protocol

from homeward.answers.home_assistant import HomeAssistantAnswers
from homeward.answers.ntfy import NtfyAnswers
from homeward.config import Config, ConfigError
from homeward.config.answering import Channel
from homeward.core.arrival import Announcement
from homeward.dashboard.view import Watched
from homeward.presses import new_press
from homeward.responders import Responder
from homeward.responders.apprise import AppriseChannel
from homeward.responders.broker_claims import COMMAND_TOPICS
from homeward.responders.dry_run import DryRun
from homeward.responders.home_assistant import HomeAssistantChannel, HomeAssistantResponder
from homeward.responders.mosquitto import MosquittoResponder
from homeward.responders.mqtt import MqttResponder
from homeward.responders.nftables import NftablesResponder
from homeward.responders.nftables_addresses import HOME_NETWORKS, is_address
from homeward.responders.ntfy import NtfyChannel
from homeward.responders.webhook import Webhook
from homeward.sources.home_assistant_connection import Connection

MQTT: Final = "mqtt"
"""The name of the source and of the responder that speak to the broker."""

HEARS_ADDRESSES: Final = frozenset({"zeek", "suricata", "packets"})
"""Sources that saw an address on the network. What a device says of itself elsewhere may be another's address."""


class Runs(Protocol):
    """Runs until it is cancelled; ``refused`` counts by reason what it did not take."""

    refused: Counter[str]

    async def run(self) -> None: ...


def seed(key: str) -> int:
    """Chance of the policy's own: nobody outside can foretell it, and the journal's fold repeats it."""
    return int.from_bytes(hmac.digest(key.encode(), b"the policy's chance", "sha256")[:7])


def responders(
    config: Config, known: Mapping[str, Announcement], key: str, now: Callable[[], datetime]
) -> list[Responder]:
    """Everything that acts or tells. ``known`` is what devices said of themselves, as the engine learns it, ``now``
    the guard's clock.

    Raises:
        ConfigError: a channel cannot be made.
    """
    made: list[Responder] = [DryRun()]
    answering = config.answering
    if config.mqtt is not None and config.commands:
        made.append(MqttResponder(config.mqtt, config.commands, name=MQTT))
    if config.mqtt is not None and answering.dynamic_security:
        topics = [*COMMAND_TOPICS, *(topic.topic for topic in config.commands)]
        made.append(
            MosquittoResponder(
                config.mqtt,
                clients=answering.broker_users,
                own_topics=answering.own_topics,
                command_topics=topics,
                never=answering.never_users,
            )
        )
    if config.home_assistant is not None and answering.entities:
        made.append(HomeAssistantResponder(partial(Connection.open, config.home_assistant), answering.entities))
    if answering.firewall is not None:
        made.append(
            NftablesResponder(
                _addresses(config, known),
                never=answering.firewall.never,
                resolvers=answering.firewall.resolvers,
                nft=answering.firewall.nft,
                now=now,
                local=config.networks.local or HOME_NETWORKS,
            )
        )
    return [*made, *(_channel(config, channel, key) for channel in answering.channels)]


def answers(config: Config, service: Watched, key: str) -> list[Runs]:
    """What brings answers back by channels that the guard dials."""
    found: list[Runs] = []
    at_home = [one.name for one in config.answering.channels if one.section.kind == "home_assistant"]
    if config.home_assistant is not None and at_home:
        entity = config.answering.answer_entity
        found.append(HomeAssistantAnswers(service, config.home_assistant, key=key, channels=at_home, entity=entity))
    for channel in config.answering.channels:
        about = channel.section
        if about.kind == "ntfy" and about.answers_topic:
            found.append(
                NtfyAnswers(
                    service, about.server, about.answers_topic, key,
                    channel=channel.name, token=channel.token, ca_file=channel.ca_file,
                )
            )  # fmt: skip
    return found


def _channel(config: Config, channel: Channel, key: str) -> Responder:
    about = channel.section
    try:
        if about.kind == "apprise":
            return AppriseChannel(channel.secrets, name=channel.name)
        if about.kind == "webhook":
            return Webhook(about.url, channel.secrets[0], name=channel.name, ca_file=channel.ca_file)
        press = _press(key, channel.name)
        if about.kind == "home_assistant":
            assert config.home_assistant is not None
            dial = partial(Connection.open, config.home_assistant)
            return HomeAssistantChannel(dial, about.service, press=press, name=channel.name)
        return NtfyChannel(
            about.server,
            about.topic,
            name=channel.name,
            token=channel.token,
            answers_topic=about.answers_topic or None,
            press=press if about.answers_topic else None,
            phone_server=about.phone_server or None,
            click=about.click or None,
            ca_file=channel.ca_file,
        )
    except (ValueError, ImportError) as error:
        remedy = "see docs/how-to/be-told-and-answer.md"
        raise ConfigError(f"{config.file}: channel.{channel.name}: {error} — {remedy}") from None


def _press(key: str, channel: str) -> Callable[[Literal["yes", "no"], str, str], str]:
    return lambda says, about, person: new_press(key, says, about, person, channel).written()


def _addresses(config: Config, known: Mapping[str, Announcement]) -> Callable[[str], Sequence[str]]:
    """Where a device is on the network: as the owner says, as it said itself, or because that is its name."""
    firewall = config.answering.firewall
    assert firewall is not None

    def find(device: str) -> Sequence[str]:
        found = [*firewall.addresses.get(device, ())]
        found += [address for address, name in config.networks.names.items() if name == device]
        said = known.get(device)
        if said is not None and said.source in HEARS_ADDRESSES and is_address(said.address):
            found.append(said.address)
        if is_address(device):
            found.append(device)
        return found

    return find
