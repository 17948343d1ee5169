"""The hot wallets of the local chains: the platform's own, filled at each start so that refunds can be paid.

Only what is missing is added. On Bitcoin it comes in many coins, because one that is used up is back as change only
when that is final. What `fund` needs is imported late: the addresses are needed before anything starts.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from functools import cache, partial
from typing import TYPE_CHECKING

from emulators import ethereum
from emulators.bitcoin import FAUCET
from emulators.component import wait_until
from emulators.json_rpc import call
from shared.kernel.money import Money
from shared.settings import ChainSettings, ChainsSettings, SigningSettings

if TYPE_CHECKING:
    from shared.wiring.signing import OpenWallet

COINS = 20
COIN_SATOSHI = 5_000_000
WEI = 100 * 10**18
TOKEN_UNITS = 1_000_000 * 10**6
_ISSUE_BY_TOKEN = {ethereum.USDC.lower(): ethereum.MINT, ethereum.USDT.lower(): ethereum.ISSUE}


def fund(env: Mapping[str, str]) -> str:
    """Fill what is less than half full, and return where the wallets are and what they hold."""
    return asyncio.run(filled(env))


def told(chains: str, signing: str) -> str:
    """Return CHAINS with the address of each chain's hot wallet, for those who watch it without its key."""
    found: dict[str, dict[str, object]] = json.loads(chains)
    address_by_family = _addresses(signing)
    for chain in found.values():
        chain["hot_wallet"] = address_by_family[str(chain["kind"])]
    return json.dumps(found)


@cache
def _addresses(signing: str) -> dict[str, str]:
    """Return where the local keys are paid, by family: native segwit on regtest, the EVM account."""
    from coincurve import PrivateKey
    from embit.hashes import hash160

    from shared.adapters.bitcoin.address import BitcoinAddresses
    from shared.adapters.evm.address import EvmAddresses
    from shared.adapters.evm.keccak import keccak256

    keys = SigningSettings.from_env({"SIGNING": signing}).key_by_family
    bitcoin, evm = (PrivateKey(keys[family].key).public_key for family in ("bitcoin", "evm"))
    return {
        "bitcoin": BitcoinAddresses("regtest").text(f"0014{hash160(bitcoin.format()).hex()}"),
        "evm": EvmAddresses().text("0x" + keccak256(evm.format(compressed=False)[1:])[12:].hex()),
    }


async def filled(env: Mapping[str, str]) -> str:
    """Do what `fund` does, in the caller's event loop."""
    from shared.wiring.signing import wallets_of

    chains = ChainsSettings.from_env(env)
    wallets = wallets_of(chains, SigningSettings.from_env(env))
    settings_by_name = {chain.name: chain for chain in chains.chains}
    try:
        return "; ".join([await _filled(wallet, settings_by_name[wallet.chain]) for wallet in wallets])
    finally:
        for wallet in wallets:
            await wallet.close()


async def _filled(wallet: OpenWallet, chain: ChainSettings) -> str:
    """Fill one wallet, and return its chain, address and balances."""
    address = await wallet.address()
    if chain.kind == "bitcoin":
        coins = call(f"{chain.rpc}/wallet/hot-{address.address}", "listunspent", 1) if await wallet.balances() else []
        if len(coins) < COINS // 2:
            pay_coins(chain.rpc, address.key, COINS - len(coins))
            miner = call(f"{chain.rpc}/wallet/{FAUCET}", "getnewaddress")
            call(chain.rpc, "generatetoaddress", chain.final_depth, miner)
    else:
        _fill_account(chain, address.key)
    held = [str(Money(asset=asset, units=units)) for asset, units in (await wallet.balances()).items()]
    return f"{chain.name} {address.address} {', '.join(held)}"


def pay_coins(rpc: str, script: str, count: int, satoshi: int = COIN_SATOSHI) -> str:
    """Pay equal coins to a script (hex) from the faucet in one transaction, not mined yet; return its txid."""
    output = satoshi.to_bytes(8, "little").hex() + f"{len(script) // 2:02x}{script}"
    faucet = f"{rpc}/wallet/{FAUCET}"
    # createrawtransaction, sendmany and send take no address twice, so the outputs are written here.
    funded = call(
        faucet, "fundrawtransaction", f"0200000000{count:02x}{output * count}00000000", {"fee_rate": 5}, False
    )
    signed = call(faucet, "signrawtransactionwithwallet", funded["hex"])
    return str(call(rpc, "sendrawtransaction", signed["hex"]))


def _fill_account(chain: ChainSettings, address: str) -> None:
    if int(call(chain.rpc, "eth_getBalance", address, "latest"), 16) < WEI // 2:
        call(chain.rpc, "anvil_setBalance", address, hex(WEI))
    argument = address[2:].rjust(64, "0")
    for token in chain.tokens:
        issue = _ISSUE_BY_TOKEN.get(token.contract.lower())
        question = {"to": token.contract, "data": f"0x70a08231{argument}"}
        if issue and int(call(chain.rpc, "eth_call", question, "latest"), 16) < TOKEN_UNITS // 2:
            _mined(chain.rpc, {"to": token.contract, "data": f"0x{issue}{argument}{TOKEN_UNITS:064x}"})


def _mined(rpc: str, transaction: dict[str, str]) -> None:
    txid = call(rpc, "eth_sendTransaction", {"from": ethereum.DEPLOYER, **transaction})
    there = partial(call, rpc, "eth_getTransactionReceipt", txid)
    wait_until(lambda: there() is not None, deadline_s=10, what="tokens in the hot wallet")
