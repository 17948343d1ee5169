"""The demo's merchants and shops: some hundred in Berlin, the same at every seeding. Pure data and arithmetic.

Shop 0 stands at the World Clock, never closes, takes every coin, and belongs to OWNER_KEY, as all of its chain do:
so whoever looks around Alexanderplatz at whatever hour finds it first. All keys come from a published mnemonic.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from emulators.demo_menus import KINDS

MNEMONIC: Final = " ".join(["abandon"] * 11 + ["about"])
OWNER_KEY: Final = "0x1ab42cc412b618bdea3a599e3c9bae199ebf030895b039e9db1e30dafb12b727"
"""The wallet of the first merchant, m/44'/60'/0'/0/0 of the mnemonic. For local chains only: everybody knows it."""
SHOPS: Final = 300
CURRENCY: Final = "EUR"
TIMEZONE: Final = "Europe/Berlin"
ALL_COINS: Final = ("BTC", "ETH", "USDC", "USDT")

_EPOCH_MS: Final = 1_767_225_600_000  # 2026-01-01: ids are UUIDv7 and sort by when they were made

Span = tuple[int, str, str]
"""Weekday (0 is Monday), opens, closes."""


@dataclass(frozen=True)
class DemoMerchant:
    """Who owns shops. `number` is also the account of their keys."""

    number: int
    brand: str
    kind: str
    branches: int


@dataclass(frozen=True)
class DemoShop:
    """One location."""

    number: int
    merchant: DemoMerchant
    name: str
    address: str
    latitude: float
    longitude: float
    accepts: tuple[str, ...]
    confirmations: dict[str, int]
    weekly: tuple[Span, ...]
    cents_more: int
    """What everything costs more here than on the list; may be negative."""


