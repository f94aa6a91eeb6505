#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hostile programs: each ends with its own code, and what is signed is signed rightly: run.py FOLDER
with the programs in it. Made here, byte by byte; every case is one lie."""
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time

AT = 64                # of the PE header
COFF, OPTIONAL = AT + 4, AT + 24
CONFIGURATION = """<artifact-configuration xmlns="http://signpath.io/artifact-configuration/v1">
<pe-file%s><authenticode-sign%s/></pe-file></artifact-configuration>"""
MALFORMED, TYPE, CUT = "pe.malformed", "file.wrong_type", "file.truncated"


def program(plus=True, directories=16, sections=1, security=(0, 0), table=b"", overlay=b"", resources=(0, 0), alignment=4096):
    """A small program: headers of 512 bytes, sections of 512 bytes each."""
    size = (112 if plus else 96) + 8 * directories
    head = b"MZ" + b"\0" * 58 + struct.pack("<I", AT)
    head += b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664 if plus else 0x14c, sections, 0, 0, 0, size, 0x22)
    optional = bytearray(size)
    struct.pack_into("<H", optional, 0, 0x20b if plus else 0x10b)
    struct.pack_into("<II", optional, 32, alignment, 512)
    struct.pack_into("<II", optional, 56, 0x1000 * (sections + 1), 512)
    struct.pack_into("<I", optional, size - 8 * directories - 4, directories)
    if directories > 4:
        struct.pack_into("<II", optional, size - 8 * directories + 16, *resources)
        struct.pack_into("<II", optional, size - 8 * directories + 32, *security)
    out = head + bytes(optional)
    for i in range(sections):
        out += struct.pack("<8sIIIIIIHHI", b".text", 512, 0x1000 * (i + 1), 512, 512 * (i + 1), 0, 0, 0, 0, 0x60000020)
    out = out.ljust(512, b"\0")[:512] if len(out) <= 512 else out
    return out + bytes(range(256)) * 2 * sections + overlay + table


GOOD = program()


def patched(at, value, size=4, base=None):
    out = bytearray(GOOD if base is None else base)
    out[at:at + size] = value.to_bytes(size, "little")
    return bytes(out)


def with_table(table, size=None, at=None, **more):
    return program(security=(1024 if at is None else at, len(table) if size is None else size), table=table, **more)


def certificate(der, length=None, revision=0x200, kind=2, pad=True):
    entry = struct.pack("<IHH", 8 + len(der) if length is None else length, revision, kind) + der
    return entry + b"\0" * (-len(entry) % 8 if pad else 0)


DER = b"\x30\x82\x00\x20" + b"\x02\x01\x00" * 10 + b"\x05\x00"


def version_resource(patch):
    """A program whose resource section holds a tree and a VS_VERSIONINFO; patch(bytes) spoils it."""
    tree = bytearray(512)
    struct.pack_into("<HH", tree, 12, 0, 1)
    struct.pack_into("<II", tree, 16, 16, 0x80000018)
    struct.pack_into("<HH", tree, 36, 0, 1)
    struct.pack_into("<II", tree, 40, 1, 0x80000030)
    struct.pack_into("<HH", tree, 60, 0, 1)
    struct.pack_into("<II", tree, 64, 1033, 0x48)
    struct.pack_into("<IIII", tree, 0x48, 0x1000 + 0x60, 200, 0, 0)
    text = "VS_VERSION_INFO\0".encode("utf-16-le")
    struct.pack_into("<HHH", tree, 0x60, 6 + len(text), 0, 0)
    tree[0x66:0x66 + len(text)] = text
    patch(tree)
    made = bytearray(program(resources=(0x1000, 512)))
    made[512:1024] = tree
    return bytes(made)


def put(at, value, size=4):
    return lambda tree: tree.__setitem__(slice(at, at + size), value.to_bytes(size, "little"))


# Name, bytes, outcome: "signed", or the code of the refusal.
CASES = [
    ("good", GOOD, "signed"),
    ("good 32 bits", program(plus=False), "signed"),
    ("good with 5 directories", program(directories=5), "signed"),
    ("good with three sections", program(sections=3), "signed"),
    ("good with an odd overlay", program(overlay=b"x" * 13), "signed"),
    ("overlay that looks like a certificate", program(overlay=certificate(DER)), "signed"),
    ("empty", b"", TYPE),
    ("one byte", b"M", TYPE),
    ("only MZ", b"MZ", TYPE),
    ("DOS header alone", GOOD[:64], TYPE),
    ("cut in the signature mark", GOOD[:AT + 2], TYPE),
    ("cut in the file header", GOOD[:AT + 10], MALFORMED),
    ("cut in the optional header", GOOD[:OPTIONAL + 40], CUT),
    ("cut in the data directories", GOOD[:OPTIONAL + 130], CUT),
    ("cut in the section table", GOOD[:OPTIONAL + 240 + 20], CUT),
    ("cut in the first section", GOOD[:700], MALFORMED),
    ("cut by one byte", GOOD[:-1], MALFORMED),
    ("ZM", b"ZM" + GOOD[2:], TYPE),
    ("NE instead of PE", GOOD[:AT] + b"NE\0\0" + GOOD[AT + 4:], TYPE),
    ("PE header at 0", patched(60, 0), TYPE),
    ("PE header at the end", patched(60, len(GOOD)), TYPE),
    ("PE header behind the end", patched(60, 0x7fffffff), TYPE),
    ("PE header at 0xffffffff", patched(60, 0xffffffff), TYPE),
    ("PE header at an odd place", GOOD[:60] + struct.pack("<I", AT + 1) + b"\0" + GOOD[AT:], MALFORMED),
    ("PE header inside the DOS header", patched(60, 4), TYPE),
    ("optional header of length 0", patched(COFF + 16, 0, 2), MALFORMED),
    ("optional header of length 1", patched(COFF + 16, 1, 2), MALFORMED),
    ("optional header shorter than its directories", patched(COFF + 16, 120, 2), MALFORMED),
    ("optional header longer than the file", patched(COFF + 16, 0xffff, 2), CUT),
    ("magic 0", patched(OPTIONAL, 0, 2), MALFORMED),
    ("magic of a ROM image", patched(OPTIONAL, 0x107, 2), MALFORMED),
    ("magic of 32 bits over 64", patched(OPTIONAL, 0x10b, 2), MALFORMED),
    ("no data directories", program(directories=0), MALFORMED),
    ("four data directories", program(directories=4), MALFORMED),
    ("data directories beyond the header", patched(OPTIONAL + 108, 0xffffffff), "signed"),
    ("no sections", program(sections=0), "signed"),
    ("65535 sections", patched(COFF + 2, 0xffff, 2), CUT),
    ("section behind the end", patched(OPTIONAL + 240 + 20, 0x10000), MALFORMED),
    ("section longer than the file", patched(OPTIONAL + 240 + 16, 0x10000), MALFORMED),
    ("section whose end overflows", patched(OPTIONAL + 240 + 16, 0xffffffff), MALFORMED),
    ("section of no bytes anywhere", patched(OPTIONAL + 240 + 20, 0x7fffffff, base=patched(OPTIONAL + 240 + 16, 0)), "signed"),
    ("section at 0", patched(OPTIONAL + 240 + 20, 0), "signed"),
    ("table without size", program(security=(1024, 0)), "signed"),
    ("size without table", program(security=(0, 8)), MALFORMED),
    ("table in the headers", with_table(certificate(DER), at=64), MALFORMED),
    ("table inside a section", with_table(certificate(DER), at=512), MALFORMED),
    ("table at an odd place", program(security=(1025, 40), overlay=b"x", table=certificate(DER)), MALFORMED),
    ("table behind the end", with_table(certificate(DER), at=0x10000), MALFORMED),
    ("table whose end overflows", with_table(certificate(DER), size=0xfffffff8), MALFORMED),
    ("table that is cut", with_table(certificate(DER)[:-8], size=48), MALFORMED),
    ("data behind the table", with_table(certificate(DER)) + b"more bytes", MALFORMED),
    ("table of zeros", with_table(b"\0" * 16), MALFORMED),
    ("entry of length 0", with_table(certificate(DER, length=0)), MALFORMED),
    ("entry of length 7", with_table(certificate(DER, length=7)), MALFORMED),
    ("entry longer than the table", with_table(certificate(DER, length=4000)), MALFORMED),
    ("entry of 4 GiB", with_table(certificate(DER, length=0xffffffff)), MALFORMED),
    ("entry of revision 1", with_table(certificate(DER, revision=0x100)), MALFORMED),
    ("entry of an X.509 kind", with_table(certificate(DER, kind=1)), MALFORMED),
    ("entry that is no DER", with_table(certificate(b"not DER at all..")), MALFORMED),
    ("entry of indefinite length", with_table(certificate(b"\x30\x80" + b"\0" * 30)), MALFORMED),
    ("entry whose DER is longer", with_table(certificate(b"\x30\x82\x10\x00" + b"\0" * 30)), MALFORMED),
    ("entry whose length takes 8 bytes", with_table(certificate(b"\x30\x88" + b"\xff" * 30)), MALFORMED),
    ("payload behind the DER", with_table(certificate(DER + b"payload that nothing covers....")), MALFORMED),
    ("payload in the padding", with_table(certificate(DER + b"\0\1")), MALFORMED),
    ("65 entries", with_table(certificate(DER) * 65), MALFORMED),
    ("replaced: an entry that is no CMS", with_table(certificate(DER)), "signed"),
    ("resources outside of all sections", program(resources=(0x900000, 100)), "signed"),
    ("resources of no size", program(resources=(0x1000, 0)), MALFORMED),
    ("resources of 4 GiB", program(resources=(0x1000, 0xffffffff)), MALFORMED),
    ("version: as it is", version_resource(lambda t: None), "signed"),
    ("version: tree that points to itself", version_resource(put(20, 0x80000000)), MALFORMED),
    ("version: tree that points outside", version_resource(put(20, 0x80ffffff)), MALFORMED),
    ("version: 65535 entries", version_resource(put(14, 0xffff, 2)), MALFORMED),
    ("version: data outside", version_resource(put(0x48, 0x900000)), MALFORMED),
    ("version: data of 4 GiB", version_resource(put(0x4c, 0xffffffff)), MALFORMED),
    ("version: length 0", version_resource(put(0x60, 0, 2)), MALFORMED),
    ("version: length 65535", version_resource(put(0x60, 0xffff, 2)), MALFORMED),
    ("version: value longer than all", version_resource(put(0x62, 0xffff, 2)), "signed"),
]
# The same lies about a version resource, where the configuration asks for what it says.
RESTRICTED = [("restricted " + name, data, "artifact.restriction" if code == "signed" else code)
              for name, data, code in CASES if name.startswith("version")]
APPEND = [("appended: an entry that is no CMS", with_table(certificate(DER)), "signature.invalid")]
PAGES = [
    ("pages: good", GOOD, "signed"),
    ("pages: alignment 0", patched(OPTIONAL + 32, 0), MALFORMED),
    ("pages: alignment 1", patched(OPTIONAL + 32, 1), MALFORMED),
    ("pages: alignment 4 GiB", patched(OPTIONAL + 32, 0xffffffff), MALFORMED),
    ("pages: headers of 4 GiB", patched(OPTIONAL + 60, 0xffffffff), MALFORMED),
    ("pages: headers of no size", patched(OPTIONAL + 60, 0), MALFORMED),
    ("pages: headers that end in the section table", patched(OPTIONAL + 60, OPTIONAL + 250), MALFORMED),
    ("pages: section in the headers", patched(OPTIONAL + 240 + 20, 16), MALFORMED),
]
SETS = [(CASES, "", ""), (RESTRICTED, ' product-name="App"', ""), (APPEND, "", ' append="true"'), (PAGES, "", ' page-hashes="true"')]


def main():
    programs, folder = sys.argv[1], tempfile.mkdtemp(prefix="hostile-pe-")
    path = lambda name: os.path.join(folder, name)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", path("k"), "-out", path("c"), "-days", "30",
                    "-subj", "/CN=Hostile", "-addext", "extendedKeyUsage=codeSigning"], check=True, capture_output=True)
    foreign = shutil.which("osslsigncode")
    ran = bad = signed = 0
    for cases, restrictions, attributes in SETS:
        with open(path("ac.xml"), "w") as f:
            f.write(CONFIGURATION % (restrictions, attributes))
        for name, data, wanted in cases:
            with open(path("in.exe"), "wb") as f:
                f.write(data)
            started = time.time()
            done = subprocess.run([os.path.join(programs, "chancery"), "sign", "--json", "--key", path("k"), "--cert", path("c"), "--config",
                                   path("ac.xml"), "--force", "-o", path("out.exe"), path("in.exe")], capture_output=True, text=True, timeout=120)
            ran += 1
            said = done.stderr.strip()
            code = "signed" if done.returncode == 0 else said[said.rfind("[") + 1:-1] if said.endswith("]") else "crash: " + said[-1500:]
            problem = "" if code == wanted and time.time() - started < 20 else "%s instead of %s: %s" % (code, wanted, said[:300])
            if code == "signed" and not problem:
                signed += 1
                done = subprocess.run([os.path.join(programs, "chancery"), "verify", "--json", "--ca", path("c"), path("out.exe")], capture_output=True, text=True)
                if done.returncode != 0 or not json.loads(done.stdout)["valid"]:
                    problem = "signed, but does not verify: " + done.stdout[:500] + done.stderr[:500]
                elif foreign:
                    shown = subprocess.run([foreign, "verify", "-ignore-crl", "-CAfile", path("c"), "-in", path("out.exe")], capture_output=True, text=True)
                    if shown.returncode != 0 or "MISMATCH" in shown.stdout:
                        problem = "signed, but osslsigncode says no: " + (shown.stdout + shown.stderr)[:700]
            if problem:
                bad += 1
                print("FAIL %s: %s" % (name, problem))
    shutil.rmtree(folder)
    print("hostile programs: %d inputs, %d signed, %d refused" % (ran, signed, ran - signed))
    print("%d passed, %d failed, 0 skipped" % (ran - bad, bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
