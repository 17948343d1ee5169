"""What the `needs` of a registry entry allow its function to import, beyond the base that every function has.

An import beyond them makes every cold start of the function slower, and its image larger than the entry says.
"""

from collections.abc import Iterable
from typing import Final

from triggers.registry import Entry

PREFIXES: Final[dict[str, tuple[str, ...]]] = {
    "postgres": ("pg8000",),
    "redis": ("redis",),
    "kafka": ("confluent_kafka",),
    "pubsub": ("google.cloud.pubsub", "google.cloud.pubsub_v1", "google.pubsub_v1"),
    "firestore": ("google.cloud.firestore", "google.cloud.firestore_v1"),
    "web3": ("web3",),
    "bit": ("bit",),
    "aws": ("boto3", "botocore"),
    "feeds": ("httpx",),
    "rpc": ("httpx", "Crypto"),
    "keys": ("bip_utils", "coincurve", "embit", "Crypto"),
    "qr": ("segno",),
    "paper": ("fpdf", "font_source_sans_pro"),
    "webhooks": ("httpcore",),
    "tokens": ("jwt", "cryptography"),
    "signing": ("shared.adapters.signing", "coincurve", "embit", "cryptography", "Crypto"),
}
"""What each need stands for."""

BRINGS: Final[dict[str, tuple[str, ...]]] = {
    "redis": ("cryptography",),
    "pubsub": ("grpc", "google.auth", "google.api_core", "cryptography", "requests"),
    "firestore": ("grpc", "google.auth", "google.api_core", "cryptography", "requests"),
    "web3": ("aiohttp", "eth_account", "Crypto", "requests"),
    "bit": ("coincurve", "requests"),
    "feeds": ("httpcore",),
    "rpc": ("httpcore",),
    "paper": ("cryptography",),
}
"""What the libraries of a need import themselves."""

LIBRARIES: Final[dict[str, tuple[str, ...]]] = {
    "postgres": ("pg8000.native",),
    "redis": ("redis.asyncio",),
    "kafka": ("confluent_kafka",),
    "pubsub": ("google.cloud.pubsub",),
    "firestore": ("google.cloud.firestore",),
    "web3": ("web3",),
    "bit": ("bit",),
    "aws": ("boto3",),
    "feeds": ("httpx",),
    "rpc": ("httpx", "Crypto.Hash.keccak"),
    "keys": ("bip_utils", "coincurve", "embit"),
    "qr": ("segno",),
    "paper": ("fpdf",),
    "webhooks": ("httpcore",),
    "tokens": ("jwt",),
    "signing": ("coincurve", "embit", "cryptography.hazmat.primitives.asymmetric.utils", "Crypto.Hash.keccak"),
}
"""What is imported to find out what a need brings."""

NEVER: Final = ("yaml", "jsonschema", "moto", "pytest", "hypothesis", "emulators", "tests")
"""What no function imports: it is for development."""

SLOW: Final = frozenset({"web3", "firestore", "pubsub", "kafka"})
"""What HTTP functions never need: their callers wait for it."""

KEYS: Final = "signing"
"""What no HTTP function may need, whoever calls it: it brings the keys that coins are sent with."""

WATCHED: Final = tuple(
    sorted({prefix for prefixes in (*PREFIXES.values(), *BRINGS.values(), NEVER) for prefix in prefixes})
)


def watched(module: str) -> str | None:
    """Return the prefix that makes a module worth watching, or None."""
    return next((prefix for prefix in WATCHED if module == prefix or module.startswith(prefix + ".")), None)


def allowed(entry: Entry) -> frozenset[str]:
    """Return the prefixes that an entry's function may load."""
    return frozenset(prefix for need in entry.needs for prefix in (*PREFIXES.get(need, ()), *BRINGS.get(need, ())))


def beyond(entry: Entry, loaded: Iterable[str]) -> list[str]:
    """Return the prefixes among `loaded` modules that the entry's needs don't allow."""
    found = {prefix for module in loaded if (prefix := watched(module)) is not None}
    return sorted(found - allowed(entry))
