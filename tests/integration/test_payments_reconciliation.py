"""Ledger, facts and real chains, compared: nothing is named where nothing is wrong, each damage by its name."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from emulators.json_rpc import call
from shared.adapters.bitcoin.holdings import BitcoinHoldings
from shared.adapters.postgres.database import Sql
from shared.adapters.postgres.reconciliation import PostgresRuns
from shared.adapters.resilience import Limits
from shared.kernel.decision import By
from shared.kernel.errors import Fenced, Transient
from shared.kernel.money import Asset
from shared.payments import reconcile_payments as rule
from shared.payments.chain import BlockRef, ChainMoved
from shared.payments.reconcile_payments import Holdings, Outcome, Reading, reconcile_payments
from shared.payments.reconciliation import Difference, Kind
from shared.payments.reconciliation_chain import Receiver
from shared.payments.reconciliation_wallet import Wallet
from tests.integration.reconciling import BITCOIN, CLOSED, EVM, RUNS, World, named


async def test_what_is_right_is_named_by_nobody(world: World) -> None:
    await world.paid(Asset.BTC, Asset.ETH, Asset.USDC, Asset.USDT)
    assert await world.run() == []
    rows = await world.paying.db.run(RUNS)
    assert [(row[0], row[1], row[3], row[5]) for row in rows] == [
        ("books", "complete", 4, 0),
        (BITCOIN, "complete", 1, 0),
        (EVM, "complete", 3, 0),
    ]
    assert rows[0][4] == 8  # nobody had posted what was paid
    assert await world.run() == []
    assert (await world.paying.db.run(RUNS))[3][4] == 0


async def test_what_comes_late_in_parts_or_in_another_coin_is_no_difference(world: World) -> None:
    expired, part, other = [await world.paying.requested(Asset.USDC) for _ in range(3)]
    await world.paying.past(expired.payment_id, timedelta(days=2))
    await world.paying.scan(EVM)
    assert await world.paying.expire() == 1
    world.pay(Asset.USDC, expired.address, 5)
    world.pay(Asset.USDC, part.address, 7)
    world.pay(Asset.USDT, other.address, 9)
    world.pay(Asset.ETH, other.address, 11)
    await world.final()
    world.pay(Asset.USDC, part.address, 8)  # in no final block yet
    await world.paying.settle(EVM)
    found = await world.run()
    assert [each for each in found if each.says != "expires_at"] == []  # which `past` moved in the row alone


async def test_a_missing_entry_is_named_and_posted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.paid(Asset.USDC)
    monkeypatch.setattr(rule, "PATIENCE", timedelta(0))
    found = await world.run()
    assert named(found) == [("books", Kind.NOT_POSTED, None)] * 2
    assert [tuple(row) for row in await world.paying.db.run(CLOSED)] == [("not_posted", "posted")] * 2
    assert await world.run() == []


async def test_damaged_books_are_named(world: World) -> None:
    (payment,) = await world.paid(Asset.USDC)
    await world.run()
    posting = f"payment_id = '{payment.payment_id}' and version = 4 and account = 'settled'"
    await world.damaged("ledger_postings", f"update ledger_postings set units = units * 2 where {posting}")
    found = await world.run()
    assert named(found) == [
        ("books", Kind.POSTED_OTHERWISE, Asset.USDC),
        ("books", Kind.UNBALANCED, Asset.USDC),
    ]
    otherwise = next(each for each in found if each.kind is Kind.POSTED_OTHERWISE)
    due = payment.due.units
    assert (otherwise.payment_id, otherwise.expected, otherwise.found) == (payment.payment_id, -due, -2 * due)
    assert await world.run() == []  # known already
    assert await world.open() == sorted([Kind.POSTED_OTHERWISE, Kind.UNBALANCED])
    await world.damaged("ledger_postings", f"update ledger_postings set units = units / 2 where {posting}")
    assert await world.run() == []
    assert await world.open() == []
    assert {row[1] for row in await world.paying.db.run(CLOSED)} == {"gone"}


async def test_an_entry_that_nothing_happened_for_is_named(world: World) -> None:
    (payment,) = await world.paid(Asset.USDC)
    await world.run()
    await world.damaged(
        "ledger_entries",
        "insert into ledger_entries select payment_id, 99, 'evt_forged', type, merchant_id, shop_id, at"
        f" from ledger_entries where payment_id = '{payment.payment_id}' and version = 4",
    )
    await world.damaged(
        "ledger_entries",
        "insert into ledger_entries select 'pay_' || repeat('5a', 16), 1, 'evt_other', type, merchant_id, shop_id, at"
        f" from ledger_entries where payment_id = '{payment.payment_id}' and version = 4",
    )
    found = await world.run()
    assert named(found) == [("books", Kind.NOT_CAUSED, None)] * 2
    assert {(each.payment_id, each.position) for each in found} == {
        (payment.payment_id, 99),
        ("pay_" + "5a" * 16, 1),
    }


async def test_a_row_that_is_not_what_its_facts_make_is_named(world: World) -> None:
    first, second = await world.paid(Asset.USDC, Asset.USDC)
    await world.changed(first, "included = included + 1")
    await world.paying.db.run(Sql(f"delete from payments where payment_id = '{second.payment_id}'"))
    found = await world.run()
    assert named(found) == [("books", Kind.ROW_DIFFERS, Asset.USDC), ("books", Kind.ROW_DIFFERS, None)]
    assert {(each.payment_id, each.says) for each in found} == {
        (first.payment_id, "included"),
        (second.payment_id, "there is no row"),
    }


@pytest.mark.parametrize("asset", [Asset.BTC, Asset.ETH, Asset.USDC])
async def test_coins_that_nobody_was_credited_with_are_named(world: World, asset: Asset) -> None:
    (payment,) = await world.paid(asset)
    (arrival,) = (await world.paying.payment(payment.payment_id)).transfers
    await world.changed(payment, "transfers = '[]', highest = null")
    chain = BITCOIN if asset == Asset.BTC else EVM
    found = await world.run()
    assert named(found) == sorted([("books", Kind.ROW_DIFFERS, asset), (chain, Kind.NOT_CREDITED, asset)], key=str)
    missed = next(each for each in found if each.kind is Kind.NOT_CREDITED)
    assert (missed.payment_id, missed.address) == (payment.payment_id, payment.address)
    assert (missed.expected, missed.found) == (0, payment.due.units)
    assert (missed.txid, missed.position) == (arrival.txid, arrival.position)
    assert await world.run() == []  # found again, by its transaction, though no block is new


@pytest.mark.parametrize("asset", [Asset.BTC, Asset.USDT])
async def test_coins_from_before_the_address_was_handed_out_are_named(world: World, asset: Asset) -> None:
    (payment,) = await world.paid(asset)
    await world.changed(payment, "transfers = '[]', highest = null, requested_at = requested_at + interval '3 hours'")
    assert Kind.STRANGE in {each.kind for each in await world.run()}


@pytest.mark.parametrize("asset", [Asset.BTC, Asset.ETH, Asset.USDC])
async def test_what_was_credited_and_is_not_on_the_chain_is_named(world: World, asset: Asset) -> None:
    first, second = await world.paid(asset, asset)
    chain = BITCOIN if asset == Asset.BTC else EVM
    forged = "0x" + "5a" * 32 if chain == EVM else "5a" * 32
    await world.changed(first, f"transfers = jsonb_set(transfers, '{{0,txid}}', '\"{forged}\"')")
    await world.changed(second, "transfers = jsonb_set(transfers, '{0,units}', '\"1\"')")
    found = [each for each in await world.run() if each.scope == chain]
    kinds = sorted((each.payment_id, each.kind, each.expected, each.found) for each in found)
    due = first.due.units, second.due.units
    assert kinds == sorted(
        [
            (first.payment_id, Kind.NOT_ON_CHAIN, due[0], 0),
            (first.payment_id, Kind.NOT_CREDITED, 0, due[0]),
            (second.payment_id, Kind.AMOUNT_DIFFERS, 1, due[1]),
        ]
    )


async def test_a_balance_that_no_transaction_explains_is_named(world: World) -> None:
    less, more = await world.paid(Asset.ETH, Asset.ETH)
    call(world.ethers.rpc_url, "anvil_setBalance", less.address, hex(less.due.units - 7))
    call(world.ethers.rpc_url, "anvil_setBalance", more.address, hex(more.due.units + 9))
    await world.final()
    found = {each.payment_id: each for each in await world.run()}
    assert (found[less.payment_id].kind, found[more.payment_id].kind) == (Kind.UNEXPLAINED, Kind.NOT_CREDITED)
    assert (found[less.payment_id].expected, found[less.payment_id].found) == (less.due.units, less.due.units - 7)


class Failing:
    """A node that goes down after so many reads, or is on another branch."""

    def __init__(self, real: Holdings, *, reads: int = 0, other: bool = False) -> None:
        self.name = real.name
        self.real = real
        self.left = reads
        self.other = other

    async def hash_at(self, height: int) -> str | None:
        """Return the hash, or another."""
        return "another" if self.other else await self.real.hash_at(height)

    async def read(self, receivers: Sequence[Receiver], at: BlockRef, *, since: int, whole: bool) -> Reading:
        """Read as long as the node is up."""
        if not self.left:
            raise Transient("The node does not answer.")
        self.left -= 1
        return await self.real.read(receivers, at, since=since, whole=whole)

    async def wallet(self, at: BlockRef, *, whole: bool) -> Wallet | None:
        """There is none."""
        return None


async def test_a_node_that_goes_down_in_the_middle_makes_its_run_incomplete_and_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await world.paid(Asset.USDC, Asset.USDC)
    await world.changed(first, "transfers = '[]', highest = null")
    await world.changed(second, "transfers = '[]', highest = null")
    assert len(await world.run()) == 4
    await world.changed(first, "transfers = '[]'")
    monkeypatch.setattr(rule, "PAGE", 1)
    monkeypatch.setattr(rule, "CHUNK", 1)
    evm = next(each for each in world.chains if each.name == EVM)
    bitcoin = next(each for each in world.chains if each.name == BITCOIN)
    before = await world.open()
    using = replace(world.using(), chains=(Failing(evm, reads=1), bitcoin))
    with pytest.raises(Transient):
        await reconcile_payments(by=By("reconcile_payments"), using=using)
    states = {row[0]: (row[1], row[6]) for row in await world.paying.db.run(RUNS)}
    assert states[EVM] == ("incomplete", "The node does not answer.")
    assert states[BITCOIN][0] == states["books"][0] == "complete"
    assert await world.open() == before  # nothing that it did not get to is taken for gone
    assert not next(each for each in world.told.summaries[::-1] if each.scope == EVM).complete


async def test_a_node_on_another_branch_compares_nothing(world: World) -> None:
    await world.paid(Asset.USDC)
    using = replace(world.using(), chains=(Failing(world.chains[-1], other=True),))
    with pytest.raises(ChainMoved):
        await reconcile_payments(by=By("reconcile_payments"), using=using)
    (row,) = [row for row in await world.paying.db.run(RUNS) if row[0] != "books"]
    assert row[1] == "incomplete"
    assert "another block" in row[6]


async def test_a_node_that_nobody_reaches_makes_the_run_incomplete(world: World) -> None:
    await world.final()
    gone = BitcoinHoldings("http://u:p@127.0.0.1:1", limits=Limits(timeout_s=1, attempts=1, concurrent=1))
    with pytest.raises(Transient):
        await reconcile_payments(by=By("reconcile_payments"), using=replace(world.using(), chains=(gone,)))
    await gone.close()
    assert [row[1] for row in await world.paying.db.run(RUNS) if row[0] == BITCOIN] == ["incomplete"]


async def test_of_two_runs_at_once_one_compares(world: World) -> None:
    await world.paid(Asset.USDC)
    each = [reconcile_payments(by=By("reconcile_payments"), using=world.using(owner)) for owner in "abcd"]
    summaries = await asyncio.gather(*each)
    began = [summary.scope for run in summaries for summary in run]
    rows = await world.paying.db.run(RUNS)
    assert sorted(began) == sorted(row[0] for row in rows)
    assert all(row[1] == "complete" for row in rows)


async def test_a_run_that_was_overtaken_writes_nothing(world: World) -> None:
    await world.final()
    slow, quick = (PostgresRuns(world.paying.db, lease_s=lease_s) for lease_s in (0.0, 60))
    first = await slow.begin(EVM, "slow")
    assert first is not None
    second = await quick.begin(EVM, "quick")
    assert second is not None
    assert second.epoch == first.epoch + 1
    assert await quick.begin(EVM, "third") is None
    lost = Outcome(differences=[Difference(EVM, Kind.MOVED)])
    with pytest.raises(Fenced):
        await slow.end(first, lost)
    assert await world.open() == []
    assert (await quick.end(second, Outcome())).complete


async def test_between_whole_runs_only_what_changed_or_differs_is_looked_at(world: World) -> None:
    old, wrong, new = await world.paid(Asset.USDC, Asset.USDC, Asset.USDC)
    await world.changed(wrong, "included = included + 1")
    assert len(await world.run()) == 1
    for payment in (old, wrong):
        await world.changed(payment, "changed_at = changed_at - interval '8 days'")
    await world.run(whole_every=timedelta(days=1))
    rows = await world.paying.db.run(RUNS)
    assert [(row[0], row[2], row[3]) for row in rows[3:]] == [
        ("books", "recent", 2),
        (BITCOIN, "recent", 0),
        (EVM, "recent", 2),
    ]
    assert await world.open() == [Kind.ROW_DIFFERS]
    assert new.payment_id
