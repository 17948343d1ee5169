"""Hot wallets whose node goes away in the middle: nothing is paid twice, and the same bytes are good afterwards."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from emulators import ethereum
from emulators.bitcoin import FAUCET
from emulators.component import Running
from emulators.hot_wallets import pay_coins
from emulators.json_rpc import call
from emulators.wallets import EvmWallet
from shared.adapters.bitcoin.address import BitcoinAddresses
from shared.adapters.bitcoin.hot_wallet import BitcoinHotWallet, BitcoinRules
from shared.adapters.bitcoin.spending_node import SpendingNode
from shared.adapters.evm.address import EvmAddresses
from shared.adapters.evm.chain import EvmChain
from shared.adapters.evm.hot_wallet import EvmHotWallet, EvmRules
from shared.adapters.evm.node import EvmNode
from shared.adapters.evm.spending_node import EvmSpendingNode
from shared.adapters.resilience import Limits
from shared.adapters.signing.local_key import LocalKey
from shared.kernel.errors import Transient
from shared.kernel.money import Asset
from shared.payments.chain import ReceiveAddress
from shared.payments.spending import HotWallet, Intent, Whereabouts
from tests.integration.lossy import Relay, relay
from tests.waiting import until

LIMITS = Limits(timeout_s=5, attempts=1, failures=10**6)
UNITS = 40_000


@dataclass(frozen=True)
class Place:
    """A hot wallet behind a lossy relay, and what a test does on its chain."""

    wallet: HotWallet
    lossy: Relay
    to: ReceiveAddress
    send: str
    received: Callable[[], int]
    mine: Callable[[], object]

    @property
    def intent(self) -> Intent:
        asset = Asset.BTC if self.wallet.chain == "bitcoin" else Asset.ETH
        return Intent("ref_1", self.wallet.chain, asset, self.to, UNITS)


@pytest.fixture(params=["bitcoin", "ethereum"])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    node: Running = request.getfixturevalue(request.param)
    opened = bitcoin_place if request.param == "bitcoin" else ethereum_place
    async with relay(node.env["BITCOIN_RPC_URL" if request.param == "bitcoin" else "EVM_RPC_URL"]) as lossy:
        place, close = await opened(node, lossy)
        yield place
        lossy.mend()
        await close()


async def bitcoin_place(node: Running, lossy: Relay) -> tuple[Place, Callable[[], Awaitable[None]]]:
    url = node.env["BITCOIN_RPC_URL"]
    faucet = f"{url}/wallet/{FAUCET}"
    wallet = BitcoinHotWallet(
        SpendingNode(lossy.url, target="bitcoin", limits=LIMITS),
        LocalKey(secrets.token_bytes(32)),
        BitcoinRules("regtest", final_depth=1),
    )

    def mine() -> object:
        return call(url, "generatetoaddress", 1, call(faucet, "getnewaddress"))

    to = BitcoinAddresses("regtest").parse(call(faucet, "getnewaddress"))
    pay_coins(url, (await wallet.address()).key, 2, 100_000)
    mine()
    received = lambda: round(call(faucet, "getreceivedbyaddress", to.address, 0) * 10**8)  # noqa: E731
    return Place(wallet, lossy, to, "sendrawtransaction", received, mine), wallet.close


async def ethereum_place(node: Running, lossy: Relay) -> tuple[Place, Callable[[], Awaitable[None]]]:
    url = node.env["EVM_RPC_URL"]
    wallet = EvmHotWallet(
        EvmSpendingNode(lossy.url, target="evm", limits=LIMITS),
        EvmChain(EvmNode(lossy.url, limits=LIMITS), chain_id=ethereum.CHAIN_ID, finality="depth:1"),
        LocalKey(secrets.token_bytes(32)),
        EvmRules(ethereum.CHAIN_ID, Asset.ETH, {}),
    )
    call(url, "anvil_setBalance", (await wallet.address()).address, hex(10**18))
    to = EvmAddresses().parse("0x" + secrets.token_hex(20))
    received = lambda: int(call(url, "eth_getBalance", to.address, "latest"), 16)  # noqa: E731
    miner = EvmWallet(url)
    return Place(wallet, lossy, to, "eth_sendRawTransaction", received, miner.mine), wallet.close


async def test_node_that_goes_away_between_any_two_calls_of_a_draft_costs_nothing(place: Place) -> None:
    place.lossy.lost_calls.add("")
    with pytest.raises(Transient):
        await place.wallet.draft(place.intent, taken=())
    place.lossy.mend()
    draft = await place.wallet.draft(place.intent, taken=())
    place.lossy.lost_calls.add("testmempoolaccept")
    if place.wallet.chain == "bitcoin":
        with pytest.raises(Transient):
            await place.wallet.sign(draft)
    place.lossy.mend()
    signed = await place.wallet.sign(draft)
    assert (await place.wallet.sign(draft)).txid == signed.txid
    assert place.received() == 0
    assert (await place.wallet.standing([signed]))[0].whereabouts is Whereabouts.UNKNOWN


async def test_broadcast_that_never_arrived_is_sent_again_and_one_whose_answer_was_lost_too(place: Place) -> None:
    signed = await place.wallet.sign(await place.wallet.draft(place.intent, taken=()))
    place.lossy.lost_calls.add(place.send)
    with pytest.raises(Transient):
        await place.wallet.broadcast(signed)
    assert (await place.wallet.standing([signed]))[0].whereabouts is Whereabouts.UNKNOWN
    place.lossy.mend()
    place.lossy.lost_answers.add(place.send)
    with pytest.raises(Transient):
        await place.wallet.broadcast(signed)
    place.lossy.mend()
    await place.wallet.broadcast(signed)
    place.mine()
    await until(lambda: place.received() > 0, "the payment")
    await place.wallet.broadcast(signed)
    place.mine()
    assert place.received() == UNITS
    [standing] = await place.wallet.standing([signed])
    assert (standing.whereabouts, standing.moved, standing.final) == (Whereabouts.MINED, UNITS, True)


async def test_standing_is_never_guessed_while_the_node_is_away(place: Place) -> None:
    signed = await place.wallet.sign(await place.wallet.draft(place.intent, taken=()))
    await place.wallet.broadcast(signed)
    place.lossy.lost_answers.add("")
    with pytest.raises(Transient):
        await place.wallet.standing([signed])
    place.lossy.mend()
    assert (await place.wallet.standing([signed]))[0].whereabouts is not Whereabouts.UNKNOWN


async def test_signature_that_was_never_stored_leaves_its_slots_to_others(place: Place) -> None:
    """Killed between signing and storing: the next draft may use the same slots, and only one can be paid."""
    forgotten = await place.wallet.sign(await place.wallet.draft(place.intent, taken=()))
    kept = await place.wallet.sign(await place.wallet.draft(place.intent, taken=()))
    assert set(forgotten.slots) & set(kept.slots)
    await place.wallet.broadcast(kept)
    place.mine()
    await until(lambda: place.received() > 0, "the payment")
    assert place.received() == UNITS
