"""PUT /v1/shops/{shop_id}/menu/groups/{group_id}: add a group of choices, or replace it."""

from shared.catalog import put_modifier_group as rule
from shared.catalog.model import GroupPath, MenuChange, PutModifierGroup
from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.wiring.catalog import catalog
from shared.wiring.edge import http_function


@http_function
async def put_modifier_group(request: Request[PutModifierGroup, GroupPath]) -> Reply[MenuChange]:
    """PUT /v1/shops/{shop_id}/menu/groups/{group_id}: add a group of choices, or replace it."""
    return await rule.put_modifier_group(
        request.params, request.body, if_match=request.if_match, by=request.by, using=catalog()
    )
