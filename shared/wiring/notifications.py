"""Notifications, composed. What sends is built only for the functions that send."""

from functools import cache

from shared.adapters.postgres.notifications import PostgresNotifications, PostgresOrderNews, PostgresPeopleReached
from shared.adapters.sealing import Sealer
from shared.notifications.ports import Notifications, Sending
from shared.settings import AwsSettings, SealingSettings
from shared.wiring.resources import clock, database, region


@cache
def notifications() -> Notifications:
    """Return everything the operations of notifications are given, but the providers."""
    db = database()
    return Notifications(
        store=PostgresNotifications(db, region=region()),
        people=PostgresPeopleReached(db, Sealer(SealingSettings.from_env()), region=region()),
        orders=PostgresOrderNews(db),
        clock=clock(),
    )


@cache
def sending() -> Sending:
    """Return the words and the providers: needed by the two functions that send."""
    from shared.adapters.aws.mail import SesMail
    from shared.adapters.aws.push import SnsPush
    from shared.adapters.messages.texts import JinjaTexts

    settings = AwsSettings.from_env()
    return Sending(texts=JinjaTexts(), push=SnsPush(settings), mail=SesMail(settings))
