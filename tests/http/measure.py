# SPDX-License-Identifier: Apache-2.0
"""Figures of the HTTP side (release build): memory of idle and waiting connections, a large upload,
many clients at once. Prints one line each."""
import resource
import socket
import subprocess
import sys
import time

from harness import Core, Reader, request


def sockets(core, n):
    return [core.connect(60) for _ in range(n)]


def memory_per_connection(n):
    core = Core()
    with core.connect() as s:
        s.sendall(request("GET", "/echo"))
        Reader(s).reply()
    time.sleep(1)
    base = core.memory()
    held = sockets(core, n)
    time.sleep(1)
    print(f"{n} fresh idle connections: {(core.memory() - base) / n:.1f} KiB each")
    for s in held:
        s.sendall(request("GET", "/late?ms=1"))
    for s in held:
        assert Reader(s).reply().status == 200
    time.sleep(1)
    print(f"{n} idle connections after one request: {(core.memory() - base) / n:.1f} KiB each")
    for s in held:
        s.close()
    core.stop()


def waiting(n):
    core = Core()
    time.sleep(0.5)
    base = core.memory()
    held = sockets(core, n)
    for s in held:
        s.sendall(request("GET", "/never"))
    time.sleep(2)
    print(f"{n} waiting requests: {(core.memory() - base) / n:.1f} KiB each")
    with core.connect() as s:
        reader, times = Reader(s), []
        for _ in range(500):
            begin = time.perf_counter()
            s.sendall(request("GET", "/echo"))
            assert reader.reply().status == 200
            times.append(time.perf_counter() - begin)
    times.sort()
    print(f"  beside them one more request takes {times[250] * 1e6:.0f} us (median), "
          f"{times[494] * 1e6:.0f} us (99 %)")
    for s in held:
        s.close()
    core.stop()


def upload(size):
    core = Core()
    peak = 0
    command = f"head -c {size} /dev/zero | curl -sS -X POST -T - " \
              f"-H 'Content-Type: application/octet-stream' " \
              f"http://127.0.0.1:{core.port}/body?fast=1"
    begin = time.monotonic()
    p = subprocess.Popen(command, shell=True, stdout=subprocess.PIPE)
    while p.poll() is None:
        peak = max(peak, core.memory())
        time.sleep(0.05)
    took = time.monotonic() - begin
    assert f'"size":{size}'.encode() in p.stdout.read()
    with open(f"/proc/{core.front}/stat") as f:
        fields = f.read().split()
    cpu = (int(fields[13]) + int(fields[14])) / 100
    print(f"upload of {size >> 20} MiB: {size / took / 1e6:.0f} MB/s, {cpu:.2f} s CPU of front, "
          f"at most {peak} KiB resident")
    core.stop()


def form_upload(size):
    core = Core()
    head = b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
    tail = b"\r\n--b--\r\n"
    block = b"\0" * (1 << 20)
    peak = 0
    begin = time.monotonic()
    with core.connect(60) as s:
        s.sendall(f"POST /body?fast=1 HTTP/1.1\r\nHost: t\r\nContent-Type: multipart/form-data; "
                  f"boundary=b\r\nContent-Length: {len(head) + size + len(tail)}\r\n\r\n".encode())
        s.sendall(head)
        for i in range(size >> 20):
            s.sendall(block)
            if i % 64 == 0:
                peak = max(peak, core.memory())
        s.sendall(tail)
        assert Reader(s).reply().json()["files"][0]["size"] == size
    took = time.monotonic() - begin
    print(f"form upload of {size >> 20} MiB: {size / took / 1e6:.0f} MB/s, "
          f"at most {peak} KiB resident")
    core.stop()


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    memory_per_connection(1000)
    waiting(1000)
    waiting(min(10000, hard // 2 - 200))
    upload(3 << 30)
    form_upload(3 << 30)
