"""Opens the live feed over TLS as a browser does, and prints its first frame.

Usage: wss.py PORT PATH ORIGIN CERTIFICATE TOKEN
"""

import base64
import os
import socket
import ssl
import struct
import sys

port, path, origin, certificate, token = sys.argv[1:]
host = origin.removeprefix("https://").split(":")[0]
raw = socket.create_connection(("127.0.0.1", int(port)), timeout=10)
with ssl.create_default_context(cafile=certificate).wrap_socket(raw, server_hostname=host) as connection:
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [f"GET {path} HTTP/1.1", f"Host: {origin.removeprefix('https://')}", "Connection: Upgrade",
             "Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}", f"Origin: {origin}",
             f"Authorization: Bearer {token}"]
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    stream = connection.makefile("rb")
    status = stream.readline().decode().strip()
    if " 101 " not in status:
        sys.exit(f"no WebSocket: {status}")
    while stream.readline().strip():
        pass
    # RFC 6455, 5.2: a text frame of a server is not masked.
    first, length = stream.read(2)
    if length == 126:
        (length,) = struct.unpack("!H", stream.read(2))
    elif length == 127:
        (length,) = struct.unpack("!Q", stream.read(8))
    if first != 0x81:
        sys.exit(f"the first frame is no text: {first:#x}")
    print(stream.read(length).decode())
