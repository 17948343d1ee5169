"""The calls of prices. Written by `python -m triggers docs` from the registry; not to be edited."""

from shared.client.call import Call, Scalar, call, segment
from shared.prices.model import ConvertView, PriceHistoryView, PricesView


def convert(
    *, asset: Scalar, currency: Scalar = None, units: Scalar = None, coin_units: Scalar = None
) -> Call[ConvertView]:
    """GET /v1/prices/convert: fiat to coins as a quote would have it, or coins to fiat."""
    return call(
        "convert",
        "GET",
        "/v1/prices/convert",
        ConvertView,
        query={"asset": asset, "currency": currency, "units": units, "coin_units": coin_units},
    )


def get_price_history(
    asset: str, currency: str, *, step: Scalar = None, since: Scalar = None, until: Scalar = None
) -> Call[PriceHistoryView]:
    """GET /v1/prices/{asset}/{currency}/history: what a coin has cost, by minute, hour or day."""
    return call(
        "get_price_history",
        "GET",
        f"/v1/prices/{segment(asset)}/{segment(currency)}/history",
        PriceHistoryView,
        query={"step": step, "since": since, "until": until},
    )


def get_prices(*, currency: Scalar = None) -> Call[PricesView]:
    """GET /v1/prices: what one whole coin of each asset costs."""
    return call("get_prices", "GET", "/v1/prices", PricesView, query={"currency": currency})
