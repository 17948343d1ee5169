"""What an HTTP operation answers: a view, a status and headers, encoded exactly once."""

from collections.abc import AsyncGenerator, Mapping
from functools import cached_property
from typing import Generic, TypeVar

from pydantic import BaseModel

from shared.kernel.decision import StoredReply

V = TypeVar("V")


class Encoded(bytes, Generic[V]):
    """The JSON of a `V`, encoded before and sent as it is: `Reply[Encoded[MenuView]]` for a cached document."""

    __slots__ = ()


class Reply(Generic[V]):
    """A view to be sent as JSON, or bytes that are sent as they are (a cached document, a picture)."""

    def __init__(
        self,
        view: V,
        *,
        status: int = 200,
        version: int | None = None,
        location: str | None = None,
        stream: str | None = None,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`version` becomes the ETag; with `stream` also the consistency token of this write."""
        self.view = view
        self.status = status
        self.headers: dict[str, str] = {"content-type": content_type, **(headers or {})}
        if version is not None:
            self.headers["etag"] = f'"{version}"'
            if stream is not None:
                self.headers["consistency-token"] = f"1:{stream}:{version}"
        if location is not None:
            self.headers["location"] = location

    @cached_property
    def body(self) -> bytes:
        """Return the encoded body; computed once, stored under the Idempotency-Key and sent."""
        if isinstance(self.view, bytes):
            return self.view
        if isinstance(self.view, BaseModel):
            return self.view.model_dump_json(exclude_none=True).encode()
        raise TypeError(f"a reply is a model or bytes, not {type(self.view).__name__}")

    @property
    def stored(self) -> StoredReply:
        """Return what is kept under an Idempotency-Key."""
        return StoredReply(self.status, self.headers, self.body)


class Streamed(Reply[bytes]):
    """Bytes that come as they come: sent one by one, kept nowhere."""

    def __init__(
        self, chunks: AsyncGenerator[bytes, None], *, content_type: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(b"", content_type=content_type, headers=headers)
        self.chunks = chunks
