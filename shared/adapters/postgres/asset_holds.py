"""Assets that nothing settles in, with the reason; and what ran behind each token when it was first seen."""

from collections.abc import Mapping, Sequence
from typing import Final

from shared.adapters.postgres.database import Connection, Sql
from shared.kernel.encoding import to_json
from shared.kernel.money import Asset
from shared.payments.chain import TokenState

_FIRST_SEEN: Final = Sql(
    "insert into token_contracts (chain, asset, contract, code)"
    " select :chain, asset, contract, code from jsonb_to_recordset(:states::jsonb)"
    " as s(asset text, contract text, code text) on conflict do nothing"
)
_KNOWN: Final = Sql("select asset, contract, code from token_contracts where chain = :chain")
_LET_GO: Final = Sql("delete from asset_holds where chain = :chain and not asset = any(:held::text[])")
_HOLD: Final = Sql(
    "insert into asset_holds as h (chain, asset, reason, held_at)"
    " select :chain, asset, reason, clock_timestamp() from jsonb_to_recordset(:holds::jsonb)"
    " as n(asset text, reason text)"
    " on conflict (chain, asset) do update set reason = excluded.reason where h.reason <> excluded.reason"
)


def write(
    connection: Connection, chain: str, states: Sequence[TokenState], short: Mapping[Asset, int]
) -> Mapping[Asset, str]:
    """Hold what must be held and let go of the rest, within the connection's transaction; return why each is held."""
    rows = [{"asset": state.asset, "contract": state.contract, "code": state.code} for state in states]
    connection.run(_FIRST_SEEN, {"chain": chain, "states": to_json(rows)})
    known = {(asset, contract): code for asset, contract, code in connection.run(_KNOWN, {"chain": chain})}
    reasons: dict[Asset, str] = {}
    for state in states:
        if state.reason is not None:
            reasons[state.asset] = state.reason
        elif known[state.asset, state.contract] != state.code:
            reasons[state.asset] = "other code runs behind its contract than when it was first seen"
        elif lacking := short.get(state.asset):
            reasons[state.asset] = f"{lacking} receivers have less of it than was credited to them"
    holds = [{"asset": asset, "reason": reason} for asset, reason in reasons.items()]
    connection.run(_LET_GO, {"chain": chain, "held": [str(asset) for asset in reasons]})
    connection.run(_HOLD, {"chain": chain, "holds": to_json(holds)})
    return reasons
