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


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """How to reach the region's Redis. It is a cache: every port that uses it works, slower, without it."""

    url: str
    timeout_s: float = 0.25
    connections: int = 32

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the cache's settings from REDIS_URL."""
        return cls(url=required(environ, "REDIS_URL", "redis://host:port/database of the region's cache"))


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """How to reach the region's Kafka, and how topics are made where nobody made them yet."""

    bootstrap: str
    partitions: int = 4
    replication: int = -1
    """-1: the cluster's default."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the cluster's settings from KAFKA_BOOTSTRAP_SERVERS and KAFKA_PARTITIONS."""
        return cls(
            bootstrap=required(environ, "KAFKA_BOOTSTRAP_SERVERS", "host:port[,host:port…] of the region's Kafka"),
            partitions=int(environ.get("KAFKA_PARTITIONS", "4")),
        )


@dataclass(frozen=True, slots=True)
class GoogleSettings:
    """The project that Pub/Sub and Firestore belong to. Emulators are found by the libraries' own variables."""

    project: str
    pubsub_emulator: str | None = None
    """host:port of the Pub/Sub emulator; None in the cloud."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the project's settings from GOOGLE_CLOUD_PROJECT and PUBSUB_EMULATOR_HOST."""
        return cls(
            project=required(environ, "GOOGLE_CLOUD_PROJECT", "the project of Pub/Sub and Firestore"),
            pubsub_emulator=environ.get("PUBSUB_EMULATOR_HOST") or None,
        )


@dataclass(frozen=True, slots=True)
class FunctionUrlSettings:
    """Where the dispatcher and the ticker find a function."""

    template: str

    def of(self, operation: str) -> str:
        """Return the URL of an operation's function."""
        return self.template.format(function=operation)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the template from FUNCTION_URL_TEMPLATE."""
        template = required(environ, "FUNCTION_URL_TEMPLATE", "for example http://127.0.0.1:8081/{function}")
        if "{function}" not in template:
            raise Misconfigured("FUNCTION_URL_TEMPLATE has no {function} in it.")
        return cls(template)


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a worker of the event path shows of itself."""

    metrics_port: int | None = None
    """Where Prometheus finds the worker's metrics; None: nowhere."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the worker's settings from METRICS_PORT."""
        port = environ.get("METRICS_PORT", "")
        return cls(int(port) if port else None)
