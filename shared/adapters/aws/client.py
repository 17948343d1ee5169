"""A boto3 client that sends at most once per call, and tells apart what was refused, not sent, and not known.

boto3 repeats failed requests by itself; for a send that would mean twice, so it is told not to. Only where the
connection was never made, or the service says that it took nothing, is a send known not to have happened.
"""

import asyncio
from collections.abc import Callable
from functools import cached_property
from typing import Any, Final, TypeVar

from shared.adapters.resilience import Guard, Limits, Outage
from shared.notifications.ports import NotNow, Refused, Unknown
from shared.settings import AwsSettings

T = TypeVar("T")

_THROTTLED: Final = frozenset(
    {"Throttling", "ThrottlingException", "ThrottledException", "TooManyRequestsException", "LimitExceededException"}
)
_GONE: Final = frozenset({"EndpointDisabled", "EndpointDisabledException", "NotFound", "NotFoundException"})
_MARGIN_S: Final = 2.0


class AwsClient:
    """One service of AWS."""

    def __init__(self, service: str, settings: AwsSettings, *, concurrent: int = 16) -> None:
        self._service = service
        self._settings = settings
        self._limits = Limits(
            timeout_s=settings.connect_timeout_s + settings.read_timeout_s + _MARGIN_S,
            attempts=1,
            concurrent=concurrent,
        )

    @cached_property
    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        settings = self._settings
        return boto3.session.Session().client(
            self._service,  # type: ignore[call-overload]  # the stubs know services by literal names
            region_name=settings.region,
            endpoint_url=settings.endpoint_url,
            config=Config(
                connect_timeout=settings.connect_timeout_s,
                read_timeout=settings.read_timeout_s,
                retries={"total_max_attempts": 1},
                max_pool_connections=16,
            ),
        )

    @cached_property
    def _guard(self) -> Guard:
        from botocore.exceptions import ConnectionError, HTTPClientError

        return Guard(self._service, self._limits, outages=(ConnectionError, HTTPClientError))

    async def call(self, call: Callable[[Any], T]) -> T | Refused | NotNow | Unknown:
        """Return what `call(client)` returns, run in a thread, or what its failure means. Reasons name no address."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return await self._guard.call(lambda: asyncio.to_thread(lambda: call(self._client)))
        except Outage as outage:
            return _meaning_of_outage(outage.__cause__)
        except ClientError as error:
            return _meaning_of_answer(error.response)
        except BotoCoreError as error:
            return _meaning_of_error(error)


def _meaning_of_outage(cause: BaseException | None) -> NotNow | Unknown:
    """Return NotNow where no connection came about (or none was tried), else Unknown."""
    from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ProxyConnectionError

    if cause is None:
        return NotNow("breaker-open")
    if isinstance(cause, EndpointConnectionError | ConnectTimeoutError | ProxyConnectionError):
        return NotNow(type(cause).__name__)
    return Unknown(type(cause).__name__)


def _meaning_of_answer(response: Any) -> Refused | NotNow | Unknown:
    code = str(response.get("Error", {}).get("Code", ""))[:64]
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _THROTTLED or status == 429:
        return NotNow(code or "throttled")
    if 400 <= status < 500:
        return Refused(code or str(status), gone=code in _GONE)
    return Unknown(code or str(status))


def _meaning_of_error(error: Exception) -> Refused | NotNow | Unknown:
    """Return what it means that boto3 itself gave up: without credentials nothing is sent, and may be later."""
    from botocore.exceptions import (
        CredentialRetrievalError,
        NoCredentialsError,
        ParamValidationError,
        PartialCredentialsError,
    )

    if isinstance(error, NoCredentialsError | PartialCredentialsError | CredentialRetrievalError):
        return NotNow(type(error).__name__)
    if isinstance(error, ParamValidationError):
        return Refused(type(error).__name__)
    return Unknown(type(error).__name__)
