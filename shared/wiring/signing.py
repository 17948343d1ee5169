"""The hot wallets, composed: one per chain of CHAINS whose family has a key in SIGNING.

Only functions whose entry `needs: [signing]` may import this.
"""

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import TypeAlias, TypeVar

from shared.adapters.bitcoin import hot_wallet as bitcoin
from shared.adapters.bitcoin.spending_node import SpendingNode
from shared.adapters.evm import hot_wallet as evm
from shared.adapters.evm.spending_node import EvmSpendingNode
from shared.adapters.signing.cloud_kms import CloudKms
from shared.adapters.signing.google_token import MetadataTokens
from shared.adapters.signing.local_key import LocalKey
from shared.kernel.money import Asset
from shared.payments.spending import HotWallet, Signer
from shared.settings import ChainSettings, ChainsSettings, KeySettings, Misconfigured, SigningSettings
from shared.wiring.chains import evm_chain

OpenWallet: TypeAlias = bitcoin.BitcoinHotWallet | evm.EvmHotWallet
P = TypeVar("P", bitcoin.FeePolicy, evm.FeePolicy)

REAL_CHAIN_IDS = frozenset({1, 10, 56, 100, 137, 250, 324, 1101, 8453, 42161, 43114, 59144, 534352})
"""EVM chains whose coins are worth something."""


@cache
def hot_wallets() -> tuple[HotWallet, ...]:
    """Return the hot wallets that refunds are paid from. Raises Misconfigured."""
    return wallets_of(ChainsSettings.from_env(), SigningSettings.from_env())


def wallets_of(chains: ChainsSettings, keys: SigningSettings) -> tuple[OpenWallet, ...]:
    """Return a wallet for each chain whose family has a key; chains of one family share its signer."""
    signer_by_family = {family: signer_of(key) for family, key in keys.key_by_family.items()}
    return tuple(
        _wallet(settings, signer_by_family[settings.kind], keys.key_by_family[settings.kind])
        for settings in chains.chains
        if settings.kind in signer_by_family
    )


def signer_of(key: KeySettings) -> Signer:
    """Return what signs with a key."""
    return LocalKey(key.key) if key.kind == "local" else CloudKms(key.key_version, MetadataTokens())


def _wallet(settings: ChainSettings, signer: Signer, key: KeySettings) -> OpenWallet:
    if key.kind == "local" and (settings.network == "main" or settings.chain_id in REAL_CHAIN_IDS):
        raise Misconfigured(f"SIGNING: a local key is for test networks; the coins on {settings.name} need one in KMS.")
    return _bitcoin(settings, signer) if settings.kind == "bitcoin" else _evm(settings, signer)


def _bitcoin(settings: ChainSettings, signer: Signer) -> OpenWallet:
    told = dict(settings.spending)
    born = int(told.pop("born", 0))
    rules = bitcoin.BitcoinRules(
        network=settings.network,
        final_depth=settings.final_depth,
        name=settings.name,
        fees=_policy(bitcoin.FeePolicy(), settings.name, told),
        address=settings.hot_wallet,
    )
    return bitcoin.BitcoinHotWallet(SpendingNode(settings.rpc, target=settings.name, born=born), signer, rules)


def _evm(settings: ChainSettings, signer: Signer) -> OpenWallet:
    rules = evm.EvmRules(
        chain_id=settings.chain_id,
        native=Asset(settings.native),
        contract_by_asset={Asset(token.symbol): token.contract.lower() for token in settings.tokens},
        fees=_policy(evm.FeePolicy(), settings.name, settings.spending),
        address=settings.hot_wallet,
    )
    node = EvmSpendingNode(settings.rpc, target=settings.name)
    return evm.EvmHotWallet(node, evm_chain(settings), signer, rules)


def _policy(usual: P, chain: str, told: Mapping[str, int]) -> P:
    """Return the fee policy with what the settings say otherwise. Raises Misconfigured."""
    known = {each.name for each in fields(usual)}
    for name, value in told.items():
        if name not in known or isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise Misconfigured(f"CHAINS: {chain} has a spending.{name} that is none: whole numbers, of {known}.")
    return type(usual)(**{each.name: told.get(each.name, getattr(usual, each.name)) for each in fields(usual)})
