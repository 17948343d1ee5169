"""Reads the JWKS document of the service issuer from wherever the settings say it is."""

import asyncio
import urllib.request
from pathlib import Path
from typing import Final

from shared.kernel.errors import Transient

TIMEOUT_S: Final = 5.0
MAX_DOCUMENT: Final = 256 * 1024


class JwksDocument:
    """The issuer's public keys. Reading them blocks nobody: a file or an address is read in a thread."""

    def __init__(self, source: str) -> None:
        """`source` is the document itself, an https address, or the path of a file."""
        self._source = source

    async def read(self) -> bytes:
        """Return the document as it is now. Raises Transient when it can't be had."""
        if self._source.lstrip().startswith("{"):
            return self._source.encode()
        try:
            return await asyncio.to_thread(self._fetch)
        except OSError as wrong:
            raise Transient("The issuer's keys can't be read.", retry_after_s=5) from wrong

    def _fetch(self) -> bytes:
        if not self._source.startswith("https://"):
            return Path(self._source).read_bytes()
        with urllib.request.urlopen(self._source, timeout=TIMEOUT_S) as answer:
            document: bytes = answer.read(MAX_DOCUMENT)
        return document
