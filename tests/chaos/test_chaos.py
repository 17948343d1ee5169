"""A short run of `make chaos`, and that its oracle can see: every kind of harm turns the verdict red."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from emulators.postgres import create_database, drop_database
from shared.adapters.postgres.database import Connection
from shared.settings import PostgresSettings
from tests.chaos import truth
from tests.chaos.ground import ground
from tests.chaos.oracle import Verdict, judge
from tests.chaos.payers import Known
from tests.chaos.plan import BITCOIN, DEEPEST, EVM, KINDS, OUTAGES, plan
from tests.chaos.quiet import settle_down
from tests.chaos.refunds import KnownRefund
from tests.chaos.report import Result, quantile
from tests.chaos.run import mails, played
from tests.chaos.sabotage import KINDS as HARM
from tests.chaos.truth import Truth

SEED = 20_261_122
PLAY_S = 15.0
PAYMENTS = 30
REORGS = 6


@dataclass
class Ended:
    """A run at rest: what the customers know, what the chains hold, and the database as it was left."""

    result: Result
    server: str
    known: Sequence[Known]
    refunds: Sequence[KnownRefund]
    truth: Truth
    mails: dict[str, list[str]]

    def judged(self, connection: Connection) -> Verdict:
        """Return what the oracle says of a copy of the database."""
        return judge(connection, self.truth, self.known, self.refunds, self.mails)


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ended]:
    """A run of half a minute, its programs stopped and its engines still there."""
    began = time.monotonic()
    workdir = tmp_path_factory.mktemp("chaos")
    decided = plan(SEED, play_s=PLAY_S, payments=PAYMENTS, reorgs=REORGS, outages=0)
    quick = ("http killed", "events killed", "deliveries repeated", "postgres connections cut", "bitcoin hung")
    (outage,) = plan(SEED, play_s=PLAY_S, payments=0, reorgs=0, outages=1).outages
    outages = [replace(outage, at_s=2.0 * (n + 1), what=what, seconds=1.0) for n, what in enumerate(quick)]
    decided = replace(decided, outages=tuple(outages))
    light = os.environ.get("PROFILE") == "light"
    with (workdir / "said.log").open("w", buffering=1) as log:

        def say(line: str) -> None:
            print(line, file=log)

        with ground(workdir, decided, in_memory=True, light=light, say=say) as stage:
            result = Result(SEED)
            first = {chain: miner.height() + 1 for chain, miner in stage.miners.items()}
            payers, refunding = played(stage, decided, result, say)
            settle_down(stage, say, refunding.ask_the_last)
            sent = mails(stage)
            stage.platform.supervisor.stop(grace_s=5)
            result.seconds = time.monotonic() - began
            server, held = stage.env["DATABASE_URL"], truth.read(stage.nodes, first)
            yield Ended(result, server, payers.known, refunding.known, held, sent)


@pytest.fixture
def copy(ended: Ended, request: pytest.FixtureRequest) -> Iterator[Connection]:
    """A copy of the run's database, for one test to harm."""
    name = f"copy_{abs(hash(request.node.name))}"
    url = create_database(ended.server, name, template="cortado")
    connection = Connection(PostgresSettings(url, statement_timeout_s=30))
    yield connection
    connection.close()
    drop_database(ended.server, name)


@pytest.mark.timeout(420)
def test_payments_under_reorgs_and_outages_are_neither_lost_nor_doubled(
    ended: Ended, copy: Connection, tmp_path: Path
) -> None:
    """Rule 18: the counts come from what customers were told and from the chains' outputs."""
    result = ended.result
    result.verdict = ended.judged(copy)
    assert result.named() == []
    assert result.payments >= 20
    assert result.reorgs >= 4
    assert result.line == (
        f"chaos: {result.payments} payments, {result.reorgs} reorgs, 0 lost, 0 doubled, ledger balanced"
    )
    told = json.loads(result.written(tmp_path).read_text())
    assert (told["seed"], told["lost"], told["doubled"], told["ledger_balanced"]) == (SEED, 0, 0, True)
    assert told["unknown_outcomes"] == len(result.verdict.unknown)
    assert sum(told["payments_by_kind"].values()) == told["acknowledged_payments"]
    assert told["time_to_settle_s"]["p50"] > 0
    assert told["refunds_confirmed"] > 0
    assert sum(told["outages"].values()) == 5


@pytest.mark.parametrize("harm", sorted(HARM))
def test_the_oracle_sees_what_was_done_to_the_books(ended: Ended, copy: Connection, harm: str) -> None:
    """Rule 18: a drill must be able to fail."""
    do, where = HARM[harm]
    do(copy)
    verdict = ended.judged(copy)
    assert not verdict.holds
    assert getattr(verdict, where) != []
    ended.result.verdict = verdict
    assert not ended.result.line.endswith(" 0 lost, 0 doubled, ledger balanced")


def test_a_seed_decides_everything_and_another_one_something_else() -> None:
    first, again, other = (plan(seed, play_s=60, payments=80, reorgs=24, outages=20) for seed in (1, 1, 2))
    assert first == again != other
    assert {each.kind for each in first.payments} == set(KINDS)
    assert {(each.chain, each.depth) for each in first.reorgs} >= {
        (chain, depth) for chain in (BITCOIN, EVM) for depth in range(1, DEEPEST + 1)
    }
    assert {each.what for each in first.outages} == set(OUTAGES)


def test_quantiles_are_values_that_were_measured() -> None:
    assert quantile([], 50) is None
    assert quantile([3.0, 1.0, 2.0], 50) == 2.0
    assert quantile([float(n) for n in range(100)], 99) == 99.0
