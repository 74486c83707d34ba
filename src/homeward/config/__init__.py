"""The configuration: ``homeward.toml``, read, checked to the last word, and turned into what the parts need."""

from homeward.config.checked import Config, load, to_settings
from homeward.config.starter import write_starter
from homeward.config.tables import FILE_NAME, PAGE_PORT, ConfigError

__all__ = ["FILE_NAME", "PAGE_PORT", "Config", "ConfigError", "load", "to_settings", "write_starter"]
