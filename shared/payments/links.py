"""Payment links: what a QR code says and a wallet opens. Sources: BIP-21, EIP-681."""

from shared.kernel.errors import Bug
from shared.kernel.money import Asset, whole
from shared.payments.model import Payment


def link(payment: Payment) -> str:
    """Return the link that asks a wallet to pay exactly what is missing; what is due once nothing is."""
    asked = max(payment.due - payment.received, 0) or payment.due
    kind, _, chain_id = payment.chain.partition(":")
    if payment.asset == Asset.BTC:
        return f"bitcoin:{payment.address}?amount={whole(asked, payment.asset.decimals)}"
    if kind != "evm":
        raise Bug(f"no link for {payment.asset} on {payment.chain}")
    contract = payment.quote.contract
    if contract is None:
        return f"ethereum:{payment.address}@{chain_id}?value={asked}"
    return f"ethereum:{contract}@{chain_id}/transfer?address={payment.address}&uint256={asked}"
