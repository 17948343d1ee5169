"""The people and places of the journeys, on the one platform of the session."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import pytest

from emulators.demo_data import OWNER_KEY
from emulators.people import Api, Barista, sign_in
from emulators.platform import Platform
from emulators.wallets import BitcoinWallet, EvmWallet
from tests.journeys.cast import Cast, cast_of


@pytest.fixture(scope="session")
def env(platform: Platform) -> Mapping[str, str]:
    """The platform's variables."""
    return platform.env


@pytest.fixture(scope="session")
def owner(platform: Platform) -> Api:
    """The API as the owner of the demo shops uses it."""
    return sign_in(platform.url, OWNER_KEY)[1]


@pytest.fixture
def bitcoin_wallet(env: Mapping[str, str]) -> BitcoinWallet:
    """A customer's Bitcoin wallet with coins of its own."""
    return BitcoinWallet(_rpc(env, "bitcoin"))


@pytest.fixture
def evm_wallet(env: Mapping[str, str]) -> EvmWallet:
    """A customer's Ethereum wallet with coins of its own."""
    return EvmWallet(_rpc(env, "evm"))


def _rpc(env: Mapping[str, str], kind: str) -> str:
    chains = json.loads(env["CHAINS"]).values()
    return str(next(chain["rpc"] for chain in chains if chain["kind"] == kind))


@pytest.fixture
def barista(platform: Platform, owner: Api, shop: dict[str, str]) -> Barista:
    """A barista of the shop, with a staff key of their own."""
    return Barista.hired(platform.url, owner, shop["shop_id"])


@pytest.fixture(scope="session")
def shop(platform: Platform) -> dict[str, str]:
    """A demo shop that is open."""
    found = Api(platform.url).get("/v1/shops", lat=52.5219, lon=13.4132, radius_m=20000, open_now="true")
    return dict(found["shops"][0])


@pytest.fixture(scope="module")
def cast(platform: Platform, env: Mapping[str, str]) -> Iterator[Cast]:
    """Two merchants, their staff and customers, and a paid order."""
    with cast_of(platform, _rpc(env, "evm")) as cast:
        yield cast
