"""What the platform's books say of a person's coins, and which coins are the platform's to move."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from shared.adapters.postgres.database import Database, Sql
from shared.kernel.ids import OrderId, PaymentId, RefundId, ShopId, UserId
from shared.kernel.money import Asset, Money
from shared.wallets.chain_model import Signed, Transaction

_PAYMENTS: Final = Sql(
    "select payment_id, order_id, shop_id, chain, asset, address, transfers::text, refunds::text from payments"
    " where customer_id = :user_id and (:before::text is null or payment_id < :before::text)"
    " order by payment_id desc limit :limit::int"
)
_OURS: Final = Sql(
    "select exists (select from hot_wallet_slots where chain = :chain and slot = any(:slots::text[]))"
    " or exists (select from hot_wallet_slots where chain = :chain and slot like :account::text)"
    " or exists (select from watched_addresses where chain = :chain and watch_key = any(:keys::text[]))"
)


class PostgresPersonBooks:
    """Fulfils `shared.wallets.chain_ports.Books`."""

    def __init__(self, db: Database, *, hot_wallets: Sequence[str] = ()) -> None:
        """`hot_wallets` has the watch keys of those that are named in the settings."""
        self._db = db
        self._hot_wallets = frozenset(hot_wallets)

    async def of_person(
        self, user_id: UserId, *, before: PaymentId | None, limit: int
    ) -> tuple[Sequence[Transaction], PaymentId | None]:
        """Return the transactions of a page of a person's payments, newest payment first."""
        rows = await self._db.run(_PAYMENTS, user_id=user_id, before=before, limit=limit + 1)
        shown = [each for row in rows[:limit] for each in _told(row)]
        return shown, PaymentId(rows[limit - 1][0]) if len(rows) > limit else None

    async def is_ours(self, signed: Signed) -> bool:
        """Return whether it spends a hot wallet's coins or nonces, or what lies at a receive address."""
        keys = [*signed.scripts, *([signed.sender] if signed.sender else [])]
        if self._hot_wallets & set(keys):
            return True
        account = f"{signed.sender}:%" if signed.sender else None
        params = {"chain": signed.chain, "slots": list(signed.slots), "account": account, "keys": keys}
        ((ours,),) = await self._db.run(_OURS, **params)
        return bool(ours)


def _told(row: Sequence[Any]) -> Iterator[Transaction]:
    payment_id, order_id, shop_id, chain, asset, address, transfers, refunds = row
    ids = {"payment_id": PaymentId(payment_id), "order_id": OrderId(order_id), "shop_id": ShopId(shop_id)}
    for each in json.loads(transfers):
        if each.get("gas"):
            continue
        block = each.get("inclusion")
        yield Transaction(
            kind="payment",
            chain=chain,
            txid=each["txid"],
            amount=Money(asset=Asset(each.get("asset") or asset), units=int(each["units"])),
            address=address,
            state="live" if each["live"] else "lost",
            height=block["height"] if block else None,
            at=datetime.fromisoformat(each["seen_at"]),
            **ids,
        )
    for each in json.loads(refunds):
        signed, mined = each.get("signed") or [], each.get("mined")
        yield Transaction(
            kind="refund",
            chain=chain,
            txid=(mined or (signed[-1] if signed else {})).get("txid"),
            amount=Money(asset=Asset(each["amount"]["asset"]), units=int(each["amount"]["units"])),
            address=each["to"],
            refund_id=RefundId(each["refund_id"]),
            state=each["state"],
            height=mined.get("height") if mined else None,
            at=datetime.fromisoformat(each["requested_at"]),
            **ids,
        )
