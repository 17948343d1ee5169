"""Payout accounts on a real database: proven by their own keys, changed by two people and after a delay.

Every wrong turn leaves the account as it was.

What propose_payout begins, apply_payout_changes ends when its time has come.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from datetime import timedelta

import pytest

from emulators.merchant_keys import signed
from shared.adapters.postgres.database import Sql
from shared.kernel.decision import AlreadyAnswered, By, Role
from shared.kernel.errors import Conflict, Forbidden, Invalid, NotFound, Problem
from shared.kernel.ids import PayoutChangeId, ShopId
from shared.shops.accounts import Family
from shared.shops.confirm_payout import confirm_payout
from shared.shops.get_payout_changes import get_payout_changes
from shared.shops.payout import (
    AccountTaken,
    ChangeRefused,
    ConfirmPayout,
    PayoutChangeView,
    ProofRefused,
    ProposePayout,
    ProvePayout,
    SecondPersonNeeded,
    Standing,
)
from shared.shops.propose_payout import propose_payout
from shared.shops.prove_payout import prove_payout
from tests.integration.banking import DELAY, Banker, Banking
from tests.integration.shopkeeping import keyed

FACTS = Sql("select type from events where stream = :id order by version")
OLD = Sql("update payout_challenges set expires_at = clock_timestamp()")
EVERYTHING = Sql(
    "select (select string_agg(s::text, ' ') from shops s), (select string_agg(c::text, ' ') from payout_challenges c),"
    " (select string_agg(p::text, ' ') from payout_proofs p), (select string_agg(o::text, ' ') from payout_owners o),"
    " (select string_agg(convert_from(body, 'UTF8'), ' ') from"
    " (select body from events union all select body from outbox union all select reply from idempotency) b)"
)


@pytest.fixture
async def bank(database: str) -> AsyncIterator[Banking]:
    banking = Banking(database)
    yield banking
    banking.db.close()


async def facts(bank: Banking, shop_id: ShopId) -> list[str]:
    return [str(type_).split(".")[1] for (type_,) in await bank.db.run(FACTS, id=shop_id)]


async def refused(kind: type[Problem], act: Awaitable[object]) -> str:
    with pytest.raises(kind) as refusal:
        await act
    return refusal.value.detail


@pytest.mark.parametrize("simple", [False, True], ids=["bip-137", "bip-322"])
async def test_an_account_is_paid_to_when_its_own_key_has_signed(bank: Banking, simple: bool) -> None:
    anna = Banker()
    shop_id = await bank.opened(anna)
    before = (await get_payout_changes(shop_id, by=anna.owner, using=bank.desk)).view
    assert [account.proven for account in before.accounts] == [False, False]
    await bank.prove(shop_id, anna.owner, anna.account("bitcoin"), simple=simple)
    after = await bank.prove(shop_id, anna.owner, anna.account("evm"))
    assert [account.proven for account in after.accounts] == [True, True]
    assert await facts(bank, shop_id) == ["registered", "payout_proven", "payout_proven"]
    assert "nothing to do" in await refused(ChangeRefused, bank.prove(shop_id, anna.owner, anna.account("evm")))
    assert bank.replayed().differences == []


async def test_the_message_says_to_whom_for_what_and_until_when(bank: Banking) -> None:
    anna = Banker()
    shop_id = await bank.opened(anna)
    asked = await bank.challenge(shop_id, anna.owner, "evm")
    for said in ("cortado.test", shop_id, asked.nonce, asked.address, await bank.fingerprint(shop_id, "evm")):
        assert said in asked.message
    assert asked.address == bank.account_keys.first_address(Family.EVM, anna.account("evm").xpub)
    assert timedelta(minutes=14) < asked.expires_at - bank.clock.now() <= timedelta(minutes=15)


async def test_a_signature_of_another_key_another_text_or_another_time_proves_nothing(bank: Banking) -> None:
    anna, bela = Banker(), Banker()
    shop_id = await bank.opened(anna)
    account = anna.account("bitcoin")

    async def sent(nonce: str, signature: str, by: By = anna.owner, shop: ShopId = shop_id) -> object:
        return await prove_payout(shop, ProvePayout(nonce=nonce, signature=signature), by=keyed(by), using=bank.using)

    asked = await bank.challenge(shop_id, anna.owner, "bitcoin")
    good = account.sign(asked.message)
    for wrong in (
        bela.account("bitcoin").sign(asked.message),
        signed("bitcoin", account.key(1), asked.message),
        account.sign(asked.message + " "),
        account.sign(asked.message.replace(asked.nonce, "0" * 32)),
        anna.account("evm").sign(asked.message),
    ):
        assert "signature" in await refused(ProofRefused, sent(asked.nonce, wrong))
    assert "nonce" in await refused(ProofRefused, sent("0" * 32, good))
    there = await bank.opened(anna)
    assert "nonce" in await refused(ProofRefused, sent(asked.nonce, good, shop=there))
    await refused(NotFound, sent(asked.nonce, good, by=bela.owner))
    barista = replace(anna.owner, roles=frozenset({Role.BARISTA}))
    await refused(Forbidden, sent(asked.nonce, good, by=barista))
    await bank.db.run(OLD)
    assert "too old" in await refused(ProofRefused, sent(asked.nonce, good))
    assert await facts(bank, shop_id) == ["registered"]


async def test_a_proof_is_good_once(bank: Banking) -> None:
    anna = Banker()
    shop_id = await bank.opened(anna)
    asked = await bank.challenge(shop_id, anna.owner, "bitcoin")
    command = ProvePayout(nonce=asked.nonce, signature=anna.account("bitcoin").sign(asked.message))

    async def send(key: str) -> str:
        try:
            await prove_payout(shop_id, command, by=keyed(anna.owner, key), using=bank.using)
        except AlreadyAnswered:
            return "answered before"
        except (ProofRefused, ChangeRefused):
            return "refused"
        return "proven"

    said = await asyncio.gather(*(send(f"key {number % 5}") for number in range(20)))
    assert said.count("proven") + said.count("answered before") == 4
    assert await facts(bank, shop_id) == ["registered", "payout_proven"]
    assert await send("another") == "refused"


async def test_an_account_belongs_to_the_merchant_that_proved_it(bank: Banking) -> None:
    """Knowing somebody's account key is not enough to be there first, and holding it twice does not make it two's."""
    anna, mallory = Banker(), Banker()
    mallory.seed = anna.seed
    theirs, hers = await bank.opened(mallory), await bank.opened(anna)
    account = anna.account("bitcoin")

    async def prove(shop_id: ShopId, who: Banker) -> bool:
        try:
            await bank.prove(shop_id, who.owner, account)
        except AccountTaken:
            return False
        return True

    assert sorted(await asyncio.gather(prove(theirs, mallory), prove(hers, anna))) == [False, True]
    loser, shop_id = (mallory, theirs) if (await facts(bank, hers))[1:] else (anna, hers)
    fresh = Banker()
    own = await bank.proven(fresh)
    await refused(AccountTaken, bank.propose(own, fresh.owner, account))
    assert not await prove(shop_id, loser)
    assert await facts(bank, own) == ["registered", "payout_proven", "payout_proven"]


async def test_a_change_needs_a_second_person_and_time(bank: Banking) -> None:
    anna = Banker()
    shop_id, manager = await bank.proven(anna), await bank.staff(anna)
    before, new = await bank.fingerprint(shop_id), anna.account("bitcoin", 1)
    change = await bank.propose(shop_id, anna.owner, new)
    assert (change.standing, change.instead_of, change.proposed_by) == (Standing.PROPOSED, before, anna.user_id)
    assert "Another owner" in await refused(SecondPersonNeeded, bank.confirm(change, anna.owner))
    confirmed = await bank.confirm(change, manager)
    assert (confirmed.standing, confirmed.confirmed_by) == (Standing.CONFIRMED, manager.actor)
    assert confirmed.takes_effect_at is not None
    assert DELAY - timedelta(minutes=1) < confirmed.takes_effect_at - bank.clock.now() <= DELAY
    await refused(ChangeRefused, bank.confirm(change, manager))
    assert await bank.apply() == 0
    assert await bank.fingerprint(shop_id) == before
    bank.clock.by = DELAY + timedelta(seconds=1)
    assert sum(await asyncio.gather(*(bank.apply() for _ in range(5)))) >= 1
    assert await bank.fingerprint(shop_id) == change.fingerprint != before
    assert await bank.apply() == 0
    assert await facts(bank, shop_id) == [
        "registered",
        "payout_proven",
        "payout_proven",
        "payout_proposed",
        "payout_confirmed",
        "payout_changed",
    ]
    shown = (await get_payout_changes(shop_id, by=manager, using=bank.desk)).view
    assert [one.standing for one in shown.changes] == [Standing.EFFECTIVE]
    found = await bank.store.load(shop_id)
    assert found is not None
    (former,) = found.state.former
    assert former.account.fingerprint == before
    assert bank.account_keys.open(shop_id, Family.BITCOIN, former.account) == anna.account("bitcoin").xpub
    assert bank.replayed().differences == []


async def test_a_sole_owner_confirms_with_the_account_that_is_replaced(bank: Banking) -> None:
    anna = Banker()
    shop_id = await bank.proven(anna)
    change = await bank.propose(shop_id, anna.owner, anna.account("evm", 1))
    for wrong in (anna.account("evm", 1), anna.account("evm", 2), Banker().account("evm")):
        await refused(ProofRefused, bank.confirm(change, anna.owner, signed_by=wrong))
    await refused(ChangeRefused, bank.confirm(change, anna.owner, signed_by=anna.account("bitcoin")))
    confirmed = await bank.confirm(change, anna.owner, signed_by=anna.account("evm"))
    assert confirmed.standing is Standing.CONFIRMED
    assert await bank.apply() == 0


async def test_what_was_signed_for_one_purpose_is_not_good_for_another(bank: Banking) -> None:
    anna = Banker()
    shop_id = await bank.proven(anna)
    present, new = anna.account("bitcoin"), anna.account("bitcoin", 1)
    change = await bank.propose(shop_id, anna.owner, new)
    asked = await bank.challenge(shop_id, anna.owner, "bitcoin")
    command = ConfirmPayout(nonce=asked.nonce, signature=present.sign(asked.message))
    confirm = confirm_payout(shop_id, change.change_id, command, by=keyed(anna.owner), using=bank.using)
    assert "something else" in await refused(ProofRefused, confirm)
    to_change = await bank.challenge(shop_id, anna.owner, "bitcoin", change_id=change.change_id)
    sent = ProvePayout(nonce=to_change.nonce, signature=present.sign(to_change.message))
    await refused(ProofRefused, prove_payout(shop_id, sent, by=keyed(anna.owner), using=bank.using))
    for half in (ConfirmPayout(nonce=asked.nonce), ConfirmPayout(signature=command.signature)):
        confirm = confirm_payout(shop_id, change.change_id, half, by=keyed(anna.owner), using=bank.using)
        assert "comes with" in await refused(Invalid, confirm)
    assert (await facts(bank, shop_id))[3:] == ["payout_proposed"]


async def test_a_staff_key_that_was_made_for_it_confirms_nothing(bank: Banking) -> None:
    """Whoever has stolen the owner's session can make keys, and must not become two people by it."""
    anna = Banker()
    shop_id = await bank.proven(anna)
    change = await bank.propose(shop_id, anna.owner, anna.account("bitcoin", 1))
    for age in ("0 s", "23 hours"):
        young = await bank.staff(anna, age=age)
        assert "too young" in await refused(SecondPersonNeeded, bank.confirm(change, young))
    assert (await bank.confirm(change, await bank.staff(anna, Role.OWNER))).standing is Standing.CONFIRMED


