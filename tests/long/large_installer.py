#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A compound file past 2 GiB, where one sector has to stay free: signed, verified, damaged: large_installer.py"""
import os
import shutil
import struct
import sys
import unittest

import authenticode

SECTOR, END, FREE, FAT, DIFAT = 4096, 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD, 0xFFFFFFFC
LOCK = 0x7FFFFF00 // SECTOR - 1
CLSID = bytes.fromhex("84100c0000000000c000000000000046")


def entry(name, kind, child, start, size, clsid=bytes(16)):
    wide = name.encode("utf-16-le")
    return (wide + bytes(64 - len(wide)) + struct.pack("<HBBIII", len(wide) + 2, kind, 1, FREE, FREE, child) + clsid +
            bytes(20) + struct.pack("<IQ", start, size))


def make(path, stream):
    """Version 4: header, one long stream of zeros with a few marks, directory, tables."""
    need = -(-stream // SECTOR)
    sectors = [n if n < LOCK else n + 1 for n in range(need)]  # the lock sector is nobody's
    directory = sectors[-1] + 1
    words = SECTOR // 4
    count = directory + 1
    fats = difats = 0
    while True:
        total = count + fats + difats
        wanted = -(-total // words)
        more = 0 if wanted <= 109 else -(-(wanted - 109) // (words - 1))
        if wanted == fats and more == difats:
            break
        fats, difats = wanted, more
    table = bytearray(struct.pack("<I", FREE) * (fats * words))
    for i, s in enumerate(sectors):
        struct.pack_into("<I", table, 4 * s, sectors[i + 1] if i + 1 < need else END)
    struct.pack_into("<I", table, 4 * LOCK, END)
    struct.pack_into("<I", table, 4 * directory, END)
    for i in range(fats):
        struct.pack_into("<I", table, 4 * (count + i), FAT)
    for i in range(difats):
        struct.pack_into("<I", table, 4 * (count + fats + i), DIFAT)
    places = [count + i for i in range(fats)]
    head = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(16) + struct.pack(
        "<HHHHH6xIIIIIIIII", 0x3E, 4, 0xFFFE, 12, 6, 1, fats, directory, 0, 4096, END, 0,
        count + fats if difats else END, difats) + b"".join(struct.pack("<I", x) for x in (places + [FREE] * 109)[:109])
    with open(path, "wb") as f:
        f.write(head)
        for at in (0, stream // 2, stream - 8):
            f.seek((sectors[at // SECTOR] + 1) * SECTOR + at % SECTOR)
            f.write(b"mark")
        f.seek((directory + 1) * SECTOR)
        f.write((entry("Root Entry", 5, 1, END, 0, CLSID) + entry("Binary.large", 2, FREE, 0, stream)).ljust(SECTOR, b"\0"))
        f.seek((count + 1) * SECTOR)
        f.write(table)
        rest = places[109:]
        for i in range(difats):
            part = rest[i * (words - 1):(i + 1) * (words - 1)]
            part += [FREE] * (words - 1 - len(part)) + [count + fats + i + 1 if i + 1 < difats else END]
            f.write(struct.pack("<%dI" % words, *part))


class LargeFiles(unittest.TestCase):
    def test_past_two_gigabytes(self):
        with authenticode.Bench() as b:
            source, out = b.path("large.msi"), b.path("out.msi")
            make(source, (1 << 31) + (100 << 20) + 12)
            b.sign(source, out)
            self.assertTrue(b.valid(out))
            with open(out, "r+b") as f:
                f.seek((LOCK + 1) * SECTOR)
                self.assertEqual(f.read(SECTOR), bytes(SECTOR))
                f.seek((1 << 31) + (50 << 20))
                f.write(b"x")
            self.assertFalse(b.valid(out))


if __name__ == "__main__":
    if shutil.disk_usage("/tmp").free < 6 << 30:
        print("SKIPPED not enough room for files of 2 GB")
        sys.exit(77)
    unittest.main()
