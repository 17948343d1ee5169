"""The binary reader against the first block, BIP-143's example, and an independent parser on random blocks."""

from io import BytesIO

import pytest
from embit.script import Script, Witness
from embit.transaction import Transaction, TransactionInput, TransactionOutput
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.bitcoin.block import read_block, read_head, read_transaction
from shared.payments.chain import NodeUntrusted, Outpoint

GENESIS = bytes.fromhex(
    "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f61"
    "7fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c01010000000100000000000000000000000000000000000000"
    "00000000000000000000000000ffffffff4d04ffff001d0104455468652054696d65732030332f4a616e2f32303039204368616e63"
    "656c6c6f72206f6e206272696e6b206f66207365636f6e64206261696c6f757420666f722062616e6b73ffffffff0100f2052a01"
    "000000434104678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef38c4f35504e51ec1"
    "12de5c384df7ba0b8d578a4c702b6bf11d5fac00000000"
)
GENESIS_SCRIPT = (
    "4104678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef38c4f35504e51ec112de5c38"
    "4df7ba0b8d578a4c702b6bf11d5fac"
)
# BIP-143, native P2WPKH, signed.
SEGWIT = bytes.fromhex(
    "01000000000102fff7f7881a8099afa6940d42d1e7f6362bec38171ea3edf433541db4e4ad969f00000000494830450221008b9d1d"
    "c26ba6a9cb62127b02742fa9d754cd3bebf337f7a55d114c8e5cdd30be022040529b194ba3f9281a99f2b1c0a19c0489bc22ede94"
    "4ccf4ecbab4cc618ef3ed01eeffffffef51e1b804cc89d182d279655c3aa89e815b1b309fe287d9b2b55d57b90ec68a0100000000"
    "ffffffff02202cb206000000001976a9148280b37df378db99f66f85c95a783a76ac7a6d5988ac9093510d000000001976a9143bd"
    "e42dbee7e4dbe6a21b2d50ce2f0167faa815988ac000247304402203609e17b84f6a7d30c80bfa610b5b4542f32a8a0d5447a12fb"
    "1366d7f01cc44a0220573a954c4518331561406f90300e8f3358f51928d43c212a8caed02de67eebee0121025476c2e83188368da"
    "1ff3e292e7acafcdb3566bb0ad253f62fc70f07aeee635711000000"
)


def test_first_block_pays_its_known_script() -> None:
    assert read_head(GENESIS) == (
        "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f",
        "0" * 64,
        1231006505,
    )
    [output] = read_block(GENESIS, {GENESIS_SCRIPT}).outputs
    assert output.txid == "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b"
    assert (output.position, output.satoshi, output.coinbase) == (0, 50 * 10**8, True)


def test_segwit_transaction_has_the_txid_without_its_witness() -> None:
    script = "76a9143bde42dbee7e4dbe6a21b2d50ce2f0167faa815988ac"
    spent = Outpoint("8ac60eb9575db5b2d987e29f301b5b819ea83a5c6579d282d189cc04b8e151ef", 1)
    read = read_transaction(SEGWIT, {script}, [spent])
    assert read.txid == "e8151a2af31c368a35053ddd4bdb285a8595c769a3ad83e0fa02314a602d4609"
    assert [each.satoshi for each in read.found.outputs] == [223450000]
    assert [each.outpoint for each in read.found.spends] == [spent]
    assert len(read.inputs) == 2


scripts = st.binary(min_size=0, max_size=300)
lone_transactions = st.builds(
    lambda inputs, outputs, segwit: Transaction(
        vin=[
            TransactionInput(txid, index, Script(script), witness=Witness(items if segwit else []))
            for txid, index, script, items in inputs
        ],
        vout=[TransactionOutput(value, Script(script)) for value, script in outputs],
    ),
    st.lists(
        st.tuples(
            st.binary(min_size=32, max_size=32),
            st.integers(0, 2**32 - 1),
            scripts,
            st.lists(st.binary(max_size=300), min_size=1, max_size=3),
        ),
        min_size=1,
        max_size=5,
    ),
    st.lists(st.tuples(st.integers(1, 21 * 10**14), scripts), min_size=1, max_size=5),
    st.booleans(),
)


def block_of(transactions: list[Transaction]) -> bytes:
    count = len(transactions)
    size = bytes([count]) if count < 0xFD else b"\xfd" + count.to_bytes(2, "little")
    return bytes(80) + size + b"".join(transaction.serialize() for transaction in transactions)


@given(st.lists(lone_transactions, min_size=1, max_size=4))
def test_every_output_and_spend_of_random_blocks_is_found(transactions: list[Transaction]) -> None:
    transactions = [Transaction.read_from(BytesIO(each.serialize())) for each in transactions]
    watched = {output.script_pubkey.data.hex() for each in transactions for output in each.vout}
    inputs = {Outpoint(spent.txid.hex(), spent.vout) for each in transactions for spent in each.vin}
    found = read_block(block_of(transactions), watched, inputs)
    assert [(each.txid, each.position, each.script, each.satoshi) for each in found.outputs] == [
        (each.txid().hex(), position, output.script_pubkey.data.hex(), output.value)
        for each in transactions
        for position, output in enumerate(each.vout)
    ]
    assert [(each.outpoint, each.by) for each in found.spends] == [
        (Outpoint(spent.txid.hex(), spent.vout), each.txid().hex()) for each in transactions for spent in each.vin
    ]


@given(lone_transactions)
def test_lone_transaction_reads_like_one_of_a_block(transaction: Transaction) -> None:
    read = read_transaction(transaction.serialize(), set())
    assert read.txid == transaction.txid().hex()
    assert read.inputs == tuple(Outpoint(spent.txid.hex(), spent.vout) for spent in transaction.vin)


@given(st.integers(0, len(SEGWIT) - 1))
def test_bytes_that_end_early_or_late_are_refused(length: int) -> None:
    block = bytes(80) + b"\x01" + SEGWIT
    for broken in (block[: 81 + length], block + b"\x00"):
        with pytest.raises(NodeUntrusted):
            read_block(broken, set())
    with pytest.raises(NodeUntrusted):
        read_transaction(SEGWIT[:length], set())


def test_block_of_more_transactions_than_one_byte_counts_is_read_whole() -> None:
    plain = Transaction(
        vin=[TransactionInput(bytes(32), 0, Script(b""))],
        vout=[TransactionOutput(7, Script(bytes.fromhex("0014" + "ab" * 20)))],
    )
    assert len(read_block(block_of([plain] * 300), {"0014" + "ab" * 20}).outputs) == 300