async def test_staff_elsewhere_and_below_neither_see_nor_decide(bank: Banking) -> None:
    anna, rival = Banker(), Banker()
    shop_id = await bank.proven(anna)
    change = await bank.propose(shop_id, anna.owner, anna.account("bitcoin", 1))
    strangers = [(NotFound, rival.owner), (NotFound, await bank.staff(rival)), (NotFound, By("usr_x"))]
    for kind, by in [*strangers, (Forbidden, await bank.staff(anna, Role.BARISTA))]:
        await refused(kind, bank.confirm(change, by))
        await refused(kind, bank.cancel(change, by))
        await refused(kind, bank.challenge(shop_id, by, "bitcoin"))
        await refused(kind, get_payout_changes(shop_id, by=by, using=bank.desk))
    assert (await facts(bank, shop_id))[3:] == ["payout_proposed"]


@pytest.mark.parametrize("confirmed", [False, True])
@pytest.mark.parametrize("by_proposer", [False, True])
async def test_either_of_both_calls_it_off_until_it_takes_effect(
    bank: Banking, confirmed: bool, by_proposer: bool
) -> None:
    anna = Banker()
    shop_id, manager = await bank.proven(anna), await bank.staff(anna)
    before = await bank.fingerprint(shop_id)
    change = await bank.propose(shop_id, anna.owner, anna.account("bitcoin", 1))
    if confirmed:
        await bank.confirm(change, manager)
    cancelled = await bank.cancel(change, anna.owner if by_proposer else manager)
    assert cancelled.standing is Standing.CANCELLED
    await refused(ChangeRefused, bank.cancel(change, manager))
    await refused(ChangeRefused, bank.confirm(change, manager))
    bank.clock.by = 2 * DELAY
    assert await bank.apply() == 0
    assert await bank.fingerprint(shop_id) == before
    assert (await bank.propose(shop_id, anna.owner, anna.account("bitcoin", 1))).standing is Standing.PROPOSED
    assert bank.replayed().differences == []


