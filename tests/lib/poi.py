# SPDX-License-Identifier: Apache-2.0
"""What Apache POI says of the signatures of OPC packages.

    poi.missing() is "" or names what is not installed; poi.judge(FOLDER, [FILE...]) gives one word each: valid, invalid,
    unsigned, or "error ..." for a package that it cannot read.
"""
import os
import shutil
import subprocess

SOURCE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "interop", "OpcCheck.java")
NAMES = ("poi poi-ooxml poi-ooxml-schemas xmlsec xmlbeans commons-compress commons-collections4 commons-codec commons-logging "
         "bcpkix bcprov slf4j-api slf4j-nop").split()
JARS = [os.path.join("/usr/share/java", name + ".jar") for name in NAMES]
NEEDED = JARS[:8]


def missing():
    tools = [t for t in ("java", "javac") if shutil.which(t) is None]
    return " ".join(tools + [os.path.basename(j) for j in NEEDED if not os.path.exists(j)])


def judge(folder, files):
    path = ":".join(j for j in JARS if os.path.exists(j))
    classes = os.path.join(folder, "poi-classes")
    if not os.path.isdir(classes):
        subprocess.run(["javac", "-cp", path, "-d", classes, SOURCE], check=True, capture_output=True, timeout=300)
    done = subprocess.run(["java", "--add-opens", "java.base/java.lang=ALL-UNNAMED", "-cp", path + ":" + classes, "OpcCheck", *files],
                          capture_output=True, text=True, timeout=300)
    lines = [line for line in done.stdout.splitlines() if line.split(" ")[0] in ("valid", "invalid", "unsigned", "error")]
    if len(lines) != len(files):
        raise AssertionError("Apache POI: " + done.stdout + done.stderr)
    return lines
