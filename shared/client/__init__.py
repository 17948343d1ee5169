"""A typed client of the HTTP API, for Python programs that call it: sync and async.

    with Client("https://api.example") as client:
        client.sign_in(address, sign)
        placed = client.send(orders.create_order(PlaceOrder(shop_id=shop, lines=lines)))
        for order in client.follow(placed.view.order_id): ...

Belongs here: what a caller needs. `operations/` is written by `python -m triggers docs` from the registry, one function
for each route; the models are the platform's own. Does not: anything that a function of the platform imports.
"""
