"""Pictures of items, composed."""

from functools import cache

from shared.adapters.aws.bucket import S3Bucket
from shared.catalog.ports import Imaging
from shared.settings import ImageSettings
from shared.wiring.catalog import catalog


@cache
def imaging() -> Imaging:
    """Return everything the operations of pictures are given."""
    return Imaging(catalog=catalog(), bucket=S3Bucket(ImageSettings.from_env()))
