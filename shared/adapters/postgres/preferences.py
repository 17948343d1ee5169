"""Preferences in Postgres: addresses sealed, and confirmed by their owners before anything else is sent there.

The code that confirms an address is derived from person, address and request by a keyed digest: it lies nowhere.
"""

import hmac
from base64 import b32encode
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from pydantic import TypeAdapter

from shared.adapters.postgres.database import Database, Sql
from shared.adapters.postgres.recording import work_row
from shared.adapters.sealing import Sealer
from shared.kernel.decision import By, Work
from shared.kernel.encoding import to_json
from shared.kernel.errors import Fenced, TooMany, VersionConflict
from shared.kernel.ids import UserId
from shared.notifications.model import Kind, Language, PreferencesView, QuietHours, SetPreferences, Topic
from shared.notifications.ports import Confirming
from shared.notifications.set_preferences import masked

MAILS_A_DAY: Final = 5
"""That ask for a confirmation: of one person, and to one address, whoever asks."""
TRIES: Final = 5
"""Of one code."""
CODE_LASTS: Final = timedelta(hours=24)
TOPIC: Final = "email-confirmations"
_CODE_BYTES: Final = 5
_SPENT: Final = "too many mails"


@dataclass(frozen=True, slots=True)
class Chosen:
    """A row of preferences, but its address."""

    language: Language = "en"
    channels: tuple[Kind, ...] = (Kind.PUSH, Kind.EMAIL)
    topics: dict[Topic, tuple[Kind, ...]] = field(default_factory=dict)
    quiet_hours: QuietHours | None = None


CHOSEN: Final = TypeAdapter(Chosen)
# An address that is confirmed stays so while it is the same one; any other is asked for, in the same commit.
_SET: Final = Sql(
    f"""
with asking as (
  select :digest::bytea is not null and not exists (
    select from preferences where user_id = :user_id and email_digest = :digest::bytea
       and email_confirmed_at is not null) as ask),
kept as (
  insert into preferences as p (user_id, language, channels, topics, sealed_email, email_digest, quiet_hours,
                                changed_at, version, confirm_asked, confirm_asked_at)
  select :user_id::text, :language::text, :channels::jsonb, :topics::jsonb, :sealed_email::bytea, :digest::bytea,
         :quiet_hours::jsonb, :now::timestamptz, 1, case when ask then 1 else 0 end, :now::timestamptz
    from asking
   where coalesce(:expected::bigint, 0) = 0 or exists (select from preferences where user_id = :user_id)
  on conflict (user_id) do update set
    language = excluded.language, channels = excluded.channels, topics = excluded.topics,
    sealed_email = excluded.sealed_email, quiet_hours = excluded.quiet_hours, changed_at = excluded.changed_at,
    version = p.version + 1, email_digest = excluded.email_digest,
    email_confirmed_at = case when p.email_digest = excluded.email_digest then p.email_confirmed_at end,
    confirm_asked = p.confirm_asked + excluded.confirm_asked,
    confirm_asked_at = case when excluded.confirm_asked > 0 then excluded.confirm_asked_at else p.confirm_asked_at end,
    confirm_tries = case when excluded.confirm_asked > 0 then 0 else p.confirm_tries end
    where :expected::bigint is null or p.version = :expected::bigint
  returning version, email_confirmed_at is not null as confirmed),
counted as (
  insert into confirmation_mails as c (who, window_start, mails)
  select who, :now::timestamptz, 1 from unnest(array[:person::bytea, :digest::bytea]) who, asking, kept where ask
  on conflict (who) do update set
    window_start = case when c.window_start <= :day_ago::timestamptz then excluded.window_start else c.window_start end,
    mails = case when c.window_start <= :day_ago::timestamptz then 1 else c.mails + 1 end
    where c.window_start <= :day_ago::timestamptz or c.mails < {MAILS_A_DAY}
  returning 1),
swept as (
  delete from confirmation_mails where who in (
    select who from confirmation_mails where window_start < :day_ago::timestamptz and who <> :digest::bytea
       and who <> :person::bytea limit 20 for update skip locked)),
sent as (
  insert into outbox (event_id, topic, key, region, body, traceparent)
  select o.event_id, o.topic, o.key, o.region, convert_to(o.body, 'UTF8'), o.traceparent
    from jsonb_to_recordset(:outbox::jsonb) as o(event_id text, topic text, key text, region text, body text,
         traceparent text), asking, kept where ask
  returning 1)
select version, case when ask and (select count(*) from counted) < 2 then refuse('CR004', '{_SPENT}')
                     else confirmed end
  from kept, asking
"""
)
_PREFERENCES: Final = Sql(
    "select jsonb_build_object('language', language, 'channels', channels, 'topics', topics,"
    " 'quiet_hours', quiet_hours)::text, sealed_email, email_confirmed_at is not null, changed_at, version"
    " from preferences where user_id = :user_id"
)
_EMAIL: Final = Sql(
    "select sealed_email from preferences"
    " where user_id = :user_id and channels ? 'email' and email_confirmed_at is not null"
)
_BEGIN: Final = Sql(
    "update preferences set confirm_sent = confirm_asked where user_id = :user_id and confirm_sent < confirm_asked"
    " and sealed_email is not null and email_confirmed_at is null returning sealed_email, confirm_asked, language"
)
_UNSENT: Final = Sql(
    "update preferences set confirm_sent = confirm_sent - 1 where user_id = :user_id and confirm_sent = :number::int"
    " and confirm_asked = confirm_sent"
)
_TRY: Final = Sql(
    f"update preferences set confirm_tries = confirm_tries + 1 where user_id = :user_id and confirm_tries < {TRIES}"
    " and sealed_email is not null and email_confirmed_at is null and confirm_asked_at > :day_ago::timestamptz"
    " returning sealed_email, confirm_asked"
)
_CONFIRM: Final = Sql(
    "update preferences set email_confirmed_at = :now::timestamptz, version = version + 1"
    " where user_id = :user_id and confirm_asked = :number::int and email_confirmed_at is null returning version"
)


