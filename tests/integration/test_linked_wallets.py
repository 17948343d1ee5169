"""Wallets linked by proof, on a real Postgres; contract wallets asked of a real node (EIP-1271)."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import pytest
from coincurve import PrivateKey
from embit import bech32, hashes
from eth_account import Account
from eth_account.signers.local import LocalAccount
from pydantic import ValidationError

from emulators.component import Running
from emulators.merchant_keys import signed
from emulators.wallets import EvmWallet
from shared.adapters.bitcoin.linked_wallets import LinkedBitcoinWallets
from shared.adapters.evm.contract_wallets import EvmContractWallets
from shared.adapters.evm.personal_sign import PersonalSignatures
from shared.adapters.postgres.database import Sql
from shared.kernel.decision import By, Role
from shared.kernel.errors import Conflict, Forbidden, Invalid, NotFound, Transient, Unauthenticated
from shared.kernel.ids import KeyId, MerchantId, UserId, WalletId
from shared.wallets.link_wallet import WalletProof, link_wallet
from shared.wallets.list_wallets import list_wallets
from shared.wallets.model import MOST_WALLETS, LinkWallet, WalletList, WalletView
from shared.wallets.ports import Linking
from shared.wallets.siwe import BITCOIN_CHAINS, MalformedMessage, SignInRefused
from shared.wallets.unlink_wallet import unlink_wallet
from tests.integration.shops_rows import not_as_their_events_say
from tests.integration.test_wallets import KEYS, Door
from tests.signing import DOMAIN, PERSON, message, signature_of

OWNERS = Sql("select account, user_id from wallet_owners order by account")
IN_CLEAR = Sql("update users set address = :address, account = null where user_id = :user_id")
KEYLESS = Sql("delete from person_keys")
EVERYTHING = Sql(
    "select convert_from(body, 'UTF8') from events union all select convert_from(body, 'UTF8') from outbox"
    " union all select users::text from users union all select wallet_owners::text from wallet_owners"
)
OTHER: LocalAccount = Account.from_key("0x" + "43" * 32)
COIN_KEY = PrivateKey(bytes(31) + b"\x07")
COIN_ADDRESS = str(bech32.encode("bcrt", 0, hashes.hash160(COIN_KEY.public_key.format())))
UNDEPLOYED = "6492" * 16


class Hall(Door):
    """A door with a room behind it, where people link their wallets."""

    async def enter(self, account: LocalAccount = PERSON) -> UserId:
        text = message(account=account, nonce=await self.nonce())
        return (await self.sign_in(text, signature_of(text, account))).user_id

    async def statement_for(self, user: UserId, account: LocalAccount = OTHER, **changes: str) -> str:
        said = {"nonce": await self.nonce(), "statement": f"Link this wallet to {user}.", **changes}
        return message(account=account, **said)

    async def bitcoin_statement(self, user: UserId, **changes: str) -> str:
        """Return what a Bitcoin wallet is shown."""
        text = await self.statement_for(user, chain_id="CHAIN")
        said = {
            "Ethereum account": "Bitcoin account",
            OTHER.address: COIN_ADDRESS,
            "CHAIN": BITCOIN_CHAINS["regtest"],
            **changes,
        }
        for old, new in said.items():
            text = text.replace(old, new)
        return text

    async def link(self, user: UserId, text: str, signature: str, kind: str = "evm") -> WalletList:
        command = LinkWallet.model_validate({"kind": kind, "message": text, "signature": signature})
        contracts, bitcoin = EvmContractWallets(self.contracts), LinkedBitcoinWallets("regtest")
        proof = Linking(PersonalSignatures(), contracts, bitcoin)
        return (await link_wallet(command, client="192.0.2.1", by=who(user), proof=proof, using=self.using)).view

    async def link_key(self, user: UserId, account: LocalAccount = OTHER) -> WalletView:
        text = await self.statement_for(user, account)
        return (await self.link(user, text, signature_of(text, account))).wallets[-1]

    async def unlink(self, user: UserId, wallet_id: WalletId) -> WalletList:
        return (await unlink_wallet(wallet_id, by=who(user), using=self.using)).view

    async def wallets(self, user: UserId) -> list[str]:
        view = (await list_wallets(by=who(user), using=self.using.people)).view
        return [wallet.address for wallet in view.wallets]


def who(user: UserId) -> By:
    return By(user, frozenset({Role.CUSTOMER, Role.OWNER}), MerchantId.like(user))


async def outcome(trying: object) -> str:
    try:
        await trying  # type: ignore[misc]  # any of the operations
    except (Conflict, Invalid, NotFound, Unauthenticated) as refused:
        return refused.type
    return "ok"


async def test_a_second_wallet_signs_in_as_the_same_person_until_it_is_unlinked(database: str) -> None:
    hall = Hall(database)
    me = await hall.enter()
    linked = await hall.link_key(me)
    assert (linked.kind, linked.chain, linked.address, linked.signs_in) == ("eoa", None, OTHER.address.lower(), True)
    assert await hall.enter(OTHER) == me
    assert await hall.wallets(me) == [PERSON.address.lower(), OTHER.address.lower()]
    await hall.unlink(me, linked.wallet_id)
    assert await outcome(hall.unlink(me, linked.wallet_id)) == "not-found"
    assert await hall.enter(OTHER) != me, "it is a stranger's again"
    assert not_as_their_events_say(database, "usr_") == []


async def test_the_first_wallet_may_go_when_another_signs_in(database: str) -> None:
    hall = Hall(database)
    me = await hall.enter()
    first = WalletId.like(me)
    assert await outcome(hall.unlink(me, first)) == "last-wallet"
    text = await hall.bitcoin_statement(me)
    await hall.link(me, text, signed("bitcoin", COIN_KEY, text), "bitcoin")
    assert await outcome(hall.unlink(me, first)) == "last-wallet", "a Bitcoin wallet signs nobody in"
    await hall.link_key(me)
    await hall.unlink(me, first)
    assert await hall.enter(OTHER) == me
    assert await hall.enter() != me
    assert not_as_their_events_say(database, "usr_") == []


@pytest.mark.parametrize("simple", [False, True])
async def test_a_bitcoin_address_is_linked_by_what_it_signed(database: str, simple: bool) -> None:
    hall = Hall(database)
    me = await hall.enter()
    text = await hall.bitcoin_statement(me)
    view = (await hall.link(me, text, signed("bitcoin", COIN_KEY, text, simple=simple), "bitcoin")).wallets[-1]
    assert (view.kind, view.chain, view.address, view.signs_in) == ("bitcoin", "bitcoin", COIN_ADDRESS, False)
    account = KEYS.account(f"bip122:{BITCOIN_CHAINS['regtest']}:{COIN_ADDRESS}")
    assert (account, me) in [(*row,) for row in await hall.db.run(OWNERS)]


@pytest.mark.parametrize(
    "changes",
    [
        {"Link this wallet": "Sign in"},
        {BITCOIN_CHAINS["regtest"]: BITCOIN_CHAINS["main"]},
        {f"{DOMAIN} wants": "evil.example wants"},
        {"Issued At: 2026": "Issued At: 2025"},
        {COIN_ADDRESS: "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"},
        {COIN_ADDRESS: "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn"},
        {COIN_ADDRESS: COIN_ADDRESS[:-1] + ("q" if COIN_ADDRESS[-1] != "q" else "p")},
    ],
)
async def test_a_bitcoin_message_that_says_something_else_links_nothing(database: str, changes: dict[str, str]) -> None:
    hall = Hall(database)
    me = await hall.enter()
    text = await hall.bitcoin_statement(me, **changes)
    for old, new in changes.items():
        text = text.replace(old, new)
    with pytest.raises(Invalid):
        await hall.link(me, text, signed("bitcoin", COIN_KEY, text), "bitcoin")
    assert len(await hall.wallets(me)) == 1


async def test_a_proof_is_for_one_account_and_used_once(database: str) -> None:
    hall = Hall(database)
    me, eve = await hall.enter(), await hall.enter(Account.create())
    text = await hall.statement_for(me)
    proof = signature_of(text, OTHER)
    with pytest.raises(WalletProof, match="statement"):
        await hall.link(eve, text, proof)
    with pytest.raises(SignInRefused, match="links a wallet"):
        await hall.sign_in(text, proof)
    for wrong in (signature_of(text, PERSON), "0x" + "00" * 65, "0x" + "ab" * 200 + UNDEPLOYED):
        with pytest.raises(WalletProof):
            await hall.link(me, text, wrong)
    await hall.link(me, text, proof)
    assert len((await hall.link(me, text, proof)).wallets) == 2, "what is linked already changes nothing"
    linked = (await hall.link(me, text, proof)).wallets[-1]
    await hall.unlink(me, linked.wallet_id)
    with pytest.raises(WalletProof, match="nonce"):
        await hall.link(me, text, proof)
    plain = await hall.statement_for(me, statement="Sign in to Cortado.")
    with pytest.raises(WalletProof, match="statement"):
        await hall.link(me, plain, signature_of(plain, OTHER))
    with pytest.raises(MalformedMessage):
        await hall.link(me, "hello", proof)
    for text_ in ("0x" + "gg" * 65, "0x123", "AAAA"):
        with pytest.raises(ValidationError):
            LinkWallet(kind="evm", message=text, signature=text_)


async def test_a_wallet_is_one_persons_however_many_link_it_at_once(database: str) -> None:
    hall = Hall(database)
    people = [await hall.enter(Account.create()) for _ in range(8)]
    texts = [await hall.statement_for(person) for person in people]
    tries = [
        outcome(hall.link(person, text, signature_of(text, OTHER))) for person, text in zip(people, texts, strict=True)
    ]
    assert Counter(await asyncio.gather(*tries)) == {"ok": 1, "wallet-taken": 7}
    owner = await hall.enter(OTHER)
    assert owner in people
    assert [len(await hall.wallets(person)) for person in people if person != owner] == [1] * 7
    stranger = await hall.enter()
    text = await hall.statement_for(stranger)
    assert await outcome(hall.link(stranger, text, signature_of(text, OTHER))) == "wallet-taken"
    assert not_as_their_events_say(database, "usr_") == []


async def test_signing_in_and_linking_the_same_new_wallet_at_once_gives_it_to_one(database: str) -> None:
    hall = Hall(database)
    me, fresh = await hall.enter(), Account.create()
    link, enter = await hall.statement_for(me, fresh), message(account=fresh, nonce=await hall.nonce())
    told = await asyncio.gather(
        outcome(hall.link(me, link, signature_of(link, fresh))), hall.sign_in(enter, signature_of(enter, fresh))
    )
    same = told[1].user_id == me
    assert told[0] == ("ok" if same else "wallet-taken")
    account = KEYS.account(f"eip155:{fresh.address.lower()}")
    assert len([row for row in await hall.db.run(OWNERS) if row[0] == account]) == 1


async def test_one_person_has_so_many_wallets_and_no_more(database: str) -> None:
    hall = Hall(database)
    me = await hall.enter()
    for _ in range(MOST_WALLETS - 1):
        await hall.link_key(me, Account.create())
    with pytest.raises(Conflict, match="Unlink one"):
        await hall.link_key(me, Account.create())
    staff = By(KeyId.new(), frozenset({Role.OWNER}), MerchantId.like(me))
    with pytest.raises(Forbidden):
        await unlink_wallet(WalletId.new(), by=staff, using=hall.using)
    with pytest.raises(NotFound):
        await list_wallets(by=staff, using=hall.using.people)


async def test_a_person_from_before_is_found_by_the_address_they_came_with(database: str) -> None:
    hall = Hall(database)
    me = await hall.enter()
    await hall.db.run(IN_CLEAR, user_id=me, address=PERSON.address.lower())
    await hall.db.run(KEYLESS)
    assert [(*row,) for row in await hall.db.run(OWNERS)] == [(f"eip155:{PERSON.address.lower()}", me)]
    assert await hall.enter() == me
    eve = await hall.enter(OTHER)
    for user, expected in ((eve, "wallet-taken"), (me, "ok")):
        text = await hall.statement_for(user, PERSON)
        assert await outcome(hall.link(user, text, signature_of(text))) == expected
    assert await hall.wallets(me) == [PERSON.address.lower()]
    third = Account.create()
    await hall.link_key(me, third)
    assert await hall.wallets(me) == [PERSON.address.lower(), third.address.lower()]


async def test_no_fact_and_no_row_tells_an_address(database: str) -> None:
    hall = Hall(database)
    me = await hall.enter()
    await hall.link_key(me)
    text = await hall.bitcoin_statement(me)
    await hall.link(me, text, signed("bitcoin", COIN_KEY, text), "bitcoin")
    told = "".join(str(each) for (each,) in await hall.db.run(EVERYTHING))
    assert "sealed:" in told
    for address in (PERSON.address, OTHER.address, COIN_ADDRESS):
        assert address.lower() not in told.lower()
    assert not_as_their_events_say(database, "usr_") == []


# Contract wallets


@pytest.fixture
def keyring(ethereum: Running) -> tuple[EvmWallet, str]:
    """Return who owns a contract wallet, and its address."""
    owner = EvmWallet(ethereum.env["EVM_RPC_URL"])
    return owner, owner.deploy("keyring")


def as_contract(address: str, account: LocalAccount) -> LocalAccount:
    """Return something whose address is the contract's and whose key is the account's."""

    class Posing:
        def __init__(self) -> None:
            self.address = address

    return Posing()  # type: ignore[return-value]  # only its address is asked for


async def test_a_contract_wallet_signs_in_by_its_owners_signature(
    database: str, ethereum: Running, keyring: tuple[EvmWallet, str]
) -> None:
    owner, address = keyring
    hall = Hall(database, contracts={31337: ethereum.env["EVM_RPC_URL"]})
    key = Account.from_key(owner.private_key)
    contract = as_contract(address, key)

    async def enter(by: LocalAccount) -> UserId:
        text = message(account=contract, nonce=await hall.nonce())
        return (await hall.sign_in(text, signature_of(text, by))).user_id

    me = await enter(key)
    assert await enter(key) == me
    assert await hall.enter(key) != me, "the owner's own address is another account"
    with pytest.raises(SignInRefused, match="signature"):
        await enter(OTHER)
    owner.call("keyring", address, "handOver", OTHER.address)
    assert await enter(OTHER) == me
    with pytest.raises(SignInRefused):
        await enter(key)
    account = KEYS.account(f"eip155:31337:{address.lower()}")
    assert [row[0] for row in await hall.db.run(OWNERS) if row[1] == me] == [account]
    assert not_as_their_events_say(database, "usr_") == []


async def test_what_is_no_contract_or_none_that_answers_signs_nobody_in(
    database: str, ethereum: Running, keyring: tuple[EvmWallet, str]
) -> None:
    owner, address = keyring
    hall = Hall(database, contracts={31337: ethereum.env["EVM_RPC_URL"]})
    till, key = owner.deploy("till"), Account.from_key(owner.private_key)
    for place in (till, Account.create().address):
        text = message(account=as_contract(place, key), nonce=await hall.nonce())
        with pytest.raises(SignInRefused, match="signature"):
            await hall.sign_in(text, signature_of(text, key))
    text = message(account=as_contract(address, key), nonce=await hall.nonce())
    good = signature_of(text, key)
    for wrong in (good[:-2], good + "00", "0x" + "00" * 3000):
        with pytest.raises(SignInRefused):
            await hall.sign_in(text, wrong)
    with pytest.raises(SignInRefused, match="ERC-6492"):
        await hall.sign_in(text, good + UNDEPLOYED)
    with pytest.raises(SignInRefused, match="signature"):
        await hall.sign_in(text.replace(address, address.lower()), good)
    assert (await hall.sign_in(text, good)).user_id, "none of these has used the nonce up"
    with pytest.raises(SignInRefused, match="nonce"):
        await hall.sign_in(text, good)


async def test_without_a_node_of_the_chain_no_contract_signs_in_and_a_dead_node_is_told(
    database: str, keyring: tuple[EvmWallet, str]
) -> None:
    owner, address = keyring
    key = Account.from_key(owner.private_key)
    for nodes, expected in (({}, SignInRefused), ({31337: "http://127.0.0.1:9"}, Transient)):
        hall = Hall(database, contracts=nodes)
        text = message(account=as_contract(address, key), nonce=await hall.nonce())
        with pytest.raises(expected):
            await hall.sign_in(text, signature_of(text, key))


async def test_a_node_is_asked_only_for_a_nonce_that_could_be_used(
    database: str, keyring: tuple[EvmWallet, str]
) -> None:
    owner, address = keyring
    hall = Hall(database, contracts={31337: "http://127.0.0.1:9"})
    key = Account.from_key(owner.private_key)
    text = message(account=as_contract(address, key), nonce="0123456789abcdef")
    with pytest.raises(SignInRefused, match="nonce"):
        await hall.sign_in(text, signature_of(text, key))


async def test_a_contract_wallet_is_linked_on_its_chain(
    database: str, ethereum: Running, keyring: tuple[EvmWallet, str]
) -> None:
    owner, address = keyring
    hall = Hall(database, contracts={31337: ethereum.env["EVM_RPC_URL"]})
    me, key = await hall.enter(), Account.from_key(owner.private_key)
    text = await hall.statement_for(me, as_contract(address, key))
    view = (await hall.link(me, text, signature_of(text, key))).wallets[-1]
    assert (view.kind, view.chain, view.address) == ("contract", "evm:31337", address.lower())
    enter = message(account=as_contract(address, key), nonce=await hall.nonce())
    assert (await hall.sign_in(enter, signature_of(enter, key))).user_id == me
    again = replace(hall.using, terms=replace(hall.using.terms, chain_ids=frozenset({1})))
    hall.using = again
    with pytest.raises(SignInRefused, match="chain"):
        await hall.sign_in(enter, signature_of(enter, key))