async def test_an_effective_change_is_not_called_off(bank: Banking) -> None:
    anna = Banker()
    shop_id, manager = await bank.proven(anna), await bank.staff(anna)
    change = await bank.propose(shop_id, manager, anna.account("bitcoin", 1))
    await bank.confirm(change, anna.owner)
    bank.clock.by = 2 * DELAY
    assert await bank.apply() == 1
    assert "effective" in await refused(ChangeRefused, bank.cancel(change, anna.owner))
    missing = change.model_copy(update={"change_id": PayoutChangeId.new()})
    await refused(NotFound, bank.cancel(missing, anna.owner))


async def test_of_several_proposals_at_once_one_is_open(bank: Banking) -> None:
    anna = Banker()
    shop_id, manager = await bank.proven(anna), await bank.staff(anna)

    async def propose(number: int) -> PayoutChangeView | None:
        try:
            return await bank.propose(shop_id, anna.owner, anna.account("bitcoin", number))
        except Conflict:
            return None

    (change,) = [one for one in await asyncio.gather(*map(propose, range(1, 6))) if one is not None]

    async def act(confirm: bool) -> str | None:
        try:
            done = await (bank.confirm(change, manager) if confirm else bank.cancel(change, anna.owner))
        except Conflict:
            return None
        return done.standing

    told = [standing for standing in await asyncio.gather(*map(act, [True, False] * 4)) if standing]
    assert told in (["cancelled"], ["confirmed", "cancelled"], ["cancelled", "confirmed"])
    assert (await facts(bank, shop_id))[3:] in (
        ["payout_proposed", "payout_cancelled"],
        ["payout_proposed", "payout_confirmed", "payout_cancelled"],
    )
    assert bank.replayed().differences == []