class PostgresPreferences:
    """How people want to be told, and whose address is theirs."""

    def __init__(self, db: Database, sealer: Sealer, *, region: str = "local") -> None:
        self._db = db
        self._sealer = sealer
        self._region = region

    async def set_preferences(
        self, user_id: UserId, command: SetPreferences, *, if_match: int | None, by: By, now: datetime
    ) -> tuple[PreferencesView, int]:
        """Replace what was set and return it with its version; ask for an address that is new or unconfirmed.

        Raises VersionConflict, and TooMany where too many mails would ask.
        """
        email, quiet = command.email, command.quiet_hours
        work = work_row(0, Work(TOPIC, user_id, {"user_id": user_id}), by=by, now=now, region=self._region)
        try:
            rows = await self._db.run(
                _SET,
                user_id=user_id,
                language=command.language,
                channels=to_json(command.channels),
                topics=to_json({str(topic): kinds for topic, kinds in command.topics.items()}),
                sealed_email=self._sealer.seal(email, context=f"email:{user_id}") if email else None,
                digest=self._sealer.digest(email.lower(), context="email") if email else None,
                person=self._sealer.digest(user_id, context="confirmations"),
                quiet_hours=quiet.model_dump_json() if quiet else None,
                now=now,
                day_ago=now - timedelta(days=1),
                expected=if_match,
                outbox=to_json([work]),
            )
        except Fenced:
            detail = f"At most {MAILS_A_DAY} mails a day ask for a confirmation. Leave the e-mail out, or try tomorrow."
            raise TooMany(detail, retry_after_s=3600) from None
        if not rows:
            raise VersionConflict("The ETag in If-Match is not the current one.")
        version, confirmed = rows[0]
        view = PreferencesView(
            language=command.language,
            channels=command.channels,
            topics=command.topics,
            email=masked(email) if email else None,
            email_confirmed=confirmed if email else None,
            quiet_hours=quiet,
            changed_at=now,
        )
        return view, version

    async def preferences(self, user_id: UserId) -> tuple[PreferencesView, int] | None:
        """Return what is set with its version, or None when nothing ever was."""
        rows = await self._db.run(_PREFERENCES, user_id=user_id)
        if not rows:
            return None
        text, sealed, confirmed, changed_at, version = rows[0]
        chosen = CHOSEN.validate_json(text)
        view = PreferencesView(
            language=chosen.language,
            channels=chosen.channels,
            topics=chosen.topics,
            email=masked(self._opened(user_id, sealed)) if sealed is not None else None,
            email_confirmed=confirmed if sealed is not None else None,
            quiet_hours=chosen.quiet_hours,
            changed_at=changed_at,
        )
        return view, version

    async def email(self, user_id: UserId) -> str | None:
        """Return the e-mail address, or None when none is set or confirmed, or no e-mail is wanted."""
        rows = await self._db.run(_EMAIL, user_id=user_id)
        return self._opened(user_id, rows[0][0]) if rows and rows[0][0] is not None else None

    async def begin_confirming(self, user_id: UserId) -> Confirming | None:
        """Record that the mail of the latest request is attempted, and return what it says; None where none is due."""
        rows = await self._db.run(_BEGIN, user_id=user_id)
        if not rows:
            return None
        sealed, number, language = rows[0]
        address = self._opened(user_id, sealed)
        return Confirming(address, self._code(user_id, address, number), language, number)

    async def confirming_failed(self, user_id: UserId, number: int) -> None:
        """Take the attempt back: surely nothing was sent."""
        await self._db.run(_UNSENT, user_id=user_id, number=number)

    async def confirm_email(self, user_id: UserId, code: str, *, now: datetime) -> bool:
        """Count a try of the code; return whether it was the right one, and the address is confirmed now."""
        rows = await self._db.run(_TRY, user_id=user_id, day_ago=now - CODE_LASTS)
        if not rows:
            return False
        sealed, number = rows[0]
        expected = self._code(user_id, self._opened(user_id, sealed), number)
        if not hmac.compare_digest(expected.encode(), code.encode()):
            return False
        return bool(await self._db.run(_CONFIRM, user_id=user_id, number=number, now=now))

    def _opened(self, user_id: UserId, sealed: bytes) -> str:
        return self._sealer.open(bytes(sealed), context=f"email:{user_id}")

    def _code(self, user_id: UserId, address: str, number: int) -> str:
        """Return the code of a request: 8 letters and digits, 40 bits."""
        digest = self._sealer.digest(f"{number}\n{address}", context=f"confirm:{user_id}")
        return b32encode(digest[:_CODE_BYTES]).decode()
