"""A WebSocket client with a receive window of 4 kB that does not read until it is told to, and sends pongs blindly.

argv: host port. stdin: "read" makes it read. stdout: "open" once connected; then, after "read", one line per frame.
"""

import os
import socket
import struct
import sys
import threading

WINDOW = 4096

line = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW)
line.connect((sys.argv[1], int(sys.argv[2])))
line.sendall(
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
    b"dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def exactly(count):
    data = b""
    while len(data) < count:
        piece = line.recv(count - len(data))
        if not piece:
            sys.exit(0)
        data += piece
    return data


def frame():
    _, length = exactly(2)
    if length == 126:
        (length,) = struct.unpack(">H", exactly(2))
    elif length == 127:
        (length,) = struct.unpack(">Q", exactly(8))
    return exactly(length).decode()


def send(text):
    data, mask = text.encode(), os.urandom(4)
    head = bytes([0x81, 0x80 | len(data)]) if len(data) < 126 else bytes([0x81, 0xFE]) + struct.pack(">H", len(data))
    line.sendall(head + mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(data)))


head = b""
while not head.endswith(b"\r\n\r\n"):
    head += exactly(1)
frame()
send("40{}")
while not frame().startswith("40"):
    pass
print("open", flush=True)


def pongs():
    while True:
        threading.Event().wait(0.2)
        send("3")


threading.Thread(target=pongs, daemon=True).start()
for word in sys.stdin:
    if word.strip() == "read":
        # What waited for it comes at once; how fast it reads now is not what is tested.
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        break
while True:
    print(frame(), flush=True)