async def test_an_account_that_was_never_paid_to_is_replaced_at_once(bank: Banking) -> None:
    """A mistyped first account leaves nobody without a way: no money of anybody depends on it."""
    anna = Banker()
    shop_id = await bank.opened(anna)
    change = await bank.propose(shop_id, anna.owner, anna.account("bitcoin", 1))
    assert change.standing is Standing.EFFECTIVE
    view = (await get_payout_changes(shop_id, by=anna.owner, using=bank.desk)).view
    assert {account.family: account.proven for account in view.accounts} == {"bitcoin": True, "evm": False}
    found = await bank.store.load(shop_id)
    assert found is not None
    assert found.state.former == ()
    await refused(ChangeRefused, bank.propose(shop_id, anna.owner, anna.account("bitcoin", 1)))


async def test_the_key_that_is_proposed_is_the_one_that_signed(bank: Banking) -> None:
    anna = Banker()
    shop_id = await bank.proven(anna)
    one, other = anna.account("bitcoin", 1), anna.account("bitcoin", 2)
    asked = await bank.challenge(shop_id, anna.owner, "bitcoin", account_key=one.xpub)
    signature = one.sign(asked.message)

    async def propose(family: Family, xpub: str) -> object:
        command = ProposePayout.model_validate(
            {"family": family, "account_key": xpub, "nonce": asked.nonce, "signature": signature}
        )
        return await propose_payout(shop_id, command, by=keyed(anna.owner), using=bank.using)

    assert "Another account" in await refused(ProofRefused, propose(Family.BITCOIN, other.xpub))
    assert "another family" in await refused(ProofRefused, propose(Family.EVM, anna.account("evm", 1).xpub))
    await refused(Invalid, propose(Family.BITCOIN, one.xprv))
    await propose(Family.BITCOIN, one.xpub)


async def test_no_account_key_lies_anywhere_in_clear(bank: Banking) -> None:
    anna = Banker()
    shop_id, manager = await bank.proven(anna), await bank.staff(anna)
    new = anna.account("bitcoin", 1)
    await bank.challenge(shop_id, anna.owner, "evm", account_key=anna.account("evm", 1).xpub)
    await bank.confirm(await bank.propose(shop_id, anna.owner, new), manager)
    bank.clock.by = 2 * DELAY
    await bank.apply()
    (everything,) = await bank.db.run(EVERYTHING)
    for key in (new.xpub, anna.account("bitcoin").xpub, anna.account("evm").xpub, anna.account("evm", 1).xpub):
        for piece in (key, key[5:40], key[-40:]):
            assert all(piece not in text for text in everything)
