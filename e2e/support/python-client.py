"""A client that this project did not write the library of: Debian's python3-socketio.

usage: python-client.py URL TOKEN

Prints one JSON line per event: {"event": name, "data": payload}. Each handler takes ONE parameter, as protocol 1
promises: an event with another number of arguments is a TypeError here, and ends this process with a traceback.
Reads commands from standard input, one JSON line each, and prints the acknowledgement as event "ack":
{"emit": name, "data": payload}   or   {"disconnect": true}
"""

import asyncio
import json
import os
import sys
import traceback

import socketio

EVENTS = [
    "presence:update",
    "presence:conversation",
    "presence:devices",
    "presence:occupancy",
    "presence:closed",
    "typing:start",
    "typing:stop",
]
ACK_TIMEOUT_S = 10


def say(event, data):
    print(json.dumps({"event": event, "data": data}), flush=True)


class StrictClient(socketio.AsyncClient):
    """The library logs what a handler throws, and goes on. Here it must be seen."""

    async def _trigger_event(self, event, namespace, *args):
        try:
            return await super()._trigger_event(event, namespace, *args)
        except Exception:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(70)


def listen(client):
    def handler_of(name):
        async def handler(data):
            say(name, data)

        return handler

    for name in EVENTS:
        client.on(name, handler_of(name))

    async def on_connect():
        say("connect", None)

    # Not events of the wire: what the library passes to these differs between its versions.
    async def on_disconnect(*reason):
        say("disconnect", reason)

    async def on_connect_error(*data):
        say("connect_error", data)

    client.on("connect", on_connect)
    client.on("disconnect", on_disconnect)
    client.on("connect_error", on_connect_error)


async def main(url, token):
    client = StrictClient(reconnection=False)
    listen(client)
    try:
        await client.connect(url, auth={"token": token}, transports=["websocket"])
    except socketio.exceptions.ConnectionError as error:
        say("refused", str(error))
        return

    loop = asyncio.get_running_loop()
    while True:
        line = await loop.run_in_executor(None, sys.stdin.readline)
        command = json.loads(line) if line else {"disconnect": True}
        if command.get("disconnect"):
            await client.disconnect()
            return
        answer = await client.call(command["emit"], command["data"], timeout=ACK_TIMEOUT_S)
        say("ack", answer)


asyncio.run(main(sys.argv[1], sys.argv[2]))
