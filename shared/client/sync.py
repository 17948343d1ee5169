"""The client for programs that block."""

import time
from collections.abc import Iterator
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


class Client:
    """The API as one caller uses it. Not for several threads at once."""

    def __init__(
        self,
        base_url: str,
        *,
        token: str | None = None,
        patience: Patience = USUAL,
        timeout_s: float = 10.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """`token` is a staff key, or what signing in returned; `transport` is another one than the network's."""
        self._http = httpx.Client(base_url=base_url, timeout=timeout_s, transport=transport, trust_env=False)
        self._patience = patience
        self._signer: tuple[str, Sign] | None = None
        self.token = token
        self.seen: str | None = None
        """The consistency token of the last write; reads carry it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def send(self, call: Call[V]) -> Answer[V]:
        """Send a call, again while its outcome is unknown, and return what was said.

        A person's token that has ended is renewed once by their wallet. Raises ApiProblem, and httpx.TransportError
        when nobody answered in time.
        """
        trying, renewed = self._patience.begin(), False
        while True:
            try:
                return self._once(call)
            except NotSignedIn:
                if self._signer is None or renewed or call.operation.startswith(("sign_in", "request_nonce")):
                    raise
                renewed = True
                self.sign_in(*self._signer)
            except (httpx.TransportError, ApiProblem) as failure:
                time.sleep(trying.pause_s(failure))

    def _once(self, call: Call[V]) -> Answer[V]:
        headers = call.headers(token=self.token, seen=self.seen)
        reply = self._http.request(call.method, call.path, params=call.query, content=call.body, headers=headers)
        told = answer(call, reply.status_code, reply.headers, reply.content)
        self.seen = reply.headers.get("consistency-token", self.seen)
        return told

    def pages(self, call: Call[V]) -> Iterator[V]:
        """Yield the pages of a list, one after the other, to its end."""
        while True:
            page = self.send(call).view
            yield page
            following = getattr(page, "next", None)
            if following is None:
                return
            call = call.after(str(following))

    def items(self, call: Call[V]) -> Iterator[object]:
        """Yield everything that a list has, over all its pages."""
        for page in self.pages(call):
            yield from items_of(page)

    def sign_in(self, address: str, sign: Sign) -> SignedIn:
        """Sign in with a wallet; from now on calls are this person's. `sign` is asked again when the token ends."""
        nonce = self.send(wallets.request_nonce()).view
        text = message(nonce, address)
        said = self.send(wallets.sign_in_with_ethereum(SignIn(message=text, signature=sign(text)))).view
        self.token, self._signer = said.token, (address, sign)
        return said

    def follow(self, order_id: str) -> Iterator[LiveOrder]:
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
                with self._http.stream("GET", call.path, headers=headers, timeout=60.0) as reply:
                    if reply.status_code == 204:
                        return
                    if reply.status_code >= 400:
                        raise problem_of(reply.status_code, reply.headers, reply.read())
                    for line in reply.iter_lines():
                        for event in lines.take(line):
                            trying = self._patience.begin()
                            order = LiveOrder.model_validate_json(event.data, extra="ignore")
                            yield order
                            if order.status in OVER:
                                return
            except NotSignedIn:
                if self._signer is None:
                    raise
                self.sign_in(*self._signer)
                continue
            except (httpx.TransportError, ApiProblem) as failure:
                time.sleep(trying.pause_s(failure))
                continue
            time.sleep(lines.retry_ms / 1000)
