"""A simulated home over real MQTT, for the first two minutes."""

from homeward.demo.demonstration import run

__all__ = ["run"]
