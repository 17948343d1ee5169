"""`python -m emulators.seed`: put the demo's merchants, shops, menus and stock into the database DATABASE_URL names.

Everything goes through the services' own rules and stores, so it has facts, and a replay finds it as it is. Ids are
fixed: what is there already is left alone, and a seeding that was cut short is finished by the next.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final, TypeVar

from emulators.component import ComponentFailed
from emulators.demo_data import (
    CURRENCY,
    MNEMONIC,
    TIMEZONE,
    DemoMerchant,
    DemoShop,
    digits_of,
    merchants,
    shops,
)
from emulators.demo_menus import GROUPS, KINDS, Dish
from emulators.demo_recipes import CHOICES, DISHES, GOODS, SHOPS
from emulators.merchant_keys import MerchantAccount
from shared.adapters.evm.address import EvmAddresses
from shared.catalog import discounts
from shared.catalog import lifecycle as menus
from shared.catalog.discount_model import PutDiscount
from shared.catalog.model import ImportMenu, PutMenuItem, PutModifier, PutModifierGroup, PutTax
from shared.catalog.ports import ShopTerms
from shared.kernel.decision import By, Role
from shared.kernel.ids import (
    DiscountId,
    ItemId,
    MenuId,
    MerchantId,
    ModifierGroupId,
    ModifierId,
    ReceiptId,
    ShopId,
    UserId,
)
from shared.kernel.money import Asset
from shared.shops import lifecycle as opening
from shared.shops.accounts import Family
from shared.shops.model import RegisterShop, SetOpeningHours
from shared.supply import lifecycle as stocking
from shared.supply.model import PutRecipe, ReceiveStock
from shared.supply.put_recipe import put_recipe
from shared.wallets.facts import WalletRegistered
from shared.wiring.catalog import catalog
from shared.wiring.discounts import discounting
from shared.wiring.shops import registration
from shared.wiring.supply import supply
from shared.wiring.wallets import signing_in

T = TypeVar("T")
R = TypeVar("R")

AT_ONCE: Final = 8
DEADLINE_S: Final = 120.0
_TAXES: Final = (
    PutTax(name="MwSt.", rate_bp=1900, inclusion="inclusive"),
    PutTax(name="MwSt.", rate_bp=700, inclusion="inclusive", categories=("Bakery", "Bowls")),
)
"""German value-added tax: drinks, and what is eaten."""
WELCOME: Final = PutDiscount(name="Welcome to Berlin", code="WELCOME-10", rate_bp=1000, maximum=300, uses=100_000)
"""A code that the demo's first shops take."""
WELCOMING: Final = 20
_NONCE_LIFETIME: Final = timedelta(minutes=1)


