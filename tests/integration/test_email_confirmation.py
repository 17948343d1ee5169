"""An address gets messages only after whoever reads it said so; and nobody is flooded with questions."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.adapters.messages.texts import JinjaTexts
from shared.adapters.postgres.database import Sql
from shared.kernel.errors import NotFound, TooMany, Transient, VersionConflict
from shared.kernel.ids import UserId
from shared.notifications.confirm_email import WrongConfirmationCode, confirm_email
from shared.notifications.get_preferences import get_preferences
from shared.notifications.model import Confirmation, ConfirmEmail, SetPreferences
from shared.notifications.ports import NotNow, Outcome, Refused, Sending, Sent, Unknown, Words
from shared.notifications.send_confirmation import send_confirmation
from shared.notifications.set_preferences import set_preferences
from tests.integration.test_notifications import ADDRESS, EVERYTHING, Room

ASKED = Sql("delete from outbox where topic = 'work:email-confirmations' returning 1")


class Post:
    """A mail provider that keeps what it is given, and says what it is told to say."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, Words]] = []
        self.says: Outcome = Sent("m-1")

    async def send(self, address: str, words: Words) -> Outcome:
        self.mails.append((address, words))
        return self.says

    @property
    def code(self) -> str:
        found = re.search(r"[A-Z2-7]{4}-[A-Z2-7]{4}", self.mails[-1][1].text)
        assert found
        return found[0]


class Hall(Room):
    """A room whose customer's address is not confirmed by itself."""

    def __init__(self, url: str) -> None:
        self.post = Post()
        super().__init__(url, mail=self.post)
        self.sending = Sending(JinjaTexts(), self.sending.push, self.post)

    async def sets(self, email: str | None = ADDRESS, **more: object) -> None:
        command = SetPreferences.model_validate({"email": email, **more})
        await set_preferences(command, if_match=None, by=self.by(), using=self.using)

    async def carried(self) -> int:
        """Carry the mails that ask, each twice, as may happen; return for how many there was work."""
        works = await self.db.run(ASKED)
        for _ in [*works, *works]:
            await send_confirmation(Confirmation(user_id=self.customer), using=self.using, sending=self.sending)
        return len(works)

    async def confirms(self, code: str) -> bool | None:
        return (await confirm_email(ConfirmEmail(code=code), by=self.by(), using=self.using)).view.email_confirmed

    async def known(self) -> bool | None:
        return (await get_preferences(by=self.by(), using=self.using)).view.email_confirmed


@pytest.fixture
async def hall(database: str) -> Hall:
    hall = Hall(database)
    await hall.open()
    return hall


async def test_an_address_is_asked_once_and_told_things_when_its_owner_says_so(hall: Hall) -> None:
    await hall.sets(language="de")
    await hall.ready()
    assert await hall.work() == [], "it is not confirmed"
    assert await hall.people.email(hall.customer) is None
    assert await hall.carried() == 1
    ((address, words),) = hall.post.mails
    assert (address, words.title) == (ADDRESS, "Bestätige deine E-Mail-Adresse")
    assert await hall.known() is False
    assert await hall.confirms(hall.post.code.lower().replace("-", "")) is True
    assert await hall.confirms("AAAA-AAAA") is True, "there is nothing left to confirm"
    assert await hall.people.email(hall.customer) == ADDRESS
    await hall.ready()
    assert len(await hall.work()) == 1


async def test_an_address_that_stays_the_same_stays_confirmed_and_another_is_asked_for(hall: Hall) -> None:
    await hall.sets()
    await hall.carried()
    await hall.confirms(hall.post.code)
    await hall.sets(language="es")
    await hall.sets(ADDRESS.upper())
    assert (await hall.known(), await hall.carried()) == (True, 0)
    await hall.sets("eve@example.com")
    assert await hall.known() is False
    assert await hall.people.email(hall.customer) is None
    old = hall.post.code
    assert await hall.carried() == 1
    with pytest.raises(WrongConfirmationCode):
        await hall.confirms(old)
    await hall.sets(None)
    assert await hall.known() is None
    with pytest.raises(NotFound):
        await hall.confirms(hall.post.code)


