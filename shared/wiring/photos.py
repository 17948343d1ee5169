"""Pictures of shops, composed."""

from functools import cache

from shared.adapters.aws.bucket import S3Bucket
from shared.settings import ImageSettings
from shared.shops.ports import Photographing
from shared.wiring.shops import shops


@cache
def photographing() -> Photographing:
    """Return everything the operations of pictures are given."""
    return Photographing(shops=shops(), bucket=S3Bucket(ImageSettings.from_env()))