def digits_of(*what: object) -> str:
    """Return 32 hexadecimal digits in the form of a UUIDv7 that stand for `what`, the same ones every time."""
    digest = sha256("\n".join(map(str, what)).encode()).digest()
    made_ms = _EPOCH_MS + int.from_bytes(digest[:3], "big")
    value = made_ms << 80 | int.from_bytes(digest[3:13], "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    return f"{value & ~(0x3 << 62) | 0x2 << 62:032x}"


_STREETS: Final = (
    # name, house numbers up to, postcode, district, latitude, longitude of its middle
    ("Torstraße", 230, "10119", "Mitte", 52.5290, 13.4010),
    ("Auguststraße", 90, "10117", "Mitte", 52.5268, 13.3966),
    ("Ackerstraße", 170, "10115", "Mitte", 52.5325, 13.3955),
    ("Linienstraße", 160, "10115", "Mitte", 52.5276, 13.3985),
    ("Rosenthaler Straße", 70, "10119", "Mitte", 52.5266, 13.4020),
    ("Brunnenstraße", 190, "10119", "Mitte", 52.5345, 13.3985),
    ("Friedrichstraße", 240, "10117", "Mitte", 52.5165, 13.3888),
    ("Karl-Liebknecht-Straße", 30, "10178", "Mitte", 52.5225, 13.4095),
    ("Invalidenstraße", 160, "10115", "Mitte", 52.5312, 13.3870),
    ("Chausseestraße", 120, "10115", "Mitte", 52.5340, 13.3795),
    ("Kastanienallee", 100, "10435", "Prenzlauer Berg", 52.5392, 13.4092),
    ("Schönhauser Allee", 180, "10437", "Prenzlauer Berg", 52.5440, 13.4125),
    ("Oderberger Straße", 60, "10435", "Prenzlauer Berg", 52.5403, 13.4085),
    ("Pappelallee", 90, "10437", "Prenzlauer Berg", 52.5455, 13.4175),
    ("Stargarder Straße", 80, "10437", "Prenzlauer Berg", 52.5487, 13.4165),
    ("Kollwitzstraße", 100, "10435", "Prenzlauer Berg", 52.5360, 13.4180),
    ("Prenzlauer Allee", 220, "10405", "Prenzlauer Berg", 52.5370, 13.4250),
    ("Danziger Straße", 200, "10405", "Prenzlauer Berg", 52.5393, 13.4230),
    ("Greifswalder Straße", 220, "10405", "Prenzlauer Berg", 52.5375, 13.4360),
    ("Winsstraße", 70, "10405", "Prenzlauer Berg", 52.5345, 13.4245),
    ("Boxhagener Straße", 120, "10245", "Friedrichshain", 52.5108, 13.4610),
    ("Simon-Dach-Straße", 45, "10245", "Friedrichshain", 52.5098, 13.4575),
    ("Warschauer Straße", 85, "10243", "Friedrichshain", 52.5107, 13.4513),
    ("Karl-Marx-Allee", 140, "10243", "Friedrichshain", 52.5180, 13.4380),
    ("Frankfurter Allee", 110, "10247", "Friedrichshain", 52.5148, 13.4640),
    ("Grünberger Straße", 90, "10245", "Friedrichshain", 52.5120, 13.4555),
    ("Sonntagstraße", 35, "10245", "Friedrichshain", 52.5050, 13.4668),
    ("Oranienstraße", 200, "10999", "Kreuzberg", 52.5015, 13.4190),
    ("Bergmannstraße", 110, "10961", "Kreuzberg", 52.4890, 13.3935),
    ("Graefestraße", 90, "10967", "Kreuzberg", 52.4923, 13.4150),
    ("Wiener Straße", 65, "10999", "Kreuzberg", 52.4975, 13.4290),
    ("Schlesische Straße", 40, "10997", "Kreuzberg", 52.5005, 13.4440),
    ("Adalbertstraße", 95, "10999", "Kreuzberg", 52.5025, 13.4200),
    ("Gneisenaustraße", 115, "10961", "Kreuzberg", 52.4912, 13.3955),
    ("Mehringdamm", 125, "10961", "Kreuzberg", 52.4915, 13.3875),
    ("Skalitzer Straße", 140, "10997", "Kreuzberg", 52.4995, 13.4260),
    ("Paul-Lincke-Ufer", 45, "10999", "Kreuzberg", 52.4952, 13.4230),
    ("Weserstraße", 210, "12047", "Neukölln", 52.4868, 13.4345),
    ("Sonnenallee", 230, "12047", "Neukölln", 52.4850, 13.4350),
    ("Karl-Marx-Straße", 260, "12043", "Neukölln", 52.4785, 13.4390),
    ("Friedelstraße", 60, "12047", "Neukölln", 52.4905, 13.4285),
    ("Schillerpromenade", 40, "12049", "Neukölln", 52.4775, 13.4222),
    ("Weisestraße", 65, "12049", "Neukölln", 52.4782, 13.4250),
    ("Hermannstraße", 250, "12049", "Neukölln", 52.4760, 13.4245),
    ("Richardstraße", 115, "12043", "Neukölln", 52.4755, 13.4455),
    ("Pannierstraße", 60, "12047", "Neukölln", 52.4882, 13.4315),
    ("Akazienstraße", 30, "10823", "Schöneberg", 52.4888, 13.3540),
    ("Goltzstraße", 50, "10781", "Schöneberg", 52.4935, 13.3545),
    ("Hauptstraße", 160, "10827", "Schöneberg", 52.4865, 13.3560),
    ("Maaßenstraße", 15, "10777", "Schöneberg", 52.4982, 13.3540),
    ("Crellestraße", 50, "10827", "Schöneberg", 52.4880, 13.3600),
    ("Potsdamer Straße", 190, "10783", "Schöneberg", 52.4985, 13.3632),
    ("Kantstraße", 150, "10623", "Charlottenburg", 52.5063, 13.3180),
    ("Kurfürstendamm", 230, "10719", "Charlottenburg", 52.5020, 13.3225),
    ("Savignyplatz", 13, "10623", "Charlottenburg", 52.5058, 13.3222),
    ("Wilmersdorfer Straße", 160, "10585", "Charlottenburg", 52.5095, 13.3058),
    ("Suarezstraße", 60, "14057", "Charlottenburg", 52.5085, 13.2965),
    ("Bleibtreustraße", 55, "10623", "Charlottenburg", 52.5035, 13.3200),
    ("Uhlandstraße", 190, "10719", "Wilmersdorf", 52.4975, 13.3252),
    ("Güntzelstraße", 60, "10717", "Wilmersdorf", 52.4912, 13.3290),
    ("Müllerstraße", 160, "13353", "Wedding", 52.5480, 13.3535),
    ("Sprengelstraße", 50, "13353", "Wedding", 52.5435, 13.3515),
    ("Malplaquetstraße", 40, "13347", "Wedding", 52.5500, 13.3610),
    ("Prinzenallee", 90, "13357", "Gesundbrunnen", 52.5555, 13.3840),
    ("Badstraße", 65, "13357", "Gesundbrunnen", 52.5518, 13.3815),
    ("Turmstraße", 85, "10551", "Moabit", 52.5262, 13.3395),
    ("Alt-Moabit", 110, "10559", "Moabit", 52.5240, 13.3475),
    ("Birkenstraße", 60, "10559", "Moabit", 52.5318, 13.3420),
    ("Berliner Straße", 130, "13187", "Pankow", 52.5655, 13.4115),
    ("Florastraße", 95, "13187", "Pankow", 52.5655, 13.4010),
    ("Weitlingstraße", 70, "10317", "Lichtenberg", 52.5085, 13.4985),
    ("Bölschestraße", 130, "12587", "Friedrichshagen", 52.4530, 13.6250),
    ("Karl-Kunger-Straße", 70, "12435", "Treptow", 52.4895, 13.4510),
    ("Schloßstraße", 120, "12163", "Steglitz", 52.4590, 13.3240),
    ("Breite Straße", 50, "13597", "Spandau", 52.5365, 13.2050),
)

_CHAINS: Final = (
    ("Weltzeit Kaffee", "roastery", 14),
    ("Röststätte Nord", "roastery", 12),
    ("Bäckerei Morgenrot", "bakery", 22),
    ("Kleine Pause", "espresso bar", 18),
    ("Bar Centrale", "Italian bar", 9),
    ("Grünzeug & Bohne", "vegan café", 11),
    ("Teehaus Ostwind", "tea house", 7),
    ("Kahve Sarayı", "kahvehane", 10),
    ("Doppio Brüder", "espresso bar", 13),
    ("Brot & Brüh", "bakery", 16),
)
_CALLED: Final = {
    "espresso bar": ("Espressobar", "Kaffeebar"),
    "roastery": ("Rösterei", "Kaffee"),
    "bakery": ("Backstube", "Bäckerei"),
    "kahvehane": ("Kahvehane",),
    "vegan café": ("Café",),
    "tea house": ("Teestube",),
    "Italian bar": ("Bar", "Caffè"),
}
_SECOND: Final = (
    *(
        "Amsel",
        "Anker",
        "Birke",
        "Blauwal",
        "Distel",
        "Eule",
        "Fährmann",
        "Fuchsbau",
        "Glühwurm",
        "Hafermut",
        "Hinterhof",
    ),
    *("Igel", "Jolle", "Kastanie", "Kiezblick", "Kolibri", "Lindenhof", "Luftschiff", "Mauersegler", "Mondschein"),
    *("Nachbar", "Oderkahn", "Papierboot", "Pusteblume", "Quitte", "Rabe", "Regenschirm", "Schwalbe", "Spatz", "Spule"),
    *("Stadtgarten", "Tandem", "Ufer", "Veranda", "Wanderfalke", "Wedding Eins", "Windrad", "Zeitgeist", "Ziegelhof"),
)


def merchants() -> list[DemoMerchant]:
    """Return the chains, then people with one to three shops, until all shops have somebody."""
    chance = random.Random("merchants")
    found = [DemoMerchant(n, brand, kind, branches) for n, (brand, kind, branches) in enumerate(_CHAINS)]
    names = [(kind, f"{called} {second}") for second in _SECOND for kind in sorted(KINDS) for called in _CALLED[kind]]
    chance.shuffle(names)
    open_ = sum(merchant.branches for merchant in found)
    while open_ < SHOPS:
        branches = min(chance.choice((1, 1, 1, 2, 3)), SHOPS - open_)
        kind, name = names.pop()
        found.append(DemoMerchant(len(found), name, kind, branches))
        open_ += branches
    return found


def shops() -> Iterator[DemoShop]:
    """Yield all shops; the first one is at the World Clock."""
    chance = random.Random("shops")
    number = 0
    for merchant in merchants():
        for branch in range(merchant.branches):
            yield _shop(number, merchant, branch, chance)
            number += 1


def _shop(number: int, merchant: DemoMerchant, branch: int, chance: random.Random) -> DemoShop:
    street, houses, postcode, district, latitude, longitude = chance.choice(_STREETS)
    address = f"{street} {chance.randint(1, houses)}, {postcode} Berlin"
    at = (round(latitude + chance.gauss(0, 0.0022), 6), round(longitude + chance.gauss(0, 0.0035), 6))
    weekly, accepts = _hours(chance, merchant.kind), chance.choice((ALL_COINS, ALL_COINS, ALL_COINS, ("BTC", "USDC")))
    if number == 0:
        address, district, at = "Alexanderplatz 1, 10178 Berlin", "Alexanderplatz", (52.521900, 13.413200)
    if merchant.number == 0:
        accepts = ALL_COINS
        weekly = tuple((day, "00:00", "24:00") for day in range(7)) if branch % 3 == 0 else weekly
    return DemoShop(
        number=number,
        merchant=merchant,
        name=f"{merchant.brand} {district}" if merchant.branches > 1 else merchant.brand,
        address=address,
        latitude=at[0],
        longitude=at[1],
        accepts=accepts,
        confirmations={"BTC": 2} if merchant.number and chance.random() < 0.2 else {},
        weekly=weekly,
        cents_more=chance.choice((-20, -10, 0, 0, 0, 10, 20, 30)) if number else 0,
    )


def _hours(chance: random.Random, kind: str) -> tuple[Span, ...]:
    """Return a week as such a shop keeps it."""
    if kind == "Italian bar":  # until two on Friday and Saturday nights
        late = {4, 5}
        spans = [(day, "08:00", "24:00" if day in late else "22:00") for day in range(7)]
        return tuple(sorted([*spans, *(((day + 1) % 7, "00:00", "02:00") for day in late)]))
    opens = "06:00" if kind == "bakery" else chance.choice(("07:00", "07:30", "08:00", "09:00"))
    closes = chance.choice(("17:00", "18:00", "18:30", "19:00", "20:00"))
    closed = {0} if chance.random() < 0.1 else {6} if chance.random() < 0.1 else set()
    days = [(day, opens if day < 5 else "09:00", closes if day < 5 else "18:00") for day in range(7)]
    if chance.random() < 0.06:  # a midday break on weekdays
        days = [part for d, o, c in days for part in (((d, o, "13:00"), (d, "14:00", c)) if d < 5 else ((d, o, c),))]
    return tuple(span for span in days if span[0] not in closed)
