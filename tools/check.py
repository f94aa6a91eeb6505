#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The house rules that a program can check. Prints each breach as path:line: rule: what. Exceptions, each
with its reason, stand in tools/exceptions.txt. check.py [--release BUILD | RULE...]"""
import glob
import json
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Which folders a folder may include (ARCHITECTURE.md, "Layers"); the longest prefix counts.
FACTS = ["formats/facts.h"]
LAYERS = {
    "base": [],
    "ipc": ["base"],
    "sandbox": ["base"],
    "crypto": ["base"],
    "keystore": ["base", "crypto", "ipc"],
    "p11": ["base", "crypto", "ipc"],
    "archive": ["base", "crypto"],
    "formats": ["base", "crypto", "archive"],
    "configuration": ["base", "archive/xml.h", "archive/xml_tree.h"],
    "artifact": ["base", "crypto", "ipc", "archive", "formats", "configuration"],
    "store": ["base", "crypto"],
    "service": ["base", "crypto", "ipc", "store", "configuration", "artifact/subject.h", "artifact/receipt.h"],
    "web/http": ["base", "ipc"],
    "web": ["base", "ipc", "service", "configuration"],
    "cli": None,
    "procs": None,
    "pkcs11": ["base"],
}
# System headers that belong to one folder.
HEADERS = {"openssl/": "crypto", "sqlite3.h": "store", "libpq": "store", "libxml/": "archive", "seccomp.h": "sandbox",
           "linux/seccomp.h": "sandbox", "linux/landlock.h": "sandbox", "microhttpd.h": "web/http", "curl/": "procs cli"}

LIMITS = {"file": 800, "header": 150, "function": 100, "parameters": 6, "nesting": 3}

BANNED = {
    r"(?:strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|alloca|mktemp|tmpnam|strncpy|strncat)": "never",
    r"(?:system|popen|execlp|execvp)": "never",
    r"(?:memcpy|memmove|mempcpy)": "base",
    r"(?:read|write|pread|pwrite|readv|writev)": "base",
    r"(?:fsync|fdatasync|sync_file_range|syncfs)": "base",
}

PRIVATE = r"/(?:work|root)/|\b[a-z]+-[0-9]+\.internal\b"
UNFINISHED = r"\b(?:TODO|FIXME|XXX|HACK|WIP|[Nn]ot implemented|[Uu]nimplemented|[Pp]laceholder implementation)\b"


class Breaches:
    def __init__(self):
        self.exceptions = {}
        self.used, self.found, self.files = set(), [], 0
        with open(os.path.join(ROOT, "tools/exceptions.txt"), encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                parts = line.split("#")[0].split(None, 2)
                if len(parts) == 3:
                    self.exceptions[(parts[0], parts[1])] = number
                elif parts:
                    self.found.append("tools/exceptions.txt:%d: exceptions: RULE PLACE REASON" % number)

    def add(self, rule, path, line, what, symbol=""):
        for place in (path, path + ":" + symbol):
            if (rule, place) in self.exceptions:
                self.used.add((rule, place))
                return
        self.found.append("%s:%d: %s: %s" % (path, line, rule, what))


def tracked():
    """Files of the checkout; without git (a tarball) everything but builds."""
    git = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard"], cwd=ROOT,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) if shutil.which("git") else None
    if git and git.returncode == 0:
        names = git.stdout.decode().splitlines()
    else:
        names = [os.path.relpath(p, ROOT) for p in glob.glob(ROOT + "/**", recursive=True) if os.path.isfile(p)]
        names = [n for n in names if not re.match(r"(build|data|node_modules)", n)]
    return sorted(n for n in names if os.path.isfile(os.path.join(ROOT, n)))


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8", errors="replace") as f:
        return f.read()


def is_test(name):
    base = os.path.basename(name)
    return name.startswith("tests/") or re.search(r"_(test|fuzz)\.c$|^(testkit|testdb|fake_\w+)\.[ch]$|^test\.h$", base) is not None


def bare(text):
    """Without comments and strings; the lines keep their numbers."""
    def blank(m):
        return re.sub(r"[^\n]", " ", m.group(0)) if m.group(0)[0] == "/" else '""' + "\n" * m.group(0).count("\n")
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', blank, text, flags=re.S)


def layer_of(path):
    return max((k for k in LAYERS if path.startswith(k + "/")), key=len, default=None)


def check_layers(b, names):
    table = read("ARCHITECTURE.md")
    for folder in sorted({layer_of(n[4:]) for n in names if n.startswith("src/")} - {None}):
        if not re.search(r"^\|[^|\n]*\b%s\b" % re.escape(folder), table, re.M):
            b.add("layers", "ARCHITECTURE.md", 1, "the table of layers lacks " + folder)
    for name in names:
        if not re.match(r"src/.*\.[ch]$", name):
            continue
        own = layer_of(name[4:])
        if own is None:
            b.add("layers", name, 1, "this folder is in no layer")
            continue
        for number, line in enumerate(read(name).splitlines(), 1):
            m = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
            if not m:
                continue
            include = m.group(2)
            if m.group(1) == "<":
                for header, owners in HEADERS.items():
                    if include.startswith(header) and own not in owners.split() and not is_test(name):
                        b.add("layers", name, number, "<%s> belongs to %s" % (include, owners), include)
                continue
            allowed = LAYERS[own]
            if "/" not in include:
                b.add("layers", name, number, 'includes name their layer: "%s"' % include, include)
            elif allowed is not None and not is_test(name) and include not in FACTS and layer_of(include) != own and \
                    not any(include == a or (include.startswith(a + "/") and not a.endswith(".h")) for a in allowed):
                b.add("layers", name, number, "%s may not include %s" % (own, include), include)


def check_formats(b, names):
    for folder in sorted({n.split("/")[2] for n in names if re.match(r"src/formats/[^/]+/", n)}):
        files = {os.path.basename(n) for n in names if n.startswith("src/formats/%s/" % folder)}
        for wanted in ("%s_facts.c" % folder, "%s_format.c" % folder, "README.md"):
            if wanted not in files:
                b.add("formats", "src/formats/" + folder, 1, "lacks " + wanted, wanted)
        for kind in ("test", "fuzz"):
            if not any(f.endswith("_%s.c" % kind) for f in files):
                b.add("formats", "src/formats/" + folder, 1, "lacks a _%s.c" % kind, kind)


def functions(text):
    """(name, first line, lines, parameters, depth of blocks) of each function in clang-format's shape."""
    lines = bare(text).splitlines()
    start = None
    for i, line in enumerate(lines):
        if line == "{" and i > 0 and start is None:
            start = i
        elif line.startswith("}") and start is not None:
            head = start - 1
            while head > 0 and lines[head - 1].strip() and lines[head - 1][-1] not in ";}{" and lines[head - 1][0] != "#":
                head -= 1
            signature = " ".join(lines[head:start])
            m = re.search(r"(\w+)\s*\(", re.sub(r"__attribute__\s*\(\(.*?\)\)", "", signature))
            depth = deepest = 0
            for body in lines[start:i]:
                for c in body:
                    depth += (c == "{") - (c == "}")
                deepest = max(deepest, depth)
            yield m.group(1) if m else "?", head + 1, i - start + 1, parameters(signature), deepest - 1
            start = None


