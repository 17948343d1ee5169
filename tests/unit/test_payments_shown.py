"""What is shown of a payment: links that wallets open, and pictures in the format that is wanted."""

import pytest

from shared.adapters.qr import QrPictures
from shared.kernel.money import Asset
from shared.payments.get_payment import view_of
from shared.payments.get_payment_qr import accepted
from shared.payments.lifecycle import evolve
from shared.payments.links import link
from tests.unit.test_payments_lifecycle import requested


@pytest.mark.parametrize(
    ("accept", "format"),
    [
        ("", "svg"),
        ("*/*", "svg"),
        ("image/png", "png"),
        ("image/png, image/svg+xml", "png"),
        ("image/svg+xml;q=0.9, image/png", "svg"),
        ("text/html, IMAGE/PNG ; q=1", "png"),
        ("image/*", "svg"),
        ("application/json", "svg"),
    ],
)
def test_the_picture_is_the_first_kind_that_is_accepted(accept: str, format: str) -> None:
    assert accepted(accept) == format


def test_pictures_are_what_they_say() -> None:
    assert QrPictures().draw("bitcoin:x?amount=1", "png").startswith(b"\x89PNG")
    assert b"<svg" in QrPictures().draw("bitcoin:x?amount=1", "svg")


@pytest.mark.parametrize(
    ("due", "amount"), [(1, "0.00000001"), (100_000_000, "1"), (123_000_000, "1.23"), (21 * 10**14, "21000000")]
)
def test_a_bitcoin_link_says_whole_coins_exactly(due: int, amount: str) -> None:
    payment = evolve(None, requested()).model_copy(update={"due": due, "address": "bcrt1q"})
    assert link(payment) == f"bitcoin:bcrt1q?amount={amount}"


def test_ethereum_links_name_the_chain_and_base_units() -> None:
    payment = evolve(None, requested()).model_copy(
        update={"chain": "evm:8453", "asset": Asset.ETH, "address": "0xAb", "due": 1_417_434_443_656_981}
    )
    assert link(payment) == "ethereum:0xAb@8453?value=1417434443656981"
    token = payment.model_copy(
        update={"asset": Asset.USDC, "due": 4_536_127, "quote": payment.quote.model_copy(update={"contract": "0xCc"})}
    )
    assert link(token) == "ethereum:0xCc@8453/transfer?address=0xAb&uint256=4536127"


def test_a_view_carries_units_as_text() -> None:
    view = view_of(evolve(None, requested()), 1).model_dump(mode="json")
    assert view["due"] == {"asset": "BTC", "units": "1000"}
    assert view["received"] == {"asset": "BTC", "units": "0"}
    assert view["version"] == 1
