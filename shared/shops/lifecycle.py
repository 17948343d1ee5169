"""The rules of a shop. Pure: a rule takes the state and what is known, returns facts or refuses."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from shared.kernel.decision import By, Role
from shared.kernel.errors import Bug, Forbidden, Invalid, NotFound
from shared.kernel.facts import Fact
from shared.kernel.hours import Pause, Standing, Week
from shared.kernel.ids import MerchantId, ShopId, UserId
from shared.shops import facts, payout_lifecycle
from shared.shops.facts import PayoutAccount, Position
from shared.shops.model import (
    MAX_AHEAD,
    MAX_PAUSE,
    Family,
    OwnShopView,
    PauseShop,
    RegisterShop,
    SetCapacity,
    SetConfirmations,
    SetDelivery,
    SetOpeningHours,
    SetPhotos,
    SetSpecialHours,
    SetSpreads,
    Shop,
    ShopView,
    UpdateShop,
)


def merchant_of(by: By) -> MerchantId:
    """Return for whom the caller registers shops: a person for themself, staff for whom they work.

    Raises Forbidden for everybody else.
    """
    if by.shop_ids is not None:
        raise Forbidden("This key is good for certain shops, and opens no other.")
    if by.merchant_id is not None:
        return by.merchant_id
    if not by.actor.startswith(f"{UserId.prefix}_"):
        raise Forbidden("Shops are registered by people; sign in with a wallet.")
    return MerchantId.like(by.actor)


def register(
    shop_id: ShopId,
    command: RegisterShop,
    *,
    payout: Mapping[Family, PayoutAccount],
    merchant_id: MerchantId,
    now: datetime,
) -> facts.ShopRegistered:
    """Return the fact of a new location. `payout` are the command's account keys, sealed and not proven yet."""
    return facts.ShopRegistered(
        shop_id=shop_id,
        merchant_id=merchant_id,
        name=command.name,
        address=command.address,
        position=Position(latitude=command.position.latitude, longitude=command.position.longitude),
        timezone=command.timezone,
        currency=command.currency,
        accepts=command.accepts,
        payout={str(family): account.model_copy(update={"unproven": True}) for family, account in payout.items()},
        confirmations=command.confirmations,
        registered_at=now,
    )


def set_hours(shop: Shop | None, command: SetOpeningHours, *, by: By) -> Sequence[Fact]:
    """Return the facts of new weekly hours. Raises NotFound, Forbidden."""
    shop = run_by(shop, by)
    return (facts.ShopHoursSet(shop_id=shop.shop_id, weekly=command.weekly, last_order_min=command.last_order_min),)


def set_special_hours(shop: Shop | None, command: SetSpecialHours, *, by: By, now: datetime) -> Sequence[Fact]:
    """Return the facts of new special days; those over are forgotten. Raises NotFound, Forbidden, Invalid."""
    shop = run_by(shop, by)
    today = now.astimezone(ZoneInfo(shop.timezone)).date()
    if command.special and command.special[-1].day > today + MAX_AHEAD:
        raise Invalid(f"Special hours reach {MAX_AHEAD.days} days ahead at most.")
    special = tuple(known for known in command.special if known.day >= today - timedelta(days=1))
    return (facts.ShopSpecialHoursSet(shop_id=shop.shop_id, special=special),)


def set_capacity(shop: Shop | None, command: SetCapacity, *, by: By) -> Sequence[Fact]:
    """Return the facts of a new capacity; none where it is the present one. Raises NotFound, Forbidden."""
    shop = run_by(shop, by)
    if command.capacity == shop.capacity:
        return ()
    return (facts.ShopCapacitySet(shop_id=shop.shop_id, capacity=command.capacity),)


def set_delivery(shop: Shop | None, command: SetDelivery, *, by: By) -> Sequence[Fact]:
    """Return the facts of new terms of delivery; none where they are the present ones. Raises NotFound, Forbidden."""
    shop = run_by(shop, by)
    if command.delivery == shop.delivery:
        return ()
    return (facts.ShopDeliverySet(shop_id=shop.shop_id, delivery=command.delivery),)


def set_photos(shop: Shop | None, command: SetPhotos, *, by: By) -> Sequence[Fact]:
    """Return the facts of other pictures; none where they are the present ones. Raises NotFound, Forbidden."""
    shop = run_by(shop, by)
    if command.keys == shop.photos:
        return ()
    return (facts.ShopPhotosSet(shop_id=shop.shop_id, photos=command.keys),)


