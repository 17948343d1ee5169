"""Search that forgives typos: how well an item answers what somebody typed. Pure.

Words are compared by their trigrams, as `pg_trgm` does: "capuchino" has enough of them in common with "Cappuccino". A
slip in a short word spoils most of its trigrams; one such slip is looked for by itself. A menu has a few hundred items,
so all of them are looked at, and no index has to be kept.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from shared.catalog.model import ShownItem

ALIKE: Final = 0.3
"""Words with less in common than this share of their trigrams are other words."""
BEGINS: Final = 0.9
"""What a word is worth that begins with what was typed: somebody is still typing."""
SLIP: Final = 0.6
"""What a word is worth that one slip made of another."""
SLIP_FROM: Final = 4
"""Letters: a slip in a shorter word makes another word of it."""
_WEIGHTS: Final = (("name", 1.0), ("category", 0.7), ("description", 0.5))


def search(items: Sequence[ShownItem], query: str, *, limit: int) -> list[tuple[ShownItem, int]]:
    """Return the items that answer `query`, best first, each with how well it does in percent, 1 to 100.

    Every word of the query has to be in an item, or something like it. What is equally good stays in the menu's order.
    """
    wanted = words(query)
    found = [(item, round(100 * score(item, wanted))) for item in items]
    best = sorted((pair for pair in found if pair[1] > 0), key=lambda pair: -pair[1])
    return best[:limit]


def score(item: ShownItem, wanted: Sequence[str]) -> float:
    """Return how well an item answers these words, 0 to 1: 0 where one of them is nowhere in it."""
    if not wanted:
        return 0.0
    fields = [(words(getattr(item, name)), weight) for name, weight in _WEIGHTS]
    worth = [max(weight * _best(word, known) for known, weight in fields) for word in wanted]
    return sum(worth) / len(worth) if all(worth) else 0.0


def _best(word: str, known: Iterable[str]) -> float:
    """Return how much the most similar of some words has of a word; 0 for less than ALIKE."""
    best = max((likeness(word, other) for other in known), default=0.0)
    return best if best >= ALIKE else 0.0


def likeness(word: str, other: str) -> float:
    """Return how alike two words are, 0 to 1: the share of their trigrams that both have."""
    if word == other:
        return 1.0
    if other.startswith(word):
        return BEGINS
    mine, theirs = trigrams(word), trigrams(other)
    alike = len(mine & theirs) / len(mine | theirs)
    return max(alike, SLIP) if alike < SLIP and len(word) >= SLIP_FROM and one_slip(word, other) else alike


def one_slip(word: str, other: str) -> bool:
    """Return whether one letter more, one less, another one, or two neighbours exchanged make one word of the other."""
    if abs(len(word) - len(other)) > 1:
        return False
    same = 0
    while same < min(len(word), len(other)) and word[same] == other[same]:
        same += 1
    mine, theirs = word[same:], other[same:]
    exchanged = mine[1:2] + mine[:1] + mine[2:] == theirs
    return mine[1:] == theirs or mine == theirs[1:] or mine[1:] == theirs[1:] or exchanged


@lru_cache(maxsize=20_000)
def trigrams(word: str) -> frozenset[str]:
    """Return the trigrams of a word, with two blanks before it and one behind."""
    padded = f"  {word} "
    return frozenset(padded[place : place + 3] for place in range(len(padded) - 2))


def words(text: str) -> list[str]:
    """Return the words of a text in lower case and without accents: "Çay, 0.2 l" → ["cay", "0", "2", "l"]."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    letters = (each if each.isalnum() else " " for each in plain if not unicodedata.combining(each))
    return "".join(letters).split()
