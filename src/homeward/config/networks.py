"""Where the network is heard: Zeek, Suricata, an interface; which addresses are the home's, and their names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from homeward.config.tables import ConfigError, PacketsSection, Tables
from homeward.sources.neighbourhood import Neighbourhood
from homeward.sources.packets import PacketsSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Networks:
    """Sources of flows, each ``None`` where there is none; ``local`` and ``names`` are the owner's."""

    zeek: Path | None = None
    suricata: Path | None = None
    packets: PacketsSection | None = None
    local: tuple[str, ...] = ()
    names: dict[str, str] = field(default_factory=dict)


def networks(
    tables: Tables, resolve: Callable[[str], Path], fault: Callable[[str, str, str], ConfigError]
) -> Networks:
    """What the tables say of the network; a log need not be there yet.

    Raises:
        ConfigError: an address, a network or an interface is none.
    """
    network, packets = tables.network, tables.packets
    for key, local, names in (("local", network.local, {}), ("names", [], network.names)):
        try:
            Neighbourhood(local, names)
        except ValueError as error:
            example = '["192.168.1.0/24"]' if key == "local" else '{ "192.168.1.20" = "hallway camera" }'
            raise fault(f"network.{key}", str(error), f"write {key} = {example}") from None
    if packets is not None:
        try:
            PacketsSource(packets.interface)
        except ValueError as error:
            raise fault("packets.interface", str(error), 'write a name such as "eth0"') from None
    zeek, suricata = tables.zeek, tables.suricata
    if zeek is not None and resolve(zeek.directory).is_file():
        raise fault("zeek.directory", f"{resolve(zeek.directory)} is a file", "name the folder that conn.log lies in")
    if suricata is not None and resolve(suricata.file).is_dir():
        raise fault("suricata.file", f"{resolve(suricata.file)} is a folder", "name the file, such as eve.json")
    return Networks(
        zeek=resolve(zeek.directory) if zeek is not None else None,
        suricata=resolve(suricata.file) if suricata is not None else None,
        packets=packets,
        local=tuple(network.local),
        names=dict(network.names),
    )
