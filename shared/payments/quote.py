"""The signed quote: a client can check what it is told to pay, long after and without us."""

from datetime import datetime

import msgspec

from shared.kernel.ids import PaymentId
from shared.kernel.money import Fiat
from shared.payments.facts import Quote
from shared.payments.ports import LockedQuote, PayableChain, QuoteSigner


def message(quote: Quote) -> bytes:
    """Return what is signed: the quote as UTF-8 JSON without `signature`, keys sorted, no blanks, no nulls."""
    told = quote.model_dump(mode="json", exclude={"signature"}, exclude_none=True)
    return msgspec.json.encode(told, order="sorted")


def signed_quote(
    payment_id: PaymentId,
    locked: LockedQuote,
    *,
    price: Fiat,
    chain: PayableChain,
    address: str,
    expires_at: datetime,
    signer: QuoteSigner,
) -> Quote:
    """Return the quote of a payment, signed over payment, chain, token, address, amount, rate and expiry."""
    quote = Quote(
        payment_id=payment_id,
        chain=chain.name,
        asset=locked.amount.asset,
        contract=chain.contracts[locked.amount.asset],
        address=address,
        amount=locked.amount.units,
        price=price,
        rate=locked.rate,
        feeds=locked.feeds,
        locked_at=locked.locked_at,
        expires_at=expires_at,
        left_out=locked.left_out or None,
        spread_bp=locked.spread_bp or None,
        key_id=signer.key_id,
    )
    return quote.model_copy(update={"signature": signer.sign(message(quote))})
