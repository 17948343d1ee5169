"""Values of what people do on chains: balances of their wallets, their transactions, what they broadcast."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from shared.kernel.ids import OrderId, PaymentId, RefundId, ShopId, WalletId
from shared.kernel.money import Frozen, Money, Units


class ChainBalances(Frozen):
    """What a wallet holds on one chain, all of it after the same block; without a block, where its node can't tell."""

    chain: str
    height: int | None = None
    block_hash: str | None = None
    balances: tuple[Money, ...] = ()
    unavailable: str | None = Field(default=None, description="Why nothing is told of this chain")


class WalletBalances(Frozen):
    """What a wallet holds, by chain."""

    wallet_id: WalletId
    address: str
    chains: tuple[ChainBalances, ...]


class ListTransfers(Frozen):
    """Which part of a wallet's transfers."""

    wallet_id: WalletId
    chain: str | None = Field(default=None, pattern=r"^[a-z0-9:-]{1,40}$", examples=["evm:31337"])
    until: int | None = Field(default=None, ge=0, le=1 << 53, description="The highest block; the tip unless given")


class TokenTransfer(Frozen):
    """Tokens that came to a wallet, or left it."""

    txid: str
    log_index: int = Field(description="Of the log in its block")
    height: int
    direction: Literal["in", "out", "self"]
    amount: Money
    counterparty: str


class TransferPage(Frozen):
    """The transfers of a range of blocks, newest first; `next` is the `until` of the following page."""

    chain: str
    from_height: int | None = None
    to_height: int | None = None
    transfers: tuple[TokenTransfer, ...] = ()
    next: int | None = None
    unavailable: str | None = Field(default=None, description="Why nothing is told of this chain")


class ListTransactions(Frozen):
    """Which part of one's transactions."""

    cursor: PaymentId | None = None
    limit: int = Field(default=20, ge=1, le=100, description="Payments on a page, each with all of its transactions")


class Transaction(Frozen):
    """Coins that a person sent to pay, or was sent back. `height`: of the block that holds it, none while in none."""

    kind: Literal["payment", "refund"]
    chain: str
    txid: str | None = Field(default=None, description="None of a refund that was not sent yet")
    amount: Money
    address: str = Field(description="Where the coins went")
    payment_id: PaymentId
    order_id: OrderId
    shop_id: ShopId
    refund_id: RefundId | None = None
    state: str = Field(description="payment: live or lost. refund: as get_payment tells")
    height: int | None = None
    at: datetime


class TransactionPage(Frozen):
    """A page of transactions, those of the newest payment first; `next` is the cursor of the following page."""

    transactions: tuple[Transaction, ...]
    next: PaymentId | None = None


class BroadcastTransaction(Frozen):
    """A transaction that was signed elsewhere."""

    chain: str = Field(pattern=r"^[a-z0-9:-]{1,40}$", strict=True, examples=["evm:31337"])
    signed: str = Field(
        pattern=r"^(?:0x)?(?:[0-9a-fA-F]{2})+$",
        min_length=20,
        max_length=200_002,
        strict=True,
        description="Hex: of EIP-1559 on EVM chains, of BIP-144 on Bitcoin",
    )


class BroadcastView(Frozen):
    """A transaction that the network has."""

    chain: str
    txid: str
    size: int = Field(description="Bytes; on Bitcoin virtual ones")
    fee: Money = Field(description="What it costs at most")
    known: bool = Field(description="Whether the network had it before")


class Signed(Frozen):
    """What a signed transaction is, read from its bytes. `slots`: what it uses up, as hot wallets name it."""

    chain: str
    txid: str
    raw: str
    size: int
    fee: Units
    asset: str
    sender: str | None = None
    """EVM: who signed, in lower case."""
    slots: tuple[str, ...]
    scripts: tuple[str, ...] = ()
    """Bitcoin: whose coins it spends."""