def parameters(signature):
    """What a caller has to supply: results (ret, ret_x) and the error at the end are not counted."""
    inside = signature[signature.find("(") + 1:signature.rfind(")")]
    depth, parts = 0, [""]
    for c in inside:
        depth += (c in "([") - (c in ")]")
        if c == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += c
    names = [(re.findall(r"\w+", re.sub(r"\[.*", "", p)) or [""])[-1] for p in parts]
    return len([n for n in names if n not in ("", "void", "ret", "e") and not n.startswith("ret_")])


def check_size(b, names):
    for name in names:
        if not re.match(r"(src|tests)/.*\.[ch]$", name):
            continue
        text = read(name)
        count = text.count("\n")
        limit = LIMITS["header" if name.endswith(".h") else "file"]
        if count > limit:
            b.add("size", name, 1, "%d lines, limit %d" % (count, limit))
        if not name.endswith(".c"):
            continue
        for function, line, length, given, depth in functions(text):
            for what, value in (("function", length), ("parameters", given), ("nesting", depth)):
                if value > LIMITS[what] and not (is_test(name) and what != "function"):
                    b.add("size", name, line, "%s: %s %d, limit %d" % (function, what, value, LIMITS[what]), function)


def check_banned(b, names):
    for name in names:
        if not re.match(r"src/.*\.[ch]$", name) or is_test(name):
            continue
        own = layer_of(name[4:])
        raw = read(name)
        for number, line in enumerate(bare(raw).splitlines(), 1):
            for pattern, home in BANNED.items():
                m = re.search(r"(?<![\w.>])(%s)\s*\(" % pattern, line)
                if m and own != home:
                    b.add("banned", name, number, "%s() %s" % (m.group(1), "is never used" if home == "never" else "belongs to " + home), m.group(1))
        if own != "store":
            for number, line in enumerate(raw.splitlines(), 1):
                if re.search(r'"\s*(BEGIN|COMMIT)\b', line):
                    b.add("banned", name, number, "transactions belong to store", "COMMIT")


