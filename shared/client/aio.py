"""The client for programs on asyncio; what `sync` does, awaited."""

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Final, Self, TypeVar

import httpx

from shared.client.call import Answer, Call, answer, items_of
from shared.client.events import EventLines
from shared.client.operations import orders, wallets
from shared.client.patience import USUAL, Patience
from shared.client.problems import ApiProblem, NotSignedIn, problem_of
from shared.client.siwe import Sign, message
from shared.orders.model import LiveOrder, OrderStatus
from shared.wallets.model import SignedIn, SignIn

V = TypeVar("V")
STREAM: Final = "text/event-stream"
OVER: Final = frozenset({OrderStatus.COMPLETED, OrderStatus.CANCELLED, OrderStatus.EXPIRED})


class AsyncClient:
    """The API as one caller uses it, from one event loop."""

    def __init__(
        self,
        base_url: str,
        *,
        token: str | None = None,
        patience: Patience = USUAL,
        timeout_s: float = 10.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`token` is a staff key, or what signing in returned; `transport` is another one than the network's."""
        self._http = httpx.AsyncClient(base_url=base_url, timeout=timeout_s, transport=transport, trust_env=False)
        self._patience = patience
        self._signer: tuple[str, Sign] | None = None
        self.token = token
        self.seen: str | None = None
        """The consistency token of the last write; reads carry it."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def send(self, call: Call[V]) -> Answer[V]:
        """Send a call, again while its outcome is unknown, and return what was said.

        A person's token that has ended is renewed once by their wallet. Raises ApiProblem, and httpx.TransportError
        when nobody answered in time.
        """
        trying, renewed = self._patience.begin(), False
        while True:
            try:
                return await self._once(call)
            except NotSignedIn:
                if self._signer is None or renewed or call.operation.startswith(("sign_in", "request_nonce")):
                    raise
                renewed = True
                await self.sign_in(*self._signer)
            except (httpx.TransportError, ApiProblem) as failure:
                await asyncio.sleep(trying.pause_s(failure))

    async def _once(self, call: Call[V]) -> Answer[V]:
        headers = call.headers(token=self.token, seen=self.seen)
        reply = await self._http.request(call.method, call.path, params=call.query, content=call.body, headers=headers)
        told = answer(call, reply.status_code, reply.headers, reply.content)
        self.seen = reply.headers.get("consistency-token", self.seen)
        return told

    async def pages(self, call: Call[V]) -> AsyncIterator[V]:
        """Yield the pages of a list, one after the other, to its end."""
        while True:
            page = (await self.send(call)).view
            yield page
            following = getattr(page, "next", None)
            if following is None:
                return
            call = call.after(str(following))

    async def items(self, call: Call[V]) -> AsyncIterator[object]:
        """Yield everything that a list has, over all its pages."""
        async for page in self.pages(call):
            for item in items_of(page):
                yield item

    async def sign_in(self, address: str, sign: Sign) -> SignedIn:
        """Sign in with a wallet; from now on calls are this person's. `sign` is asked again when the token ends."""
        nonce = (await self.send(wallets.request_nonce())).view
        text = message(nonce, address)
        signed = SignIn(message=text, signature=sign(text))
        said = (await self.send(wallets.sign_in_with_ethereum(signed))).view
        self.token, self._signer = said.token, (address, sign)
        return said

    async def follow(self, order_id: str) -> AsyncIterator[LiveOrder]:
        """Yield an order as it is, and again at each change, until it is over; comes again when the connection ends.

        Raises ApiProblem, and httpx.TransportError when nobody answers for as long as patience lasts.
        """
        lines, trying = EventLines(), self._patience.begin()
        call = orders.follow_order(order_id)
        while True:
            headers = {**call.headers(token=self.token, seen=None), "accept": STREAM}
            if lines.last_id:
                headers["last-event-id"] = lines.last_id
            try:
                async with self._http.stream("GET", call.path, headers=headers, timeout=60.0) as reply:
                    if reply.status_code == 204:
                        return
                    if reply.status_code >= 400:
                        raise problem_of(reply.status_code, reply.headers, await reply.aread())
                    async for line in reply.aiter_lines():
                        for event in lines.take(line):
                            trying = self._patience.begin()
                            order = LiveOrder.model_validate_json(event.data, extra="ignore")
                            yield order
                            if order.status in OVER:
                                return
            except NotSignedIn:
                if self._signer is None:
                    raise
                await self.sign_in(*self._signer)
                continue
            except (httpx.TransportError, ApiProblem) as failure:
                await asyncio.sleep(trying.pause_s(failure))
                continue
            await asyncio.sleep(lines.retry_ms / 1000)