def seed(env: Mapping[str, str]) -> str:
    """Seed in a process of its own, with these variables, and return what it said. Raises ComponentFailed."""
    run = subprocess.run(
        [sys.executable, "-m", "emulators.seed"],
        env={**env},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    if run.returncode:
        raise ComponentFailed(f"seed: {(run.stderr.strip().splitlines() or ['it ended without a word'])[-1]}")
    return run.stdout.strip()


def main() -> int:
    """Seed and say what was added."""
    began = time.monotonic()
    added = asyncio.run(_seeded())
    took = f" in {time.monotonic() - began:.1f} s" if added else ""
    sys.stdout.write(f"{added} shops with menus and stock added{took}\n" if added else "the demo's shops are there\n")
    return 0


async def _seeded() -> int:
    """Add what is missing; return how many shops that were."""
    everything = list(shops())
    there = await _each(everything, lambda shop: supply().receipts.load(_receipt_id(shop)))
    missing = [shop for shop, receipt in zip(everything, there, strict=True) if receipt is None]
    if not missing:
        return 0
    wallets = Wallets()
    owners = {shop.merchant.number for shop in missing}
    people = [merchant for merchant in merchants() if merchant.number in owners]
    bys = await _each(people, lambda merchant: _signed_up(merchant, wallets))
    by = {merchant.number: one for merchant, one in zip(people, bys, strict=True)}
    await _each(missing, lambda shop: _opened(shop, wallets, by[shop.merchant.number]))
    return len(missing)


async def _each(things: Iterable[T], act: Callable[[T], Awaitable[R]]) -> list[R]:
    """Act on all of them, some at once, and return the results in order."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(thing: T) -> R:
        async with places:
            return await act(thing)

    return await asyncio.gather(*(one(thing) for thing in things))


class Wallets:
    """The merchants' keys, all from one mnemonic: account 0 signs in, the accounts after it receive."""

    def __init__(self) -> None:
        self._signers = MerchantAccount.of_words("evm", 0, MNEMONIC).xpub

    def signer(self, merchant: DemoMerchant) -> str:
        """Return the address that a merchant signs in with, as it is stored: in lower case."""
        return EvmAddresses().receive(self._signers, merchant.number).key

    @cache  # noqa: B019  one wallet a seeding
    def account(self, merchant: DemoMerchant, family: Family) -> MerchantAccount:
        """Return the account that a merchant's money goes to."""
        if family is Family.BITCOIN:
            return MerchantAccount.of_words("bitcoin", merchant.number, MNEMONIC)
        return MerchantAccount.of_words("evm", merchant.number + 1, MNEMONIC)

    def payout(self, merchant: DemoMerchant) -> dict[str, str]:
        """Return the account keys that a merchant's money goes to."""
        return {family.value: self.account(merchant, family).xpub for family in Family}


async def _signed_up(merchant: DemoMerchant, wallets: Wallets) -> By:
    """Register the merchant's person, unless their wallet is known; return on whose behalf the rest is done."""
    using, now = signing_in(), datetime.now(UTC)
    user_id = UserId(f"usr_{digits_of('person', merchant.number)}")
    nonce = digits_of("nonce", merchant.number, now)
    await using.nonces.issue(nonce, client=f"demo {merchant.number}", lifetime=_NONCE_LIFETIME)
    registered = WalletRegistered(
        user_id=user_id, address=wallets.signer(merchant), chain_id=min(using.terms.chain_ids), at=now
    )
    person = await using.people.sign_in(registered, nonce, by=By(user_id), now=now)
    return By(person.user_id, frozenset({Role.CUSTOMER, Role.OWNER}), MerchantId.like(person.user_id))


async def _opened(shop: DemoShop, wallets: Wallets, by: By) -> None:
    """Register the shop with its hours, hang up its menu, fill its shelves."""
    shop_id = ShopId(f"shp_{digits_of('shop', shop.number)}")
    merchant_id = opening.merchant_of(by)
    await _registered(shop, shop_id, wallets, by)
    terms = ShopTerms(shop_id, merchant_id, CURRENCY, tuple(Asset(asset) for asset in shop.accepts))
    menu = _menu(shop)
    await catalog().store.decide(
        MenuId.like(shop_id),
        lambda known: () if known else menus.import_menu(menu, shop=terms),
        by=by,
        now=datetime.now(UTC),
    )
    if shop.number < WELCOMING:
        await _welcome(shop, terms, by)
    if shop.number in SHOPS:
        goods = ReceiptId(f"rcv_{digits_of('goods', shop.number)}")
        await _delivered(goods, shop_id, ReceiveStock.model_validate({"lines": GOODS}), by)
        for recipe in _recipes(shop):
            await put_recipe(shop_id, recipe, by=by, using=supply())
    await _delivered(_receipt_id(shop), shop_id, _delivery(shop), by)


async def _delivered(receipt_id: ReceiptId, shop_id: ShopId, delivery: ReceiveStock, by: By) -> None:
    facts = stocking.receive(receipt_id, shop_id, delivery, merchant_id=opening.merchant_of(by), by=by)
    await supply().receipts.decide(receipt_id, lambda known: () if known else facts, by=by, now=datetime.now(UTC))


async def _registered(shop: DemoShop, shop_id: ShopId, wallets: Wallets, by: By) -> None:
    using, now = registration(), datetime.now(UTC)
    command = RegisterShop.model_validate(
        {
            "name": shop.name,
            "address": shop.address,
            "position": {"latitude": shop.latitude, "longitude": shop.longitude},
            "timezone": TIMEZONE,
            "currency": CURRENCY,
            "accepts": shop.accepts,
            "payout": wallets.payout(shop.merchant),
            "confirmations": shop.confirmations,
        }
    )
    hours = SetOpeningHours.model_validate(
        {"weekly": [{"weekday": day, "opens": opens, "closes": closes} for day, opens, closes in shop.weekly]}
    )
    sealed = {family: using.account_keys.seal(shop_id, family, key) for family, key in command.payout.given().items()}
    asked = opening.register(shop_id, command, payout=sealed, merchant_id=opening.merchant_of(by), now=now)
    # As shops have them from before proofs were asked for: six hundred facts less to be delivered at the first start.
    fact = asked.model_copy(update={"payout": {family.value: account for family, account in sealed.items()}})
    opened = opening.evolve(None, fact)
    facts = (fact, *opening.set_hours(opened, hours, by=by))
    await using.store.decide(shop_id, lambda known: () if known else facts, by=by, now=now)


async def _welcome(shop: DemoShop, terms: ShopTerms, by: By) -> None:
    """Give the code of the demo at a shop."""
    discount_id = DiscountId(f"dsc_{digits_of('discount', shop.number)}")
    told = discounts.put(None, discount_id, WELCOME, shop=terms, menu=None, code_of=None, count=0)
    await discounting().store.decide(discount_id, lambda known: () if known else told, by=by, now=datetime.now(UTC))


def _receipt_id(shop: DemoShop) -> ReceiptId:
    return ReceiptId(f"rcv_{digits_of('opening stock', shop.number)}")


def _dishes(shop: DemoShop) -> tuple[Dish, ...]:
    return KINDS[shop.merchant.kind]


def _menu(shop: DemoShop) -> ImportMenu:
    """Return the shop's menu: its kind's list at its own prices, ids of its own for everything."""
    used = {name for dish in _dishes(shop) for name in dish.groups}
    groups = {_group_id(shop, name): _group(shop, name) for name in GROUPS if name in used}
    items = {
        _item_id(shop, dish.name): PutMenuItem(
            name=dish.name,
            description=dish.description,
            category=dish.category,
            price=dish.cents + shop.cents_more,
            sku=dish.stock[0] if dish.stock else None,
            modifier_groups=tuple(_group_id(shop, name) for name in dish.groups),
            allergens=dish.allergens,
        )
        for dish in _dishes(shop)
    }
    return ImportMenu(items=items, groups=groups, taxes=_TAXES)


def _recipes(shop: DemoShop) -> Iterator[PutRecipe]:
    """Yield what the shop's drinks take, where it counts beans and milk."""
    for dish in _dishes(shop):
        if dish.name in DISHES:
            yield PutRecipe.model_validate({"product_id": _item_id(shop, dish.name), "takes": DISHES[dish.name]})
    used = {name for dish in _dishes(shop) for name in dish.groups}
    for (group, choice), recipe in CHOICES.items():
        if group in used:
            yield PutRecipe.model_validate({"product_id": _choice_id(shop, group, choice), **recipe})


def _item_id(shop: DemoShop, name: str) -> ItemId:
    return ItemId(f"itm_{digits_of('item', shop.number, name)}")


def _choice_id(shop: DemoShop, group: str, choice: str) -> ModifierId:
    return ModifierId(f"opt_{digits_of('choice', shop.number, group, choice)}")


def _group_id(shop: DemoShop, name: str) -> ModifierGroupId:
    return ModifierGroupId(f"mod_{digits_of('group', shop.number, name)}")


def _group(shop: DemoShop, name: str) -> PutModifierGroup:
    group = GROUPS[name]
    modifiers = tuple(
        PutModifier(
            modifier_id=_choice_id(shop, name, choice),
            name=choice,
            price_delta=cents,
        )
        for choice, cents in group.choices
    )
    defaults = (modifiers[0].modifier_id,) if group.least else ()
    return PutModifierGroup(name=group.name, min=group.least, max=group.most, modifiers=modifiers, defaults=defaults)


def _delivery(shop: DemoShop) -> ReceiveStock:
    """Return what stands on the shelves on opening day."""
    portions = dict(sorted({dish.stock for dish in _dishes(shop) if dish.stock}))
    lines = [{"sku": sku, "quantity": quantity} for sku, quantity in portions.items()]
    return ReceiveStock.model_validate({"lines": lines, "note": "Opening stock"})


if __name__ == "__main__":
    sys.exit(main())
