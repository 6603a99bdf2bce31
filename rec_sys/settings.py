"""Base of all typed groups of settings: limits and meaning are written once, beside the code that uses them.

YAML, command line, checkpoint and report all derive from these classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from omegaconf import DictConfig, OmegaConf
from pydantic import BaseModel, ConfigDict, ValidationError

from rec_sys.closest import did_you_mean
from rec_sys.errors import ConfigError


class Settings(BaseModel):
    """Immutable settings that refuse unknown keys by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def read(cls, values: Mapping[str, Any], group: str = "") -> Self:
        """Check `values` (from YAML, a checkpoint, the command line).

        Raises:
            ConfigError: names the first key that is unknown or out of its limits, what came and what is allowed.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            inner = ".".join(str(part) for part in first["loc"])
            key = f"{group}.{inner}" if group else inner
            if first["type"] == "extra_forbidden":
                raise ConfigError(f"unknown setting {key!r}; {did_you_mean(inner, cls.model_fields)}") from None
            raise ConfigError(f"setting {key}={first['input']!r}: {first['msg']}") from None


SettingsT = TypeVar("SettingsT", bound=Settings)


def read_settings(node: DictConfig, settings: type[SettingsT], group: str) -> SettingsT:
    """Turn one group of a composed configuration into checked settings.

    Raises:
        ConfigError: names the first key, as `<group>.<key>`, that is unknown or out of its limits.
    """
    values = OmegaConf.to_container(node, resolve=True, throw_on_missing=True)
    assert isinstance(values, dict)  # noqa: S101  a DictConfig gives nothing else
    return settings.read({str(key): value for key, value in values.items()}, group)
