"""The story of an order, once per asset, as the demo tells it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from emulators.demo import ASSETS, Story
from emulators.people import Api
from emulators.platform import Platform
from shared.adapters.postgres.database import Connection
from shared.adapters.postgres.replay import replay
from shared.settings import PostgresSettings


@pytest.mark.parametrize("asset", ASSETS)
def test_a_customer_orders_pays_and_picks_up(platform: Platform, env: Mapping[str, str], asset: str) -> None:
    said: list[str] = []
    order_id = Story(env, said.append, draw=False).play(asset)
    assert order_id.startswith("ord_")
    assert any("watcher" in line for line in said)


def test_after_all_stories_every_row_equals_its_events(platform: Platform, env: Mapping[str, str]) -> None:
    report = replay(Connection(PostgresSettings.from_env(env)))
    assert report.streams > 0
    assert report.differences == []


def test_the_customer_was_told_by_mail_and_nobody_twice(platform: Platform, env: Mapping[str, str]) -> None:
    reached = Api(env["AWS_ENDPOINT_URL"]).get("/moto-api/data.json")
    assert "ses" in reached
