"""The settings of a server: one source for their names, defaults, bounds, help and units in TOML, environment and flags."""

from chatsrv.config.schema import SETTINGS, Config
from chatsrv.config.settings import PREFIX, Setting
from chatsrv.config.sources import OTHER_VARIABLES, load_config
from chatsrv.config.values import Address, ConfigError, is_loopback

__all__ = [
    "OTHER_VARIABLES",
    "PREFIX",
    "SETTINGS",
    "Address",
    "Config",
    "ConfigError",
    "Setting",
    "is_loopback",
    "load_config",
]