def pause(shop: Shop | None, command: PauseShop, *, by: By, now: datetime) -> Sequence[Fact]:
    """Return the facts of a pause, which replaces the present one. Raises NotFound, Invalid."""
    shop = worked_at_by(shop, by)
    if command.until is not None and not now < command.until <= now + MAX_PAUSE:
        raise Invalid(f"A pause ends within {MAX_PAUSE.days} days; set special hours for a longer one.")
    told = facts.ShopPaused(shop_id=shop.shop_id, until=command.until, reason=command.reason, actor=by.actor, at=now)
    return (told,)


def resume(shop: Shop | None, *, by: By, now: datetime) -> Sequence[Fact]:
    """Return the facts of a pause's end; none where there is no pause. Raises NotFound."""
    shop = worked_at_by(shop, by)
    if shop.pause is None:
        return ()
    return (facts.ShopResumed(shop_id=shop.shop_id, actor=by.actor, at=now),)


def update(shop: Shop | None, command: UpdateShop, *, by: By) -> Sequence[Fact]:
    """Return the facts of a changed shop; none where nothing changes.

    Raises NotFound, Forbidden, Invalid for an asset without a payout account.
    """
    shop = run_by(shop, by)
    accepts = command.accepts or shop.accepts
    if without := sorted({Family.of(asset) for asset in accepts} - shop.payout.keys()):
        raise Invalid(f"accepts: the shop has no payout account for {', '.join(without)}; propose one first.")
    here = Position(latitude=shop.latitude, longitude=shop.longitude)
    told = facts.ShopUpdated(
        shop_id=shop.shop_id,
        name=command.name or shop.name,
        address=command.address or shop.address,
        position=Position(**dict(command.position)) if command.position else here,
        accepts=accepts,
    )
    return () if evolve(shop, told) == shop else (told,)


def set_spreads(shop: Shop | None, command: SetSpreads, *, by: By) -> Sequence[Fact]:
    """Return the facts of new spreads. Raises NotFound, Forbidden, Invalid for an asset that the shop does not take."""
    shop = run_by(shop, by)
    if strange := set(command.spread_bp) - set(shop.accepts):
        raise Invalid(f"The shop does not accept {', '.join(sorted(strange))}.")
    kept = {asset: spread_bp for asset, spread_bp in command.spread_bp.items() if spread_bp}
    return (facts.ShopSpreadsSet(shop_id=shop.shop_id, spread_bp=kept),)


def set_confirmations(shop: Shop | None, command: SetConfirmations, *, by: By) -> Sequence[Fact]:
    """Return the facts of a new confirmation policy. Raises NotFound, Forbidden, Invalid for an asset not taken."""
    shop = run_by(shop, by)
    if strange := set(command.confirmations) - set(shop.accepts):
        raise Invalid(f"The shop does not accept {', '.join(sorted(strange))}.")
    return (
        facts.ShopConfirmationsSet(
            shop_id=shop.shop_id,
            confirmations=command.confirmations,
            zero_confirmation=command.zero_confirmation,
        ),
    )


def run_by(shop: Shop | None, by: By) -> Shop:
    """Return the shop if the caller may change it. Somebody else's is NotFound."""
    if shop is None or not by.staff_of(shop.merchant_id):
        raise NotFound("There is no such shop among yours.")
    if not by.roles & {Role.OWNER, Role.MANAGER}:
        raise Forbidden("Only its owner or a manager changes a shop.")
    return shop


def worked_at_by(shop: Shop | None, by: By) -> Shop:
    """Return the shop if the caller works there, in whatever role. Somebody else's is NotFound."""
    if shop is None or not by.staff_of(shop.merchant_id, shop.shop_id):
        raise NotFound("There is no such shop among yours.")
    return shop