def uninitialised(text):
    """(line, name) of each variable that cleans up after itself, but is not initialised where it is declared: a
    return before its first value would free what was on the stack."""
    text = bare(text)
    for m in re.finditer(r"\bCLEANUP\(\w+\)\s*([^;{=]*(?:[;{=]))", text):
        if m.group(1).endswith("{") or text[:m.start()].rstrip().endswith("define"):
            continue
        end, depth, parts = m.start(1), 0, [""]
        while text[end] != ";" or depth:
            depth += (text[end] in "([{") - (text[end] in ")]}")
            if text[end] == "," and depth == 0:
                parts.append("")
            else:
                parts[-1] += text[end]
            end += 1
        for part in parts:
            if "=" not in part:
                words = re.findall(r"\w+", part) or re.findall(r"\w+", text[:m.start()])
                yield text.count("\n", 0, m.start()) + 1, words[-1]


UNINITIALISED = """CLEANUP(file_close) int bad_a;
CLEANUP(writer_done) struct writer bad_b, good = {0};
struct xml_reader *bad_c CLEANUP(xml_reader_cleanup);
CLEANUP(file_close)
int fd = f(1, 2);"""


def check_cleanup(b, names):
    if [v for _, v in uninitialised(UNINITIALISED)] != ["bad_a", "bad_b", "bad_c"]:
        b.add("cleanup", "tools/check.py", 1, "the rule does not see its own sample")
    for name in names:
        if re.match(r"(src|tests)/.*\.[ch]$", name):
            for line, variable in uninitialised(read(name)):
                b.add("cleanup", name, line, "%s is not initialised" % variable, variable)


def check_durable(b, names):
    """Syncs and commits happen only inside functions that take a row of base/crashpoints.h."""
    rows = re.findall(r"C\((\w+),", read("src/base/crashpoints.h"))
    rows = [r for r in rows if r != "name"]
    text = {n: bare(read(n)) for n in names if re.match(r"src/.*\.c$", n) and not is_test(n)}
    for name, body in text.items():
        for function, line, length, _, _ in functions(read(name)):
            lines = body.splitlines()[line - 1:line + length + 8]
            joined = "\n".join(lines)
            if re.search(r"\b(fsync|fdatasync)\s*\(", joined) and "enum crashpoint" not in joined:
                b.add("durable", name, line, function + " syncs without a row of crashpoints.h", function)
    everything = "\n".join(text.values())
    for row in rows:
        if not re.search(r"\bCRASH_%s\b" % row, everything):
            b.add("durable", "src/base/crashpoints.h", 1, "nothing uses the row " + row, row)


def check_words(b, names):
    for name in names:
        if name.startswith(("tests/fuzz/corpus/", "tools/check.py", "tools/exceptions.txt")) or not re.search(
                r"\.(c|h|py|md|sh|txt|build|sql|html|css|js|mjs|xml|yaml|json)$|^(run|test|\.ci/run)$", name):
            continue
        for number, line in enumerate(read(name).splitlines(), 1):
            if re.search(PRIVATE, line):
                b.add("words", name, number, "a private path or name: " + line.strip()[:80])
            if re.search(UNFINISHED, line):
                b.add("words", name, number, "unfinished: " + line.strip()[:80])


