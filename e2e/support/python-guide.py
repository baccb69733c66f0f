"""The client of docs/guides/other-languages.md, whose files are in PYTHONPATH as they stand there.

usage: python-guide.py async|sync TRANSPORT URL SECRET USER TOKEN_LIFE_S

Makes its tokens itself, as a back end does. Prints one JSON line per event: {"event": name, "data": …}, with "picture"
(whoever is online, and who types), "unknown", "token", "ack" and "ended". Reads commands from standard input, one JSON
line each: {"emit": name, "data": payload}   or   {"leave": true}
"""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import sys
import threading
import time

kind, transport, url, secret, user, token_life_s = sys.argv[1:]


def say(event, data):
    print(json.dumps({"event": event, "data": data}), flush=True)


def token():
    def part(value):
        return base64.urlsafe_b64encode(value).rstrip(b"=")

    claims = {"sub": user, "exp": int(time.time()) + int(token_life_s)}
    signed = part(b'{"alg":"HS256","typ":"JWT"}') + b"." + part(json.dumps(claims).encode())
    say("token", claims["exp"])
    return (signed + b"." + part(hmac.new(secret.encode(), signed, hashlib.sha256).digest())).decode()


def show(picture):
    if picture is None:
        say("unknown", None)
        return
    online = lambda counts: {name: count for name, count in sorted(counts.items()) if count > 0}
    rooms = {room: online(members) for room, members in picture.rooms.items()}
    typists = {room: sorted(users) for room, users in picture.typists.items() if users}
    say("picture", {"users": online(picture.users), "rooms": rooms, "typists": typists})


def commands():
    for line in sys.stdin:
        yield json.loads(line)


def end(code):
    say("ended", code)
    # A thread may still wait for the next command.
    os._exit(0)


async def run_async():
    from presence_async import AsyncPresence

    async def fetch_token():
        return token()

    presence = AsyncPresence(url, fetch_token, show, device_id="guide", transports=[transport])
    loop = asyncio.get_running_loop()

    async def obey(command):
        if command.get("leave"):
            await presence.leave()
        else:
            say("ack", await presence.emit(command["emit"], command["data"]))

    def listen():
        for command in commands():
            asyncio.run_coroutine_threadsafe(obey(command), loop)

    threading.Thread(target=listen, daemon=True).start()
    end(await presence.run())


def run_sync():
    from presence_sync import Presence

    presence = Presence(url, token, show, device_id="guide", transports=[transport])

    def obey():
        for command in commands():
            if command.get("leave"):
                presence.leave()
            else:
                say("ack", presence.emit(command["emit"], command["data"]))

    threading.Thread(target=obey, daemon=True).start()
    end(presence.run())


if kind == "async":
    asyncio.run(run_async())
else:
    run_sync()
