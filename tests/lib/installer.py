# SPDX-License-Identifier: Apache-2.0
"""Windows Installer files made by wixl and msibuild, and what msitools read in them."""
import os
import random
import re
import shutil
import subprocess
import tempfile

TEMPLATE = """<?xml version='1.0'?><Wix xmlns='http://schemas.microsoft.com/wix/2006/wi'>
<Product Name='App' Id='ABCDDCBA-86C7-4D14-AEC0-86416A69ABDE' UpgradeCode='ABCDDCBA-7349-453F-94F6-BCB5110BA4FD'
 Language='1033' Codepage='1252' Version='1.0.0' Manufacturer='Acme'>
<Package Id='*' Keywords='Installer' Description='App' Comments='c' Manufacturer='Acme' InstallerVersion='100'
 Languages='1033' Compressed='yes' SummaryCodepage='1252'/>
%s<Directory Id='TARGETDIR' Name='SourceDir'><Directory Id='ProgramFilesFolder'><Directory Id='INST' Name='My App'>
%s<Directory Id='LIB' Name='lib'>%s</Directory></Directory></Directory></Directory>
<Feature Id='Complete' Level='1'>%s</Feature></Product></Wix>"""


def run(*args, cwd=None):
    done = subprocess.run(list(map(str, args)), cwd=cwd, capture_output=True, timeout=120)
    if done.returncode != 0:
        raise AssertionError("%s: %s" % (args, done.stderr.decode(errors="replace")))
    return done.stdout


def program(folder, name, seed, shared=False):
    source = "static const char text[] = \"%d\"; int %s(void) { return text[0]; }" % (seed, "work" if shared else "main")
    with open(os.path.join(folder, name + ".c"), "w") as f:
        f.write(source)
    run("x86_64-w64-mingw32-gcc", "-s", *(["-shared"] if shared else []), "-o", name, name + ".c", cwd=folder)


def component(number, source, cab, hidden=""):
    guid = "ABCDDCBA-83F1-4F22-985B-%012d" % number
    return "<Component Id='C%d' Guid='%s' DiskId='%d'><File Id='F%d' Name='%s' Source='%s' KeyPath='yes'%s/></Component>" % (
        number, guid, cab, number, source, source, hidden)


def make(folder, cabs=1, embed=True, module=False):
    """setup.msi with two programs, a library and two other files, in that many cabinets; embed=False: beside it."""
    work = tempfile.mkdtemp(dir=folder)
    program(work, "app.exe", 1)
    program(work, "a tool.exe", 2)
    program(work, "plug.dll", 3, shared=True)
    for name, size in (("data.bin", 70000), ("small.txt", 40)):
        with open(os.path.join(work, name), "wb") as f:
            f.write(random.Random(size).randbytes(size))
    names = ["data.bin", "app.exe", "small.txt", "a tool.exe"]
    above = "".join(component(i + 1, n, i % cabs + 1) for i, n in enumerate(names))
    below = component(5, "plug.dll", cabs)
    refs = "".join("<ComponentRef Id='C%d'/>" % i for i in range(1, 6))
    for inside in (True,) if embed else (True, False):
        media = "".join("<Media Id='%d' Cabinet='part%d.cab' EmbedCab='%s'/>" % (i, i, "yes" if inside else "no")
                        for i in range(1, cabs + 1))
        with open(os.path.join(work, "p.wxs"), "w") as f:
            f.write(TEMPLATE % (media, above, below, refs))
        run("wixl", "-o", "setup.msi", "p.wxs", cwd=work)
        for i in range(1, cabs + 1) if inside and not embed else ():  # wixl itself leaves no cabinet behind
            with open(os.path.join(work, "part%d.cab" % i), "wb") as f:
                f.write(run("msiinfo", "extract", "setup.msi", "part%d.cab" % i, cwd=work))
    if module:
        cab = run("msiinfo", "extract", "setup.msi", "part1.cab", cwd=work)
        with open(os.path.join(work, "x.cab"), "wb") as f:
            f.write(cab)
        run("msibuild", "setup.msi", "-q", "DROP TABLE `Media`", cwd=work)
        run("msibuild", "setup.msi", "-a", "MergeModule.CABinet", "x.cab", cwd=work)
    return os.path.join(work, "setup.msi")


def tables(path):
    """Rows of every table."""
    names = run("msiinfo", "tables", path).decode().split()
    return {n: [line.split("\t") for line in run("msiinfo", "export", path, n).decode("latin-1").split("\r\n")[3:] if line]
            for n in names if not n.startswith("_")}


def streams(path):
    return [line for line in run("msiinfo", "streams", path).decode(errors="replace").split("\n") if line]


def stream(path, name):
    return run("msiinfo", "extract", path, name)


def files(path):
    """Installed files by path."""
    out = tempfile.mkdtemp(dir=os.path.dirname(path))
    run("msiextract", "-C", out, path)
    found = {}
    for folder, _, names in os.walk(out):
        for name in names:
            with open(os.path.join(folder, name), "rb") as f:
                found[os.path.relpath(os.path.join(folder, name), out)] = f.read()
    shutil.rmtree(out)
    return found


def spc_digest(path):
    """The digest in the SpcIndirectDataContent of a signed file with SHA-256."""
    with open(path, "rb") as f:
        data = f.read()
    found = re.search(rb"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20(.{32})", data, re.S)
    return found.group(1)
