# SPDX-License-Identifier: Apache-2.0
"""Starts the test core, speaks raw HTTP to it."""
import json
import os
import signal
import socket
import subprocess
import sys
import time

BUILD = os.environ.get("CHANCERY_BUILD", "build")


class Core:
    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [os.path.join(BUILD, "tests/http/http_test_core"), *arguments],
            stdout=subprocess.PIPE, stderr=None)
        self.port, self.front = map(int, self.process.stdout.readline().split())

    def connect(self, timeout=10):
        s = socket.create_connection(("127.0.0.1", self.port), timeout)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def alive(self):
        try:
            os.kill(self.front, 0)
        except ProcessLookupError:
            return False
        with open(f"/proc/{self.front}/stat") as f:
            return f.read().split(")")[1].split()[0] != "Z"

    def memory(self, what="VmRSS"):
        """KiB"""
        with open(f"/proc/{self.front}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith(what + ":"))

    def stop(self):
        try:
            os.kill(self.front, signal.SIGTERM)
        except ProcessLookupError:
            pass
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


class Reply:
    def __init__(self, status, headers, body, raw):
        self.status, self.headers, self.body, self.raw = status, headers, body, raw

    def json(self):
        return json.loads(self.body)


class Reader:
    """Reads replies off a socket, one by one."""

    def __init__(self, s):
        self.socket, self.buffer = s, bytearray()

    def more(self):
        piece = self.socket.recv(65536)
        self.buffer += piece
        return bool(piece)

    def until(self, mark):
        while mark not in self.buffer:
            if not self.more():
                return None
        at = self.buffer.index(mark)
        head = bytes(self.buffer[:at])
        del self.buffer[:at + len(mark)]
        return head

    def exactly(self, n):
        while len(self.buffer) < n and self.more():
            pass
        piece = bytes(self.buffer[:n])
        del self.buffer[:n]
        return piece

    def rest(self):
        while self.more():
            pass
        piece, self.buffer = bytes(self.buffer), bytearray()
        return piece

    def chunks(self):
        body = b""
        while True:
            size = int(self.until(b"\r\n"), 16)
            body += self.exactly(size)
            self.until(b"\r\n")
            if size == 0:
                return body

    def reply(self, head_only=False):
        """None when the connection ends first."""
        head = self.until(b"\r\n\r\n")
        if head is None:
            return None
        lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, value = line.split(":", 1)
            headers.setdefault(name.lower(), value.strip())
        status = int(lines[0].split()[1])
        body = b""
        if status >= 200 and status not in (204, 304) and not head_only:
            if headers.get("transfer-encoding") == "chunked":
                body = self.chunks()
            elif "content-length" in headers:
                body = self.exactly(int(headers["content-length"]))
            else:
                body = self.rest()
        return Reply(status, headers, body, head)

    def final(self):
        while True:
            r = self.reply()
            if r is None or r.status >= 200:
                return r


def fnv(data):
    h = 14695981039346656037
    for b in data:
        h = (h ^ b) * 1099511628211 & 0xffffffffffffffff
    return f"{h:016x}"


def request(method, target, body=b"", headers=(), version="HTTP/1.1", host=True):
    lines = [f"{method} {target} {version}"]
    if host:
        lines.append("Host: test")
    if body:
        lines.append(f"Content-Length: {len(body)}")
    lines += headers
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def chunked(method, target, pieces, headers=()):
    head = "\r\n".join([f"{method} {target} HTTP/1.1", "Host: test",
                        "Transfer-Encoding: chunked", *headers]) + "\r\n\r\n"
    body = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces if p)
    return head.encode() + body + b"0\r\n\r\n"


def ask(core, raw, pause=None):
    """Sends (byte by byte with a pause) and returns the final reply; None if there is none."""
    with core.connect() as s:
        if pause is None:
            try:
                s.sendall(raw)
            except (BrokenPipeError, ConnectionResetError):
                pass
        else:
            for i in range(len(raw)):
                s.sendall(raw[i:i + 1])
                if pause:
                    time.sleep(pause)
        try:
            return Reader(s).final()
        except ConnectionResetError:
            return None


def say(text):
    print(text, file=sys.stderr, flush=True)
