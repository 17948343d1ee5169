"""get_wallet_balances: what a linked wallet holds, each chain at one block."""

import asyncio

from shared.kernel.decision import By
from shared.kernel.errors import NotFound, Transient
from shared.kernel.ids import UserId, WalletId
from shared.kernel.money import Money
from shared.kernel.reply import Reply
from shared.wallets.chain_model import ChainBalances, WalletBalances
from shared.wallets.chain_ports import Chains, Holdings, NotServed
from shared.wallets.model import Wallet


async def get_wallet_balances(wallet_id: WalletId, *, by: By, using: Chains) -> Reply[WalletBalances]:
    """Return what the wallet holds on its chains: a key's on every EVM chain, a contract's on its own.

    A chain whose node can't tell says so, and the others are told. Raises NotFound.
    """
    stored = await using.people.person(UserId(by.actor))
    wallet = next((each for each in stored.state.wallets if each.wallet_id == wallet_id), None) if stored else None
    if wallet is None:
        raise NotFound("There is no such wallet of yours.")
    asked = [holdings for name, holdings in sorted(using.holdings.items()) if is_on(wallet, name)]
    chains = await asyncio.gather(*(_told(holdings, wallet.address) for holdings in asked))
    return Reply(WalletBalances(wallet_id=wallet_id, address=wallet.address, chains=tuple(chains)))


def is_on(wallet: Wallet, chain: str) -> bool:
    """Return whether the wallet's address means something on this chain."""
    return chain == wallet.chain or (wallet.kind == "eoa" and chain.startswith("evm:"))


async def _told(holdings: Holdings, address: str) -> ChainBalances:
    try:
        held = await holdings.held(address)
    except NotServed:
        return ChainBalances(chain=holdings.name, unavailable="The node of this chain keeps no index of addresses.")
    except Transient as failed:
        return ChainBalances(
            chain=holdings.name, unavailable=f"The node of this chain does not answer ({failed.type})."
        )
    balances = tuple(Money(asset=asset, units=units) for asset, units in sorted(held.units.items()))
    return ChainBalances(chain=holdings.name, height=held.height, block_hash=held.block_hash, balances=balances)
