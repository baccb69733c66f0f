"""A client without a back-off: whenever it is refused, or its connection ends, it connects again at once.

usage: python-impatient.py URL TOKEN SECONDS

Prints how many times it connected within SECONDS, as one JSON line: {"event": "attempts", "data": number}
"""

import asyncio
import json
import sys
import time

import socketio


async def main(url, token, seconds):
    attempts = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        attempts += 1
        client = socketio.AsyncClient(reconnection=False)
        try:
            await client.connect(url, auth={"token": token}, transports=["websocket"])
            await client.wait()
        except socketio.exceptions.ConnectionError:
            pass
    print(json.dumps({"event": "attempts", "data": attempts}), flush=True)


asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
