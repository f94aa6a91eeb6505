#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A thousand damaged samples of each format: src/formats/mutations_test.c says what must hold.

usage: mutations.py [N]     of the build $CHANCERY_BUILD
"""
import os
import subprocess
import sys

if __name__ == "__main__":
    program = os.path.join(os.environ["CHANCERY_BUILD"], "tests/formats_mutations_test")
    env = dict(os.environ, CHANCERY_MUTATIONS=sys.argv[1] if len(sys.argv) > 1 else "1000")
    sys.exit(subprocess.run([program], env=env).returncode)
