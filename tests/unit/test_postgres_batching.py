"""Group commit: who shares a statement, when another one is worth it, and that nobody is held up by a slow one."""

import asyncio
from collections.abc import Sequence

import pytest

from shared.adapters.postgres.batching import Grouped
from shared.adapters.postgres.refusals import Undone
from tests.waiting import until


class Statements:
    """Stands for the database: keeps each statement under way until it is let go."""

    def __init__(self) -> None:
        self.under_way: list[tuple[Sequence[int], asyncio.Future[None]]] = []
        self.sizes: list[int] = []

    async def run(self, items: Sequence[int]) -> Sequence[int | Exception]:
        held = asyncio.get_running_loop().create_future()
        self.under_way.append((items, held))
        self.sizes.append(len(items))
        await held
        return [item * 10 for item in items]

    async def started(self, count: int) -> None:
        """Wait until so many statements were begun in all."""
        await until(lambda: len(self.sizes) == count, f"{count} statements")

    def let_go(self, number: int = 0) -> None:
        """Let a statement under way end."""
        self.under_way.pop(number)[1].set_result(None)


def grouped(statements: Statements, *, slow_s: float = 60.0, wait_s: float = 60.0) -> Grouped[int, int]:
    return Grouped(statements.run, batch=8, lanes=3, crowd=4, slow_s=slow_s, wait_s=wait_s)


def submitted(group: Grouped[int, int], *items: int) -> list[asyncio.Task[int]]:
    return [asyncio.create_task(group.submit(item)) for item in items]


async def test_a_lone_request_goes_at_once_and_gets_its_own_result() -> None:
    statements = Statements()
    [asked] = submitted(grouped(statements), 7)
    await statements.started(1)
    statements.let_go()
    assert await asked == 70


async def test_a_few_wait_for_the_statement_under_way_and_then_share_one() -> None:
    statements = Statements()
    group = grouped(statements)
    first = submitted(group, 1)
    await statements.started(1)
    few = submitted(group, 2, 3, 4)
    await asyncio.sleep(0)
    assert statements.sizes == [1]
    statements.let_go()
    await statements.started(2)
    statements.let_go()
    assert await asyncio.gather(*first, *few) == [10, 20, 30, 40]
    assert statements.sizes == [1, 3]


async def test_a_crowd_gets_a_statement_of_its_own_until_there_are_lanes_no_more() -> None:
    statements = Statements()
    group = grouped(statements)
    asked = submitted(group, 1)
    for count, crowd in ((1, (2, 3, 4, 5)), (2, (6, 7, 8, 9)), (3, (10, 11, 12, 13))):
        await statements.started(count)
        asked += submitted(group, *crowd)
    await asyncio.sleep(0)
    assert statements.sizes == [1, 4, 4]
    while statements.under_way:
        statements.let_go()
        await asyncio.sleep(0.01)
    assert await asyncio.gather(*asked) == [10 * item for item in range(1, 14)]
    assert statements.sizes == [1, 4, 4, 4]


async def test_a_lane_leaves_the_few_to_one_still_at_work() -> None:
    statements = Statements()
    group = grouped(statements)
    asked = submitted(group, 1)
    await statements.started(1)
    asked += submitted(group, 2, 3, 4, 5)
    await statements.started(2)
    asked += submitted(group, 6)
    statements.let_go(1)
    await asyncio.gather(*asked[1:5])
    assert statements.sizes == [1, 4]
    asked += submitted(group, 7)
    statements.let_go()
    await statements.started(3)
    statements.let_go()
    assert await asyncio.gather(*asked) == [10, 20, 30, 40, 50, 60, 70]
    assert statements.sizes == [1, 4, 2]


async def test_a_slow_statement_holds_up_neither_those_before_nor_those_after_it_was_found_slow() -> None:
    statements = Statements()
    group = grouped(statements, slow_s=0.02)
    slow = submitted(group, 1)
    await statements.started(1)
    before = submitted(group, 2)
    await statements.started(2)
    statements.let_go(1)
    assert await before[0] == 20
    after = submitted(group, 3)
    await statements.started(3)
    statements.let_go(1)
    assert await after[0] == 30
    statements.let_go()
    assert await slow[0] == 10


async def test_whoever_waits_too_long_is_turned_away_and_the_others_are_not() -> None:
    statements = Statements()
    group = grouped(statements, wait_s=0.02)
    [first] = submitted(group, 1)
    await statements.started(1)
    [late] = submitted(group, 2)
    with pytest.raises(Undone):
        await late
    statements.let_go()
    assert await first == 10


async def test_what_the_statement_raises_reaches_everyone_in_it() -> None:
    async def broken(items: Sequence[int]) -> Sequence[int | Exception]:
        raise ConnectionError("gone")

    group: Grouped[int, int] = Grouped(broken, batch=8, lanes=2, crowd=4)
    outcomes = await asyncio.gather(*(group.submit(item) for item in range(5)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ConnectionError] * 5
