"""What leaves watched accounts: the value and fees of their own transactions, and what tokens' logs take from them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from shared.adapters.evm.node import FullBlock, Log, Receipt, Transaction, number_of
from shared.kernel.money import Asset
from shared.payments.chain import NodeUntrusted, Outflow, Watch


def sent_by(blocks: Sequence[FullBlock], watched: Watch) -> dict[str, Transaction]:
    """Return the transactions that watched accounts signed, by txid."""
    return {
        transaction.hash: transaction
        for block in blocks
        for transaction in block.transactions
        if transaction.sender.lower() in watched
    }


def native_outflow(asset: Asset, transaction: Transaction, receipt: Receipt) -> Outflow:
    """Return what a transaction took from its sender: a failed one takes its fees alone."""
    value = number_of(transaction.value) if receipt.status == "0x1" else 0
    fees = number_of(receipt.gas_used) * number_of(receipt.effective_gas_price) + number_of(receipt.l1_fee or "0x0")
    blobs = number_of(receipt.blob_gas_used or "0x0") * number_of(receipt.blob_gas_price or "0x0")
    return Outflow(asset, transaction.hash, transaction.sender.lower(), value + fees + blobs)


def token_outflows(
    logs: Sequence[Log], asset_by_contract: Mapping[str, Asset], watched: Watch
) -> list[tuple[str, Outflow]]:
    """Return (block hash, outflow) for every watched account that tokens went out of, added up by transaction."""
    taken: defaultdict[tuple[str, Asset, str, str], int] = defaultdict(int)
    for log in logs:
        sender, units = sender_of(log), number_of(log.data)
        if units and sender in watched:
            taken[log.block_hash, asset_by_contract[log.address.lower()], log.transaction_hash, sender] += units
    return [(block_hash, Outflow(asset, txid, by, units)) for (block_hash, asset, txid, by), units in taken.items()]


def sender_of(log: Log) -> str:
    """Return the account that a Transfer log takes from. Raises NodeUntrusted where it is none of ERC-20."""
    if len(log.topics) != 3 or len(log.data) != 66:
        raise NodeUntrusted(f"{log.address} wrote a Transfer that is none of ERC-20")
    return "0x" + log.topics[1][26:].lower()