def check_licence(b, names):
    for name in names:
        if re.match(r"(src|tests|tools)/.*\.(c|h|py|sh)$|^(run|test)$", name) and \
                "SPDX-License-Identifier: Apache-2.0" not in "\n".join(read(name).splitlines()[:4]):
            b.add("licence", name, 1, "no SPDX line on top")


def check_format(b, names):
    tool = shutil.which("clang-format-14")
    if tool is None:
        print("SKIPPED format: clang-format-14 is not installed")
        return
    files = [n for n in names if re.match(r"(src|tests)/.*\.[ch]$", n)]
    done = subprocess.run([tool, "--dry-run", "--ferror-limit=1"] + files, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    for name, line in sorted(set(re.findall(r"^(\S+?):(\d+):\d+: (?:warning|error): code should be", done.stdout.decode(), re.M))):
        b.add("format", name, int(line), "clang-format-14 -i " + name)


def check_packages(b, names):
    for number, line in enumerate(read("tools/packages.txt").splitlines(), 1):
        if line and not line.startswith("#") and not re.match(r"[a-z0-9.+-]+  (build|test|browser)  \S", line):
            b.add("packages", "tools/packages.txt", number, "NAME  TIER  REASON")


def check_programs(b, build):
    """Nothing of fault injection may be in a release."""
    programs = [p for p in sorted(glob.glob(os.path.join(build, "bin/*"))) if os.path.isfile(p) and os.access(p, os.X_OK)]
    if not programs:
        b.add("programs", build, 1, "no programs")
    for path in programs:
        with open(path, "rb") as f:
            data = f.read()
        for word in (b"fault_arm", b"crashpoint_arm"):
            if word in data:
                b.add("programs", os.path.relpath(path, ROOT), 1, "%s is in it" % word.decode())


def check_fresh(b, build):
    """./run builds without tests, where no package of the tests is installed."""
    plain = os.path.join(ROOT, "build-run")
    again = ["--reconfigure"] if os.path.exists(os.path.join(plain, "build.ninja")) else []
    subprocess.run(["meson", "setup", plain, "-Dtests=false"] + again, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    targets = json.loads(subprocess.run(["meson", "introspect", "--targets", plain], check=True, stdout=subprocess.PIPE).stdout)
    compiled = {os.path.normpath(s) for t in targets if t["build_by_default"] for part in t["target_sources"] for s in part.get("sources", [])}
    known = subprocess.run(["ninja", "-C", build, "-t", "deps"], check=True, stdout=subprocess.PIPE, text=True).stdout
    included = {}
    for block in known.split("\n\n"):
        files = [os.path.normpath(os.path.join(build, line.strip())) for line in block.splitlines()[1:]]
        if files:
            included.setdefault(files[0], set()).update(files)
    for source in sorted(compiled):
        if source.endswith(".c") and source.startswith(os.path.join(ROOT, "src")) and source not in included:
            b.add("fresh", os.path.relpath(source, ROOT), 1, "not in " + build)
        for header in sorted(included.get(source, [])):
            if os.path.basename(header) == "cmocka.h":
                b.add("fresh", os.path.relpath(source, ROOT), 1, "./run compiles it, and has no cmocka.h")


RULES = {"layers": check_layers, "formats": check_formats, "size": check_size, "banned": check_banned, "cleanup": check_cleanup, "durable": check_durable,
         "words": check_words, "licence": check_licence, "format": check_format, "packages": check_packages}


def main():
    b = Breaches()
    arguments = sys.argv[1:]
    if arguments[:1] == ["--release"]:
        build = os.path.abspath(arguments[1])
        check_programs(b, build)
        check_fresh(b, build)
        rules = ["programs", "fresh"]
    else:
        rules = arguments or list(RULES)
        names = tracked()
        for rule in rules:
            RULES[rule](b, names)
        for (rule, place), number in sorted(b.exceptions.items()):
            if rule in rules and (rule, place) not in b.used:
                b.found.append("tools/exceptions.txt:%d: exceptions: no longer needed" % number)
    failed = {re.match(r"\S+: (\w+):", line).group(1) for line in b.found}
    for line in b.found:
        print(line)
    print("%d passed, %d failed, 0 skipped" % (len([r for r in rules if r not in failed]), len(failed)))
    return 1 if b.found else 0


if __name__ == "__main__":
    sys.exit(main())
