"""Places an order with the client that openapi-python-client makes of the description. Usage: order.py URL"""

import sys

from flashsale_client import Client
from flashsale_client.api.orders import follow_order, place_order
from flashsale_client.models import NewOrder, Problem, Receipt

client = Client(base_url=sys.argv[1])
placed = place_order.sync(client=client, body=NewOrder(product_id=1, user_id="python", quantity=1))
assert isinstance(placed, Receipt), placed
job = follow_order.sync(placed.job_id, client=client)
assert job.order_id == placed.order_id, job
refused = place_order.sync(client=client, body=NewOrder(product_id=999, user_id="python", quantity=1))
assert isinstance(refused, Problem) and refused.code == "product_not_found", refused
print(f"Python: order {placed.order_id}")