def evolve(shop: Shop | None, fact: Fact) -> Shop:
    """Return the state after `fact`. Total over the facts of this service; anything else is a Bug."""
    match fact:
        case facts.ShopRegistered() if shop is None:
            return Shop(
                shop_id=fact.shop_id,
                merchant_id=fact.merchant_id,
                name=fact.name,
                address=fact.address,
                latitude=fact.position.latitude,
                longitude=fact.position.longitude,
                timezone=fact.timezone,
                currency=fact.currency,
                accepts=fact.accepts,
                payout=fact.payout,
                confirmations=fact.confirmations,
                registered_at=fact.registered_at,
            )
        case facts.ShopHoursSet() if shop is not None:
            return shop.model_copy(update={"weekly": fact.weekly, "last_order_min": fact.last_order_min})
        case facts.ShopSpecialHoursSet() if shop is not None:
            return shop.model_copy(update={"special": fact.special})
        case facts.ShopCapacitySet() if shop is not None:
            return shop.model_copy(update={"capacity": fact.capacity})
        case facts.ShopDeliverySet() if shop is not None:
            return shop.model_copy(update={"delivery": fact.delivery})
        case facts.ShopPhotosSet() if shop is not None:
            return shop.model_copy(update={"photos": fact.photos})
        case facts.ShopPaused() if shop is not None:
            return shop.model_copy(update={"pause": Pause(since=fact.at, until=fact.until, reason=fact.reason)})
        case facts.ShopResumed() if shop is not None:
            return shop.model_copy(update={"pause": None})
        case facts.ShopUpdated() if shop is not None:
            return _updated(shop, fact)
        case facts.ShopSpreadsSet() if shop is not None:
            return shop.model_copy(update={"spread_bp": fact.spread_bp})
        case facts.ShopConfirmationsSet() if shop is not None:
            told = {"confirmations": fact.confirmations, "zero_confirmation": fact.zero_confirmation}
            return shop.model_copy(update=told)
        case facts.PayoutFact() if shop is not None:
            return payout_lifecycle.evolve(shop, fact)
    raise Bug(f"{fact.type} can't happen to {'no shop' if shop is None else shop.shop_id}")


def _updated(shop: Shop, fact: facts.ShopUpdated) -> Shop:
    """Return the shop with what everybody reads of it; what it said of assets that it takes no more goes with them."""
    return shop.model_copy(
        update={
            "name": fact.name,
            "address": fact.address,
            "latitude": fact.position.latitude,
            "longitude": fact.position.longitude,
            "accepts": fact.accepts,
            "confirmations": {asset: depth for asset, depth in shop.confirmations.items() if asset in fact.accepts},
            "spread_bp": {asset: spread for asset, spread in shop.spread_bp.items() if asset in fact.accepts},
        }
    )


def public_view(shop: Shop, version: int, *, now: datetime, images_at: str = "") -> ShopView:
    """Return what everybody sees of a shop at a version, as it is at `now`; its pictures lie at `images_at`."""
    now_ = standing(Week(shop.weekly, shop.timezone, shop.special), shop.pause, now)
    paused = shop.pause if shop.pause and shop.pause.holds(now) else None
    ends = now_.changes_at if now_.open else None
    return ShopView(
        shop_id=shop.shop_id,
        merchant_id=shop.merchant_id,
        name=shop.name,
        address=shop.address,
        position=Position(latitude=shop.latitude, longitude=shop.longitude),
        timezone=shop.timezone,
        currency=shop.currency,
        accepts=shop.accepts,
        confirmations=shop.confirmations,
        spread_bp=shop.spread_bp,
        weekly=shop.weekly,
        special=shop.special,
        open=now_.open,
        changes_at=now_.changes_at,
        orders_until=ends - timedelta(minutes=shop.last_order_min) if ends else None,
        capacity=shop.capacity,
        delivery=shop.delivery,
        photos=tuple(f"{images_at}/{key}" for key in shop.photos),
        pause=paused,
        registered_at=shop.registered_at,
        version=version,
    )


def standing(week: Week, paused: Pause | None, now: datetime) -> Standing:
    """Return whether a shop is open at `now`, and when that changes. A pause that somebody has to end never does."""
    if paused is None or not paused.holds(now):
        return week.standing(now)
    if paused.until is None:
        return Standing(False, None)
    then = week.standing(paused.until)
    return Standing(False, paused.until if then.open else then.changes_at)


def own_view(shop: Shop, version: int, *, now: datetime, images_at: str = "") -> OwnShopView:
    """Return what its merchant sees of a shop at a version."""
    fingerprints = {family: account.fingerprint for family, account in shop.payout.items()}
    unproven = tuple(sorted(family for family, account in shop.payout.items() if account.unproven))
    return OwnShopView(
        shop=public_view(shop, version, now=now, images_at=images_at),
        payout=fingerprints,
        zero_confirmation=shop.zero_confirmation,
        unproven=unproven,
    )
