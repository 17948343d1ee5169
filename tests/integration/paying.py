"""What tests of payments start from: a shop with account keys, orders, a price, and watchers of the real chains."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from os import urandom
from typing import cast

from emulators import bitcoin as bitcoin_engine
from emulators import ethereum as ethereum_engine
from emulators.merchant_keys import MerchantAccount
from shared.adapters.account_keys import SealedAccountKeys
from shared.adapters.bitcoin.chain import BitcoinChain
from shared.adapters.evm.chain import EvmChain
from shared.adapters.postgres.address_pool import PostgresAddressPool
from shared.adapters.postgres.chain_books import PostgresBooks
from shared.adapters.postgres.chain_cursors import PostgresCursors, PostgresReceivers
from shared.adapters.postgres.database import Connection, Database, Sql
from shared.adapters.postgres.payment_terms import PostgresPayableOrders, PostgresQuotes
from shared.adapters.postgres.payments import PostgresPayments
from shared.adapters.postgres.prices import PostgresPrices
from shared.adapters.postgres.replay import replay
from shared.adapters.quote_signing import Ed25519Quotes
from shared.adapters.receive_addresses import DerivedAddresses
from shared.adapters.sealing import Sealer
from shared.kernel.clock import SystemClock
from shared.kernel.decision import AlreadyTaken, By, Claim, Taking
from shared.kernel.encoding import to_json
from shared.kernel.facts import GENESIS
from shared.kernel.ids import OrderId, PaymentId, UserId
from shared.kernel.money import Asset
from shared.orders.create_order import create_order
from shared.orders.model import OrderView
from shared.payments.chain import BlockRef, Chain, MempoolChain
from shared.payments.confirm_block import confirm_block
from shared.payments.expire_payments import expire_payments
from shared.payments.facts import BlockScanned
from shared.payments.generate_payment_address import generate_payment_address
from shared.payments.get_payment import get_payment
from shared.payments.looking import Looking
from shared.payments.model import PaymentView, RequestPayment
from shared.payments.ports import Confirming, Payments, Requesting
from shared.payments.token_guard import TokenGuard
from shared.payments.two_nodes import TwoBalanceNodes, TwoNodes
from shared.payments.watch import Watcher, Watching
from shared.prices.model import Pair, Reading
from shared.prices.rates import rate_of
from shared.settings import ChainSettings, ChainsSettings, PostgresSettings, QuoteSigningSettings, SealingSettings
from shared.shops.model import Family
from shared.wiring.chains import bitcoin_chain, evm_chain
from shared.wiring.payments import payable
from tests.integration.ordering import Ordering, customer

SHOP = Sql(
    "insert into shops (shop_id, merchant_id, name, address, latitude, longitude, timezone, currency, accepts, payout,"
    " confirmations, weekly, registered_at, version, head) values (:shop_id, :merchant_id, 'Bohne', 'Torstr. 1', 52.5,"
    " 13.4, 'Europe/Berlin', 'EUR', :accepts::text[], :payout::jsonb, :confirmations::jsonb, '[]',"
    " '2026-05-06T12:00:00Z', 1, :head::bytea)"
)
BLOCKS = Sql(
    "select event_id, convert_from(body, 'UTF8') from outbox where topic = 'payment-events'"
    " and convert_from(body, 'UTF8') like '%payment.block_scanned.v1%' and seq > :after::bigint order by seq"
)
LAST = Sql("select coalesce(max(seq), 0) from outbox")
TYPES = Sql("select type from events where stream = :id order by version")
RATES = {Asset.BTC: "59000", Asset.ETH: "2963.1", Asset.USDC: "0.9259", Asset.USDT: "0.9261"}
_keys = count(1)


def both(bitcoin_env: dict[str, str] | None, evm_env: dict[str, str] | None) -> tuple[ChainSettings, ...]:
    """Return the settings of the chains that run."""
    chains = bitcoin_engine.chain(bitcoin_env) if bitcoin_env else {}
    chains |= ethereum_engine.chain(evm_env) if evm_env else {}
    return ChainsSettings.from_env({"CHAINS": json.dumps(chains)}).chains


class Paying:
    """A shop that is paid, on a database and chains of the test's own."""

    def __init__(self, url: str, chains: Sequence[ChainSettings], confirmations: dict[str, int] | None = None) -> None:
        self.url = url
        self.db = Database(PostgresSettings(url))
        self.chains = {chain.name: chain for chain in chains}
        self.ordering = Ordering(url)
        self.orders = replace(self.ordering.orders, clock=SystemClock())
        self.store = PostgresPayments(self.db, region="test")
        self.payments = Payments(self.store, SystemClock())
        self.confirming = Confirming(self.store, PostgresQuotes(self.db), SystemClock())
        self.confirmations = confirmations or {}
        self.accepts: tuple[Asset, ...] = tuple(RATES)
        self.signer = Ed25519Quotes(QuoteSigningSettings(urandom(32)))
        self.account_keys = keys = SealedAccountKeys(Sealer(SealingSettings(urandom(32))), bitcoin_network="regtest")
        shop_id, seed = self.ordering.shop.shop_id, urandom(64)
        self.bitcoin_account = MerchantAccount.of("bitcoin", 0, seed)
        self.evm_account = MerchantAccount.of("evm", 0, seed)
        self.payout = {
            Family.BITCOIN: keys.seal(shop_id, Family.BITCOIN, self.bitcoin_account.xpub),
            Family.EVM: keys.seal(shop_id, Family.EVM, self.evm_account.xpub),
        }
        self.requesting = Requesting(
            store=self.store,
            orders=PostgresPayableOrders(self.db),
            quotes=PostgresQuotes(self.db),
            signer=self.signer,
            account_keys=DerivedAddresses(keys, chains),
            pool=PostgresAddressPool(self.db),
            chains=tuple(payable(chain) for chain in chains),
            clock=SystemClock(),
        )
        self._nodes: list[BitcoinChain | EvmChain] = []
        self._watchers: dict[str, Watcher] = {}
        self._confirmed = 0

    async def opened(self) -> Paying:
        """Open the shop, stock it and publish prices."""
        shop = self.ordering.shop
        await self.db.run(
            SHOP,
            shop_id=shop.shop_id,
            merchant_id=shop.merchant_id,
            accepts=list(self.accepts),
            payout=to_json({family.value: account.model_dump() for family, account in self.payout.items()}),
            confirmations=to_json(self.confirmations),
            head=GENESIS,
        )
        await self.ordering.stocked(10_000)
        await self.priced()
        return self

    async def priced(self, at: datetime | None = None) -> None:
        """Publish the price of every asset as of now, or of `at`."""
        await self._publish(RATES, at or SystemClock().now())

    async def priced_also(self, asset: Asset, rate: str) -> None:
        """Publish the price of one more asset."""
        await self._publish({asset: rate}, SystemClock().now())

    async def _publish(self, in_euro: Mapping[Asset, str], now: datetime) -> None:
        pairs = [(Pair(asset, "EUR"), Decimal(rate)) for asset, rate in in_euro.items()]
        pairs += [(Pair(asset, "USD"), Decimal(rate) * Decimal("1.08")) for asset, rate in in_euro.items()]
        rates = [rate_of(pair, [Reading("a", rate, now), Reading("b", rate, now)], now=now) for pair, rate in pairs]
        await PostgresPrices(self.db, region="test").record(rates, by=By("poll_prices"), now=now)

    async def closed(self) -> None:
        """Close the connections to the nodes and the database."""
        for node in self._nodes:
            await node.close()
        self.db.close()
        self.ordering.db.close()

    async def ordered(self, who: UserId | None = None) -> tuple[OrderView, By]:
        """Place an order for a flat white; return it with who did."""
        by = customer(f"order-{next(_keys)}", who=who)
        return (await create_order(self.ordering.wanted(), by=by, using=self.orders)).view, by

    async def request(
        self, order_id: OrderId, by: By, asset: Asset, *, key: str | None = None, chain: str | None = None
    ) -> PaymentView:
        """Ask for an address to pay the order to."""
        body = f"{asset} {chain}".encode()
        claim = Claim(by.actor, f"POST /v1/orders/{order_id}/payments", key or f"pay-{next(_keys)}", body)
        command = RequestPayment(asset=asset, chain=chain)
        reply = await generate_payment_address(order_id, command, by=replace(by, once=claim), using=self.requesting)
        return reply.view

    async def requested(self, asset: Asset) -> PaymentView:
        """Place an order and ask for an address to pay it to."""
        order, by = await self.ordered()
        return await self.request(order.order_id, by, asset)

    def node(self, chain: str) -> BitcoinChain | EvmChain:
        """Return a view of the chain of its own."""
        settings = self.chains[chain]
        node: BitcoinChain | EvmChain
        node = bitcoin_chain(settings) if settings.kind == "bitcoin" else evm_chain(settings)
        self._nodes.append(node)
        return node

    def watcher(
        self,
        chain: str,
        *,
        node: Chain | None = None,
        db: Database | None = None,
        lease_s: float = 20,
        range_blocks: int = 100,
        budget_s: float = 20,
    ) -> Watcher:
        """Return a fresh watcher of the chain, as another process would have it."""
        reader = node or self.node(chain)
        db = db or self.db
        cursors, books = PostgresCursors(db, region="test", lease_s=lease_s), PostgresBooks(db)
        accounts = reader if isinstance(reader, EvmChain | TwoBalanceNodes) else None
        watching = Watching(
            node=reader,
            cursors=cursors,
            receivers=PostgresReceivers(db),
            clock=SystemClock(),
            range_blocks=range_blocks,
            budget_s=budget_s,
            looking=Looking(accounts, books) if accounts else None,
            guard=TokenGuard(accounts, books, cursors) if accounts else None,
            pair=reader if isinstance(reader, TwoNodes) else None,
        )
        return Watcher(watching, mempool=cast(MempoolChain, reader) if chain == "bitcoin" else None)

    async def scan(self, chain: str) -> None:
        """Run a pass of the test's watcher of the chain."""
        watcher = self._watchers.get(chain)
        if watcher is None:
            watcher = self._watchers[chain] = self.watcher(chain)
        assert await watcher.run(by=By(f"watch_{chain}"))

    async def confirm(self) -> int:
        """Call confirm_block with every scanned block it was not called with yet, each twice."""
        changed = 0
        rows = await self.db.run(BLOCKS, after=self._confirmed)
        self._confirmed = (await self.db.run(LAST))[0][0]
        for event_id, body in rows:
            fact = BlockScanned.model_validate(json.loads(body)["data"])
            by = By("confirm_block", once=Taking("confirm_block", event_id))
            changed += await confirm_block(fact, by=by, using=self.confirming)
            try:
                await confirm_block(fact, by=by, using=self.confirming)
            except AlreadyTaken:
                continue
            raise AssertionError("an event was taken twice")
        return changed

    async def settle(self, chain: str) -> None:
        """Scan the chain and decide about its payments."""
        await self.scan(chain)
        await self.confirm()

    async def expire(self) -> int:
        """Let go of what is over."""
        return await expire_payments(by=By("expire_payments"), using=self.payments)

    async def payment(self, payment_id: PaymentId) -> PaymentView:
        """Return the payment as its shop sees it."""
        found = await self.store.load(payment_id)
        assert found is not None
        by = By(found.state.customer_id)
        return (await get_payment(payment_id, by=by, using=self.payments)).view

    async def facts(self, stream: str) -> list[str]:
        """Return the types of a stream's facts, without prefix and version: ['requested', 'seen', …]."""
        return [str(type_).split(".")[1] for (type_,) in await self.db.run(TYPES, id=stream)]

    async def past(self, payment_id: PaymentId, by: timedelta) -> None:
        """Let the payment's expiry lie so far in the past, in its row alone."""
        await self.db.run(
            Sql("update payments set expires_at = clock_timestamp() - :by::text::interval where payment_id = :id"),
            id=payment_id,
            by=f"{by.total_seconds()} seconds",
        )

    async def replayed(self) -> list[str]:
        """Return how payments differ from a replay of their facts; the shop of these tests has none."""

        def work(connection: Connection) -> list[str]:
            return [each for each in replay(connection).differences if each.startswith(("pay_", "payments", "chain"))]

        return await self.db.call(work)

    async def cursor(self, chain: str) -> BlockRef:
        """Return the block that the chain was read to."""
        rows = await self.db.run(CURSOR, chain=chain)
        return BlockRef(chain, rows[0][0], rows[0][1])


CURSOR = Sql("select height, block_hash from chain_cursors where chain = :chain")
