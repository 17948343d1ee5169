"""The story of an order, once per asset, as the demo tells it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from emulators.demo import ASSETS, Story
from emulators.people import Api, until
from emulators.platform import Platform
from shared.adapters.postgres.database import Connection
from shared.adapters.postgres.ledger_check import Report, check
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


def test_after_all_stories_the_ledger_says_what_the_facts_say_and_balances(
    platform: Platform, env: Mapping[str, str], owner: Api
) -> None:
    connection = Connection(PostgresSettings.from_env(env))

    def posted() -> Report | None:
        found = check(connection)
        return None if found.missing else found

    report = until("the ledger to have every entry", posted)
    assert report.holds
    assert {each.asset for each in report.balances} >= set(ASSETS)
    shown = owner.get("/v1/balances")
    assert [each["asset"] for each in shown["total"]] == sorted(ASSETS)
    for each in shown["total"]:
        assert each["balanced"] is True
        received, settled, held = int(each["received"]), int(each["settled"]), int(each["held"])
        assert received == settled + held + int(each["refunded"]) - int(each["shortfall"])
        assert settled > 0
    shop_id, day = connection.execute(
        "select shop_id, (max(at) at time zone timezone)::date::text from ledger_entries join shops using (shop_id)"
        f" where shop_id = '{shown['shops'][0]['shop_id']}' group by shop_id, timezone"
    )[0]
    statement = owner.get(f"/v1/shops/{shop_id}/ledger", day=day)
    assert statement["entries"]
    assert all(each["balanced"] for each in (*statement["opening"], *statement["closing"]))
    connection.close()


def test_the_customer_was_told_by_mail_and_nobody_twice(platform: Platform, env: Mapping[str, str]) -> None:
    reached = Api(env["AWS_ENDPOINT_URL"]).get("/moto-api/data.json")
    assert "ses" in reached
