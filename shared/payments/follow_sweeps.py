"""follow_sweeps: plans come further as the chain shows them: seen, confirmed, final, or dropped after a week."""

from collections import defaultdict
from functools import partial

from shared.kernel.decision import By
from shared.kernel.ids import PaymentId
from shared.kernel.money import Asset
from shared.payments import sweeps as rules
from shared.payments.sweep_model import Sweep
from shared.payments.sweep_ports import SweepChain, Sweeping
from shared.payments.sweep_values import SweepState
from shared.payments.sweeps import LIFETIME, Went, keys_of


async def follow_sweeps(*, by: By, using: Sweeping) -> int:
    """Return how many sweeps came further. What the chain takes back is taken back here, until it is final."""
    changed = 0
    for name, chain in using.chains.items():
        for sweep in await using.store.open(name):
            cursor = await using.store.cursor(name)
            if cursor is None:
                continue
            went = await (_by_outputs if chain.outputs else _by_accounts)(sweep, chain, using)
            now = using.clock.now()
            if not went and sweep.state is SweepState.PLANNED and now - sweep.planned_at <= LIFETIME:
                continue
            rule = partial(rules.follow, went=went, native=chain.native, final_height=cursor[1], now=now)
            stored = await using.store.advance(sweep.sweep_id, rule, by=by, now=now)
            changed += stored.state.changed_at == now
    return changed


async def _by_outputs(sweep: Sweep, chain: SweepChain, using: Sweeping) -> dict[PaymentId, Went]:
    """Return what left by the transactions of the plan: unsigned they have the txids that they have when signed."""
    height_by_txid = await chain.whereabouts(tuple(sweep.txids.values()))
    went: dict[PaymentId, Went] = {}
    for coin in sweep.plan.coins:
        txid = sweep.txids[coin.transaction]
        if txid in height_by_txid:
            went[coin.payment_id] = Went(txid, coin.units, coin.fee, height_by_txid[txid])
    return went


async def _by_accounts(sweep: Sweep, chain: SweepChain, using: Sweeping) -> dict[PaymentId, Went]:
    """Return what left the addresses as the watcher saw it, where it is what was planned.

    The Ether of a sweep leaves with its gas: what is more than the planned value is the fee. A token's gas leaves in
    the same transaction.
    """
    coins = keys_of(sweep.plan.coins)
    left: defaultdict[tuple[str, str], dict[Asset, tuple[int, int]]] = defaultdict(dict)
    for key, txid, asset, units, height in await using.store.outflows(sweep.chain, tuple(coins)):
        left[key, txid][asset] = (units, height)
    went: dict[PaymentId, Went] = {}
    for (key, txid), by_asset in left.items():
        coin = coins[key]
        units, height = by_asset.get(sweep.asset, (0, 0))
        if sweep.asset == chain.native:
            fee = units - (coin.units - coin.fee)
            if 0 < fee <= coin.fee:
                went[coin.payment_id] = Went(txid, units, fee, height)
        elif units == coin.units:
            fee = by_asset.get(chain.native, (0, height))[0]
            went[coin.payment_id] = Went(txid, units, fee, height)
    return went
