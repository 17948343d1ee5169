"""GET /v1/orders/{order_id}/receipt: what was bought and paid, as JSON, HTML or PDF."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Encoded, Reply
from shared.orders import get_receipt as rule
from shared.orders.get_receipt import Receipt, ReceiptPath
from shared.wiring.edge import http_function
from shared.wiring.orders import orders, purchases
from shared.wiring.receipts import pages


@http_function
async def get_receipt(request: Request[Nothing, ReceiptPath]) -> Reply[Encoded[Receipt]]:
    """GET /v1/orders/{order_id}/receipt: what was bought and paid, as JSON, HTML or PDF."""
    accept = request.headers.get("accept", "")
    return await rule.get_receipt(
        request.params, accept, by=request.by, using=orders(), purchases=purchases(), pages=pages()
    )
