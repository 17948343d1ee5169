"""Configuration: one frozen type per need, read once from the environment where the composition root builds a port.

A missing variable is named in the error, with what it is for. Nothing else in the platform reads the environment.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self


class Misconfigured(Exception):
    """A setting is missing or makes no sense; the message names the variable and what to put there."""


def required(environ: Mapping[str, str], name: str, what: str) -> str:
    """Return the variable's value. Raises Misconfigured naming it and what it is for."""
    value = environ.get(name, "")
    if not value:
        raise Misconfigured(f"{name} is not set: {what}. `make run` sets it; see docs/architecture.md, Settings.")
    return value


@dataclass(frozen=True, slots=True)
class RegionSettings:
    """Where this instance runs."""

    name: str

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the region's settings from CORTADO_REGION."""
        return cls(environ.get("CORTADO_REGION", "local"))


@dataclass(frozen=True, slots=True)
class PostgresSettings:
    """How to reach the database."""

    url: str
    connections: int = 4
    connect_timeout_s: float = 3.0
    statement_timeout_s: float = 5.0
    connection_age_s: float = 300.0
    tls: bool = False
    application_name: str = "cortado"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the primary's settings from DATABASE_URL and DATABASE_CONNECTIONS."""
        return cls(
            url=required(environ, "DATABASE_URL", "postgresql://user:password@host:port/database of the primary"),
            connections=int(environ.get("DATABASE_CONNECTIONS", "4")),
            tls=environ.get("DATABASE_TLS", "") == "require",
            application_name=environ.get("K_SERVICE", "cortado"),
        )
