"""A partition is done up to the first record that is not, in whatever order the work ends."""

from hypothesis import given
from hypothesis import strategies as st

from triggers.progress import Progress


def test_nothing_is_known_before_the_first_record() -> None:
    progress = Progress()
    assert progress.position is None
    assert progress.news() is None


def test_the_position_stays_at_a_record_that_does_not_end() -> None:
    progress = Progress()
    for offset in (10, 11, 15):
        progress.begin(offset)
    progress.finish(11)
    progress.finish(15)
    assert progress.position == 10
    progress.finish(10)
    assert progress.position == 16


def test_a_position_is_news_once() -> None:
    progress = Progress()
    progress.begin(3)
    assert progress.news() == 3
    assert progress.news() is None
    progress.finish(3)
    assert progress.news() == 4
    assert progress.news() is None


def test_a_log_that_goes_on_below_what_was_seen_is_noticed() -> None:
    progress = Progress()
    progress.begin(7)
    assert not progress.repeats(8)
    assert progress.repeats(7)
    assert progress.repeats(0)


def _orders(offsets: set[int]) -> st.SearchStrategy[tuple[list[int], list[int]]]:
    begun = sorted(offsets)
    return st.tuples(st.just(begun), st.permutations(begun))


@given(st.sets(st.integers(0, 60), min_size=1).flatmap(_orders))
def test_no_open_record_is_ever_passed_and_in_the_end_none_is_left(orders: tuple[list[int], list[int]]) -> None:
    begun, finished = orders
    progress = Progress()
    for offset in begun:
        progress.begin(offset)
    left = set(begun)
    for offset in finished:
        progress.finish(offset)
        left.discard(offset)
        assert progress.position == (min(left) if left else begun[-1] + 1)
