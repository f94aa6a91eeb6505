#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One of 250 entries changed, against hash + copy of the whole ZIP: zip_bench.py PATH_OF_zip_bench [ENTRIES SIZE]"""
import os
import random
import subprocess
import sys
import tempfile
import zipfile


def main():
    entries, size = (int(sys.argv[2]), int(sys.argv[3])) if len(sys.argv) > 3 else (250, 500_000)
    make = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "in.zip")
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as z:
            for i in range(entries):
                words = [make.randbytes(8) for _ in range(200)]
                data = b"".join(make.choice(words) + make.randbytes(3) for _ in range(size // 11))
                z.writestr("m%d.dll" % i, data)
        return subprocess.run([sys.argv[1], path, folder, "9"]).returncode


if __name__ == "__main__":
    sys.exit(main())
