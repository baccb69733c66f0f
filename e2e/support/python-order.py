"""How many events come before an earlier one in the synchronous client, with `keep_order` of the guide and without.

usage: python-order.py URL TRANSPORT kept|stock      PYTHONPATH: the files of docs/guides/other-languages.md

The server sends 3,000 events "number", {"n": …}. Prints {"event": "overtaken", "data": number}
"""

import json
import os
import sys
import threading

import engineio.payload
import socketio
from presence_sync import keep_order

url, transport, kind = sys.argv[1:]
EVENTS = 3000
engineio.payload.Payload.max_decode_packets = 100_000

client = socketio.Client(reconnection=False)
if kind == "kept":
    keep_order(client)
numbers = []
all_came = threading.Event()


def on_number(data):
    # As an application does that writes something down: the thread waits, and another one runs.
    with open(os.devnull, "w") as log:
        log.write(str(data["n"]))
    numbers.append(data["n"])
    if len(numbers) == EVENTS:
        all_came.set()


client.on("number", on_number)
client.connect(url, transports=[transport], wait_timeout=5)
all_came.wait(60)
overtaken = sum(1 for one, next_one in zip(numbers, numbers[1:]) if next_one < one)
print(json.dumps({"event": "overtaken", "data": overtaken}), flush=True)
os._exit(0)
