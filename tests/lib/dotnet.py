# SPDX-License-Identifier: Apache-2.0
"""The .NET SDK as a second opinion: `dotnet nuget` with roots of our own, and programs in C# built from tests/interop.

    dotnet.missing()                      why there is no SDK, or None
    with dotnet.Sdk(roots, stamps) as s:  s.nuget("verify", ...) trusts these PEM files and nothing else
    with dotnet.Program(folder) as p:     p.run(arguments), raises Unavailable(why) when it cannot be built here
"""
import glob
import os
import re
import shutil
import subprocess
import tempfile

LEAST = 8  # the first SDK that looks at signatures on Linux by itself
INTEROP = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "interop")


class Unavailable(Exception):
    pass


def newest():
    """The folder of the newest SDK, or None."""
    if shutil.which("dotnet") is None:
        return None
    said = subprocess.run(["dotnet", "--list-sdks"], capture_output=True, text=True, env=environment(tempfile.gettempdir()))
    found = [(tuple(map(int, v.split("."))), os.path.join(folder, v)) for v, folder in
             re.findall(r"^(\d+\.\d+\.\d+) \[(.*)\]$", said.stdout, re.M)]
    return max(found)[1] if found and max(found)[0][0] >= LEAST else None


def missing():
    return None if newest() else "no .NET SDK of version %d or later" % LEAST


def environment(home):
    return dict(os.environ, DOTNET_NOLOGO="1", DOTNET_CLI_TELEMETRY_OPTOUT="1", DOTNET_CLI_HOME=home, DOTNET_CLI_UI_LANGUAGE="en",
                DOTNET_GENERATE_ASPNET_CERTIFICATE="false", DOTNET_SKIP_FIRST_TIME_EXPERIENCE="1", MSBUILDDISABLENODEREUSE="1",
                NUGET_CERT_REVOCATION_MODE="offline")


class Folder:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="chancery-dotnet-")

    def __enter__(self):
        return self

    def __exit__(self, *what):
        shutil.rmtree(self.folder, ignore_errors=True)


class Sdk(Folder):
    """NuGet trusts what lies in `trustedroots` beside its own program, so the test has a copy of that folder."""

    def __init__(self, roots, stamp_roots):
        super().__init__()
        sdk = newest()
        root = os.path.dirname(os.path.dirname(sdk))
        mine = os.path.join(self.folder, "sdk", os.path.basename(sdk))
        os.makedirs(os.path.join(mine, "trustedroots"))
        shutil.copy(os.path.join(root, "dotnet"), self.folder)
        for name in ("host", "shared"):
            os.symlink(os.path.join(root, name), os.path.join(self.folder, name))
        for path in glob.glob(os.path.join(sdk, "*")):
            if os.path.isfile(path):  # not links: a program finds its folder by its real name
                shutil.copy(path, mine)
        shutil.copy(roots, os.path.join(mine, "trustedroots/codesignctl.pem"))
        shutil.copy(stamp_roots, os.path.join(mine, "trustedroots/timestampctl.pem"))

    def nuget(self, *arguments):
        """Exit status and what was said."""
        done = subprocess.run([os.path.join(self.folder, "dotnet"), "nuget", *arguments], capture_output=True, text=True, timeout=300,
                              env=environment(self.folder), cwd=self.folder, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout + done.stderr

    def verify(self, path):
        """Whether the package is accepted, without any warning, its codes, and all that was said."""
        status, said = self.nuget("verify", "--all", "-v", "normal", path)
        codes = set(re.findall(r"\bNU\d\d\d\d\b", said))
        return status == 0 and "Successfully verified" in said and not codes, codes, said


class Program(Folder):
    def __init__(self, name, properties=()):
        super().__init__()
        source = os.path.join(INTEROP, name)
        copy = os.path.join(self.folder, "source")
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns("bin", "obj"))
        done = subprocess.run(["dotnet", "build", "-v", "quiet", "-c", "Release", "--disable-build-servers", "-o", os.path.join(self.folder, "out"),
                               *["-p:%s=%s" % p for p in properties], copy], capture_output=True, text=True, timeout=600,
                              env=environment(self.folder), stdin=subprocess.DEVNULL)
        self.program = os.path.join(self.folder, "out", name + ".dll")
        if done.returncode != 0:
            shutil.rmtree(self.folder, ignore_errors=True)
            if re.search(r"\bNU1(101|102|103|301)\b", done.stdout):
                raise Unavailable("its packages cannot be fetched here")
            raise AssertionError(done.stdout + done.stderr)

    def trust(self, roots, stamp_roots):
        """What NuGet's libraries trust inside the program."""
        folder = os.path.join(self.folder, "out/trustedroots")
        os.makedirs(folder, exist_ok=True)
        shutil.copy(roots, os.path.join(folder, "codesignctl.pem"))
        shutil.copy(stamp_roots, os.path.join(folder, "timestampctl.pem"))

    def run(self, *arguments):
        done = subprocess.run(["dotnet", self.program, *map(str, arguments)], capture_output=True, text=True, timeout=300,
                              env=environment(self.folder), stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout + done.stderr