async def test_a_code_is_guessed_five_times_and_lasts_a_day(hall: Hall) -> None:
    await hall.sets()
    await hall.carried()
    wrong = [hall.confirms("AAAA-AAAA") for _ in range(12)]
    said = await asyncio.gather(*wrong, return_exceptions=True)
    assert {type(one) for one in said} == {WrongConfirmationCode}
    with pytest.raises(WrongConfirmationCode):
        await hall.confirms(hall.post.code)
    await hall.sets()
    await hall.carried()
    hall.clock.at += timedelta(hours=24)
    with pytest.raises(WrongConfirmationCode):
        await hall.confirms(hall.post.code)
    await hall.sets()
    await hall.carried()
    assert await hall.confirms(hall.post.code) is True


async def test_a_code_is_good_for_one_person_alone(hall: Hall) -> None:
    await hall.sets()
    await hall.carried()
    code, former = hall.post.code, hall.customer
    hall.customer = UserId.new()
    await hall.sets()
    await hall.carried()
    assert hall.post.code != code
    with pytest.raises(WrongConfirmationCode):
        await hall.confirms(code)
    hall.customer = former
    assert await hall.confirms(code) is True


async def test_nobody_is_flooded_by_one_person_or_by_many(hall: Hall) -> None:
    for number in range(5):
        await hall.sets(f"victim{number}@example.com")
    with pytest.raises(TooMany):
        await hall.sets("victim6@example.com")
    assert (await hall.people.preferences(hall.customer) or [None, 0])[1] == 5, "nothing of it was kept"
    assert await hall.carried() == 5
    assert len(hall.post.mails) == 1, "the latest question is asked, and once"
    people = [UserId.new() for _ in range(8)]

    async def sets(person: UserId) -> None:
        by = replace(hall.by(), actor=person)
        await set_preferences(SetPreferences(email="victim@example.com"), if_match=None, by=by, using=hall.using)

    said = await asyncio.gather(*map(sets, people), return_exceptions=True)
    assert sum(isinstance(one, TooMany) for one in said) == 3
    hall.clock.at += timedelta(days=1)
    await hall.sets("victim@example.com")


async def test_a_refused_change_asks_nobody(hall: Hall) -> None:
    command = SetPreferences(email=ADDRESS)
    for _ in range(6):
        with pytest.raises(VersionConflict):
            await set_preferences(command, if_match=7, by=hall.by(), using=hall.using)
    assert await hall.carried() == 0
    await hall.sets()
    assert await hall.carried() == 1


@pytest.mark.parametrize("says", [Unknown("timeout"), Refused("MessageRejected")])
async def test_a_mail_that_may_have_been_sent_is_not_sent_again(hall: Hall, says: Outcome) -> None:
    hall.post.says = says
    await hall.sets()
    await hall.carried()
    assert len(hall.post.mails) == 1


async def test_a_mail_that_surely_was_not_sent_is_sent_later(hall: Hall) -> None:
    hall.post.says = NotNow("throttled")
    await hall.sets()
    with pytest.raises(Transient):
        await hall.carried()
    hall.post.says = Sent("m-2")
    await send_confirmation(Confirmation(user_id=hall.customer), using=hall.using, sending=hall.sending)
    assert len(hall.post.mails) == 2
    assert await hall.confirms(hall.post.code) is True


async def test_neither_code_nor_address_lies_anywhere_in_clear(hall: Hall) -> None:
    await hall.has_phone()
    await hall.sets()
    await send_confirmation(Confirmation(user_id=hall.customer), using=hall.using, sending=hall.sending)
    await hall.ready()
    code = hall.post.code
    for (text,) in await hall.db.run(EVERYTHING):
        assert text
        assert ADDRESS not in text
        assert code not in text
        assert code.replace("-", "") not in text
