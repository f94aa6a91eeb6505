#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes samples/bundle.zip: a release as a customer would upload it, made of nothing but this script. The
same bytes every time. make-sample.py [PATH]"""
import io
import os
import struct
import sys
import zipfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def pe(code, subsystem=3):
    """A PE32+ program of one section: headers by the PE/COFF specification, sections of 512 bytes."""
    align, page, headers = 0x200, 0x1000, 0x200
    text = code + b"\0" * (-len(code) % align)
    dos = b"MZ" + b"\0" * 58 + struct.pack("<I", 64)
    coff = struct.pack("<4sHHIIIHH", b"PE\0\0", 0x8664, 1, 0, 0, 0, 240, 0x0022)
    optional = struct.pack("<HBBIIIII", 0x20B, 14, 0, len(text), 0, 0, page, page)
    optional += struct.pack("<QIIHHHHHHIIIIHH", 0x140000000, page, align, 6, 0, 0, 0, 6, 0, 0, 2 * page, headers, 0, subsystem, 0x8160)
    optional += struct.pack("<QQQQII", 0x100000, 0x1000, 0x100000, 0x1000, 0, 16) + b"\0" * (16 * 8)
    section = struct.pack("<8sIIIIIIHHI", b".text", len(code), page, len(text), headers, 0, 0, 0, 0, 0x60000020)
    image = dos + coff + optional + section
    return image + b"\0" * (headers - len(image)) + text


def archive(entries):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for name, data in entries:
            info = zipfile.ZipInfo(name, (2026, 1, 2, 3, 4, 6))
            info.create_system = 3
            info.external_attr = 0o100644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED if len(data) > 100 else zipfile.ZIP_STORED
            z.writestr(info, data)
    return out.getvalue()


def returns(value):
    return b"\xb8" + struct.pack("<I", value) + b"\xc3"  # mov eax, value; ret


INSTALL = """# Installs Acme App for the current user.
param([string] $Target = "$env:LOCALAPPDATA\\AcmeApp")
New-Item -ItemType Directory -Force -Path $Target | Out-Null
Copy-Item -Path "$PSScriptRoot\\..\\app\\*" -Destination $Target -Recurse
Write-Output "Acme App is in $Target"
""".replace("\n", "\r\n").encode()
MODULE = b"function Get-AcmeVersion {\r\n    '1.0.0'\r\n}\r\nExport-ModuleMember -Function Get-AcmeVersion\r\n"
README = b"Acme App 1.0.0\n\nRun scripts/install.ps1. The signature of this text is in README.txt.p7s beside it.\n"


def bundle():
    tools = archive([("AcmeTool.exe", pe(returns(1))), ("AcmeTool.psm1", MODULE), ("notes.txt", b"Tools for administrators.\n")])
    return archive([("app/AcmeApp.exe", pe(returns(0), subsystem=2)), ("app/AcmeApp.dat", bytes(range(256)) * 16),
                    ("scripts/install.ps1", INSTALL), ("tools.zip", tools), ("README.txt", README)])


if __name__ == "__main__":
    path = sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "samples/bundle.zip")
    with open(path, "wb") as f:
        f.write(bundle())
