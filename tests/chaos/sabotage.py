"""Harm done on purpose to a database at rest: what the oracle must find, or it finds nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from shared.adapters.postgres.database import Connection

_PAID: Final = (
    "select payment_id from payments where final and not expired and amount = 'exact'"
    " and jsonb_array_length(transfers) = 1 order by payment_id limit 1"
)


def _unguarded(connection: Connection, table: str) -> None:
    connection.execute(f"alter table {table} disable trigger user")


def posting(connection: Connection) -> None:
    """Delete one posting."""
    _unguarded(connection, "ledger_postings")
    connection.execute(
        "delete from ledger_postings where ctid = (select ctid from ledger_postings where account = 'settled' limit 1)"
    )


def swallow(connection: Connection) -> None:
    """Forget a transfer: in the payment's row, and in the ledger."""
    for table in ("ledger_postings", "ledger_entries"):
        _unguarded(connection, table)
        connection.execute(f"delete from {table} where payment_id = ({_PAID})")
    connection.execute(
        "update payments set transfers = '[]', settled = false, final = false, amount = 'none', timing = 'none',"
        f" finality = 'none', included = 0, highest = null where payment_id = ({_PAID})"
    )


def credit(connection: Connection) -> None:
    """Credit a transfer twice, in entries that balance."""
    one = f"(select min(version) from ledger_entries where payment_id = ({_PAID}))"
    connection.execute(
        "insert into ledger_entries (payment_id, version, event_id, type, merchant_id, shop_id, at)"
        " select payment_id, 1000, 'evt_forged', type, merchant_id, shop_id, at from ledger_entries"
        f" where payment_id = ({_PAID}) and version = {one}"
    )
    connection.execute(
        "insert into ledger_postings (payment_id, version, book, asset, account, units, merchant_id, shop_id, at)"
        " select payment_id, 1000, book, asset, account, units, merchant_id, shop_id, at from ledger_postings"
        f" where payment_id = ({_PAID}) and version = {one}"
    )


def order(connection: Connection) -> None:
    """Lose an order that a customer was told of."""
    connection.execute("delete from orders where order_id = (select min(order_id) from orders)")


def confirmation(connection: Connection) -> None:
    """Confirm an order a second time."""
    connection.execute(
        "insert into events (stream, version, id, type, body, prev_hash, hash, merchant_id, region, actor, correlation,"
        " causation, at) select stream, 1000, 'evt_forged', type, body, prev_hash, hash, merchant_id, region, actor,"
        " correlation, causation, at from events where type = 'order.confirmed.v1' limit 1"
    )


def block(connection: Connection) -> None:
    """Skip a block."""
    connection.execute(
        "delete from chain_blocks where ctid = (select ctid from chain_blocks where height < (select height from"
        " chain_cursors c where c.chain = chain_blocks.chain) and height > (select final_height from chain_cursors c"
        " where c.chain = chain_blocks.chain) limit 1)"
    )


def refund(connection: Connection) -> None:
    """Say of a refund that reached its address that it was declined."""
    connection.execute(
        "update payments set refunds = jsonb_set(refunds, '{0,state}', '\"declined\"') where payment_id = ("
        "select payment_id from payments where refunds->0->>'state' = 'confirmed' order by payment_id limit 1)"
    )


KINDS: Final[Mapping[str, tuple[Callable[[Connection], None], str]]] = {
    "posting": (posting, "unbalanced"),
    "swallow": (swallow, "lost"),
    "credit": (credit, "doubled"),
    "order": (order, "lost"),
    "confirmation": (confirmation, "doubled"),
    "block": (block, "lost"),
    "refund": (refund, "doubled"),
}
"""Each kind of harm, and the part of the verdict that must name it."""
