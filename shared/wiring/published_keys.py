"""Public keys for those who check what the platform signed: from its API, a file, or the command line."""

import json
from base64 import b64decode, urlsafe_b64decode
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, build_opener

from shared.adapters.quote_signing import key_id_of

TIMEOUT_S = 10
MAX_BYTES = 1_000_000
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class NoKeys(Exception):
    """No key can be had to check with."""


class _Stays(HTTPRedirectHandler):
    """Keys come from where they were asked for, and from nowhere else."""

    def redirect_request(self, *args: object, **kwargs: object) -> None:
        """Follow no redirect."""


def keys_of(given: Sequence[str], file: Path | None, url: str | None, path: str) -> Mapping[str, bytes]:
    """Return public keys by id: given in base64, from a file, and from `path` of an API's URL. Raises NoKeys."""
    keys = [_key(each, "--key") for each in given]
    try:
        if file is not None:
            keys += _listed(file.read_text(), str(file))
        if url is not None:
            keys += _listed(_asked(url, path), url)
    except (OSError, ValueError) as wrong:
        raise NoKeys(f"No keys can be had: {wrong}.") from wrong
    if not keys:
        raise NoKeys("Name a key to check with: --url, --keys or --key.")
    return {key_id_of(key): key for key in keys}


def _asked(url: str, path: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise NoKeys("Keys are asked for over https only, or on this machine.")
    with build_opener(_Stays).open(f"{url.rstrip('/')}{path}", timeout=TIMEOUT_S) as reply:
        return str(reply.read(MAX_BYTES), "utf-8")


def _listed(text: str, where: str) -> list[bytes]:
    told = json.loads(text)
    listed = told.get("keys") if isinstance(told, dict) else None
    if not isinstance(listed, list):
        raise NoKeys(f"{where} has no list of keys.")
    return [
        _key(str(each.get("x")), where) for each in listed if isinstance(each, dict) and each.get("crv") == "Ed25519"
    ]


def _key(text: str, where: str) -> bytes:
    padded = text + "=" * (-len(text) % 4)
    try:
        key = urlsafe_b64decode(padded) if set(text) & {"-", "_"} else b64decode(padded, validate=True)
    except ValueError as wrong:
        raise NoKeys(f"{where} has a key that is not base64.") from wrong
    if len(key) != 32:
        raise NoKeys(f"{where} has a key of {len(key)} bytes instead of 32.")
    return key
