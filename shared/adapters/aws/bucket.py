"""A bucket of Amazon S3, which browsers upload to by URLs that are signed for one object (Signature Version 4)."""

import asyncio
from datetime import timedelta
from functools import cached_property
from typing import Any

from shared.adapters.resilience import Guard, Limits, Outage
from shared.kernel.errors import Transient
from shared.kernel.pictures import SignedUpload, Uploaded
from shared.settings import ImageSettings


class S3Bucket:
    """Fulfils `shared.kernel.pictures.Bucket`."""

    def __init__(self, settings: ImageSettings) -> None:
        self._settings = settings

    @cached_property
    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        settings = self._settings
        return boto3.session.Session().client(
            "s3",
            region_name=settings.region,
            endpoint_url=settings.endpoint_url,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path" if settings.endpoint_url else "virtual"},
                connect_timeout=settings.connect_timeout_s,
                read_timeout=settings.read_timeout_s,
                retries={"total_max_attempts": 1},
            ),
        )

    @cached_property
    def _guard(self) -> Guard:
        from botocore.exceptions import ConnectionError, HTTPClientError

        settings = self._settings
        timeout_s = settings.connect_timeout_s + settings.read_timeout_s + 1.0
        return Guard("s3", Limits(timeout_s=timeout_s, attempts=2), outages=(ConnectionError, HTTPClientError))

    async def sign(self, key: str, content_type: str, size: int, *, lifetime: timedelta) -> SignedUpload:
        """Return where so many bytes of this type may be uploaded under a key. Type and length are signed with it."""
        told = {"Bucket": self._settings.bucket, "Key": key, "ContentType": content_type, "ContentLength": size}
        url = await asyncio.to_thread(
            lambda: self._client.generate_presigned_url(
                "put_object", Params=told, ExpiresIn=int(lifetime.total_seconds()), HttpMethod="PUT"
            )
        )
        return SignedUpload(str(url), {"content-type": content_type, "content-length": str(size)})

    async def look(self, key: str) -> Uploaded | None:
        """Return what lies under a key, or None. Raises Transient."""
        from botocore.exceptions import ClientError

        try:
            head = await self._guard.call(
                lambda: asyncio.to_thread(lambda: self._client.head_object(Bucket=self._settings.bucket, Key=key))
            )
        except Outage as outage:
            raise Transient("The bucket does not answer. Repeat with the same Idempotency-Key.") from outage
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
                return None
            raise Transient("The bucket does not answer. Repeat with the same Idempotency-Key.") from error
        return Uploaded(str(head["ContentType"]), int(head["ContentLength"]))
