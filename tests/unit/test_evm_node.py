"""The EVM node's client, on answers a node gives under load."""

from collections.abc import Sequence

import pytest

from shared.adapters.evm import bloom
from shared.adapters.evm.node import EvmNode, FullBlock, number_of
from shared.adapters.json_rpc import JsonRpc, RpcRefused
from shared.payments.chain import NodeUntrusted


def block(number: str) -> FullBlock:
    return FullBlock(number, "0xaa", "0xbb", "0x1", "0x0", [])


async def test_what_is_refused_of_a_batch_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    async def three(
        self: JsonRpc, kind: type[FullBlock], method: str, params: Sequence[Sequence[str]]
    ) -> list[FullBlock | RpcRefused | None]:
        sizes.append(len(params))
        served: list[FullBlock | RpcRefused | None] = [block(each[0]) for each in params[:3]]
        return served + [RpcRefused(method, -32003, "response too large") for _ in params[3:]]

    monkeypatch.setattr(JsonRpc, "batch", three)
    blocks = await EvmNode("http://127.0.0.1:9").blocks(range(10))
    assert [each and number_of(each.number) for each in blocks] == list(range(10))
    assert sizes == [10, 7, 4, 1]


async def test_batch_that_is_refused_whole_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def none(self: JsonRpc, kind: object, method: str, params: Sequence[object]) -> list[RpcRefused]:
        return [RpcRefused(method, -32003, "response too large") for _ in params]

    monkeypatch.setattr(JsonRpc, "batch", none)
    with pytest.raises(RpcRefused, match="too large"):
        await EvmNode("http://127.0.0.1:9").blocks(range(10))


def test_bloom_filter_holds_what_was_put_in_and_denies_the_rest() -> None:
    # The filter of one log is the mask of its contract and topics.
    contract = "0x700b6a60ce7eaaea56f065753d8dcb9653dbad35"
    topic = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
    members = bloom.mask(contract, topic)
    assert members.bit_count() <= 6
    assert bloom.may_hold(f"0x{members:0512x}", members)
    assert not bloom.may_hold("0x" + "0" * 512, members)
    assert not bloom.may_hold(f"0x{bloom.mask(contract):0512x}", members)


@pytest.mark.parametrize("quantity", ["", "0x", "0xzz", "ten"])
def test_quantity_that_is_none_is_not_believed(quantity: str) -> None:
    with pytest.raises(NodeUntrusted):
        number_of(quantity)
