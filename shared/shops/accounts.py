"""Which chains share an account, and how an account key is written."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, SecretStr, WithJsonSchema

from shared.kernel.money import Asset


class Family(StrEnum):
    """Chains that share one way of deriving addresses, and so one account key."""

    BITCOIN = "bitcoin"
    EVM = "evm"

    @classmethod
    def of(cls, asset: Asset) -> "Family":
        """Return the family on whose chains the asset is paid."""
        return cls.BITCOIN if asset == Asset.BTC else cls.EVM


AccountKey = Annotated[
    SecretStr,
    Field(max_length=120),
    WithJsonSchema({"type": "string", "maxLength": 120, "format": "password", "writeOnly": True}),
]
"""An extended public key of an account (xpub, zpub; on test networks tpub, vpub). Never shown or logged."""
