#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The tests of one tier, in the order of the budget table. Started by ./test."""
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
USAGE = """usage: ./test [quick | long | fuzz | corpus | NAME...]
  (nothing)  everything but the long loops: at most 40 minutes on two cores
  quick      release build, unit tests, checks: about three minutes
  long       random kills, large runs, benches
  fuzz       every fuzz target for CHANCERY_FUZZ_SECONDS (1800)
  corpus     real files: CHANCERY_CORPUS=FOLDER ./test corpus
  NAME       tests whose name contains NAME, on the release build; ./test --list names them"""

# A build: folder, compiler, meson options.
RELEASE = ("build", None, ["-Dtests=true"])
GCC = ("build-gcc-asan", "gcc", ["-Db_sanitize=address,undefined"])
CLANG = ("build-clang-asan", "clang-14", ["-Db_sanitize=address,undefined", "-Db_lundef=false"])
FAULTS = ("build-faults", "gcc", ["-Dfaults=true"])
FUZZ = ("build-fuzz", "clang-14", ["-Dfuzz=true", "-Db_sanitize=address,undefined", "-Db_lundef=false"])

# Folders of tests in Python that no meson.build names; they run on the release build.
SCRIPTS = ["stories", "interop"]


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures, self.reasons = [], []

    def add(self, name, output, status, seconds):
        passed, failed, skipped = count(output)
        if status == 77 and not (passed or failed):
            skipped = max(skipped, 1)
        elif status != 0:
            failed = max(failed, 1)
        elif not (passed or failed or skipped):
            passed = 1
        self.passed += passed
        self.failed += failed
        self.skipped += skipped
        why = re.findall(r"^(?:SKIPPED|skipped:?|SKIP:?) (.*)$", output, re.M | re.I)
        self.reasons += [(name, w) for w in why]
        if skipped > 0 and not why:
            self.reasons.append((name, last_line(output)))
        if failed:
            self.failures.append(name)
            print("    FAILED %s\n%s" % (name, tail(output)))
        print("    %-44s %5d passed %3d failed %3d skipped %6.1f s" % (name, passed, failed, skipped, seconds), flush=True)


def count(output):
    said = re.findall(r"(\d+) passed, (\d+) failed, (\d+) skipped", output)
    if said:
        return tuple(map(int, said[-1]))
    if "[==========]" in output:
        return tuple(sum(map(int, re.findall(r"\[  %s *\] (\d+) test" % word, output)))
                     for word in ("PASSED", "FAILED", "SKIPPED"))
    ran = sum(map(int, re.findall(r"^Ran (\d+) tests?", output, re.M)))
    bad = sum(map(int, re.findall(r"(?:failures|errors)=(\d+)", output)))
    skipped = sum(map(int, re.findall(r"skipped=(\d+)", output)))
    return (max(ran - bad - skipped, 0), bad, skipped) if ran else (0, 0, 0)


def last_line(text):
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it did not say why"


def tail(text, lines=40):
    return "\n".join("      | " + line for line in text.strip().splitlines()[-lines:])


def environment(folder):
    env = dict(os.environ)
    env["PYTHONPATH"] = os.pathsep.join([os.path.join(ROOT, "tools/pysite"), os.path.join(ROOT, "tests/lib")])
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    env["CHANCERY_BUILD"] = os.path.join(ROOT, folder)
    env["CHANCERY_BIN"] = os.path.join(ROOT, folder, "bin")
    env["PATH"] = os.pathsep.join([os.path.join(ROOT, "build/tools/usr/bin"), env.get("PATH", "/usr/bin:/bin")])
    env["LC_ALL"] = "C.UTF-8"
    env.setdefault("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0")
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1")
    return env


def command(tally, name, arguments, env, timeout=900, cwd=ROOT):
    """One program that is one test (or says how many it was)."""
    started = time.time()
    try:
        done = subprocess.run(arguments, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, timeout=timeout)
        output, status = done.stdout.decode("utf-8", "replace"), done.returncode
    except subprocess.TimeoutExpired as e:
        output, status = (e.stdout or b"").decode("utf-8", "replace") + "\nno end after %d s" % timeout, 1
    tally.add(name, output, status, time.time() - started)


def make(tally, build):
    folder, compiler, options = build
    started = time.time()
    env = dict(os.environ)
    if compiler:
        env["CC"] = ("ccache " if shutil.which("ccache") else "") + compiler
    first = not os.path.exists(os.path.join(ROOT, folder, "build.ninja"))
    steps = [(["meson", "setup", folder] if first else ["meson", "configure", folder]) + options, ["ninja", "-C", folder]]
    for step in steps:
        done = subprocess.run(step, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            tally.add("build " + folder, done.stdout.decode("utf-8", "replace"), 1, time.time() - started)
            return False
    tally.add("build " + folder, "", 0, time.time() - started)
    return True


def meson_tests(folder):
    shown = subprocess.run(["meson", "introspect", "--tests", folder], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return [(t["name"], [s.split(":")[-1] for s in t["suite"]]) for t in json.loads(shown.stdout)]


def meson(tally, folder, suites=None, names=None):
    """Tests that meson knows: those of the suites, or those named, or all."""
    run = [n for n, s in meson_tests(folder) if (names is None or n in names) and (suites is None or set(s) & set(suites))]
    if not run:
        return
    log = os.path.join(ROOT, folder, "meson-logs/testlog.json")
    if os.path.exists(log):
        os.unlink(log)
    subprocess.run(["meson", "test", "-C", folder, "--no-rebuild", "--num-processes", str(os.cpu_count() or 2)] + run, cwd=ROOT,
                   env=environment(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    label = "" if folder == "build" else " (%s)" % folder
    seen = set()
    if os.path.exists(log):
        for line in open(log, encoding="utf-8"):
            t = json.loads(line)
            name = t["name"].split(" / ")[-1]
            seen.add(name)
            status = {"OK": 0, "SKIP": 77}.get(t["result"], 1)
            text = (t.get("stdout") or "") + (t.get("stderr") or "")
            if t["result"] == "TIMEOUT":
                text += "\nno end within its time"
            tally.add(name + label, text, status, t["duration"])
    for name in sorted(set(run) - seen):
        tally.add(name + label, "meson did not run it", 1, 0)


def scripts(folders):
    named = "".join(open(f, encoding="utf-8").read() for f in glob.glob(ROOT + "/tests/**/meson.build", recursive=True))
    found = []
    for folder in folders:
        for path in sorted(glob.glob(os.path.join(ROOT, "tests", folder, "*.py"))):
            with open(path, encoding="utf-8") as f:
                program = "__main__" in f.read()
            if program and os.path.basename(path) not in named:
                found.append((folder + "/" + os.path.basename(path)[:-3], path))
    return found


def run_scripts(tally, folder, found):
    for name, path in found:
        command(tally, name, [sys.executable, path], environment(folder))


def checks(tally):
    command(tally, "checks", [sys.executable, "tools/check.py"], environment("build"))


def release_programs(tally):
    command(tally, "checks of the release", [sys.executable, "tools/check.py", "--release", "build"], environment("build"))


def foreign_tools(tally):
    command(tally, "foreign tools", ["sh", "tools/fetch-tools.sh"], environment("build"))


def fuzz(tally, seconds):
    if not make(tally, FUZZ):
        return
    for program in sorted(glob.glob(ROOT + "/build-fuzz/tests/*_fuzz")):
        target = os.path.basename(program)[:-5]
        work = os.path.join(ROOT, "build-fuzz/corpus", target)
        os.makedirs(work, exist_ok=True)
        seeds = os.path.join(ROOT, "tests/fuzz/corpus", target)
        words = glob.glob(ROOT + "/src/**/%s.dict" % target, recursive=True)
        command(tally, "fuzz " + target,
                [program, work] + ([seeds] if os.path.isdir(seeds) else []) + ["-dict=" + w for w in words] +
                # The short runs judge a change: the same inputs each time. The long ones look for more.
                (["-seed=1", "-runs=5000"] if seconds <= 60 else []) + ["-max_total_time=%d" % seconds, "-timeout=25", "-rss_limit_mb=2048", "-verbosity=0", "-error_exitcode=1",
                 "-artifact_prefix=" + work + "-"], environment("build-fuzz"), timeout=seconds + 300)


def corpus(tally):
    if not os.environ.get("CHANCERY_CORPUS"):
        tally.add("corpus", "SKIPPED corpus: no corpus; set CHANCERY_CORPUS to its folder", 77, 0)
        return
    run_scripts(tally, "build", scripts(["corpus"]))


def release(tally, suites=None):
    if make(tally, RELEASE):
        release_programs(tally)
        meson(tally, "build", suites)


def sanitized(tally, build):
    if make(tally, build):
        meson(tally, build[0], ["unit", "fuzz", "hostile"])


def faults(tally):
    if make(tally, FAULTS):
        meson(tally, "build-faults", ["unit", "faults"])
        run_scripts(tally, "build-faults", scripts(["faults"]))


# Tier: what runs, and the minutes it may take on two cores.
TIERS = {
    "quick": [("checks", 0.5, checks), ("foreign tools", 0.1, foreign_tools), ("release and unit tests", 2.4, lambda t: release(t, ["unit", "fuzz"]))],
    "default": [
        ("checks", 0.5, checks),
        ("foreign tools", 1, foreign_tools),
        ("release, all suites", 8, release),
        ("stories, foreign tools and clients", 8, lambda t: run_scripts(t, "build", scripts(SCRIPTS))),
        ("pages in a browser", 4, lambda t: run_scripts(t, "build", scripts(["browser"]))),
        ("gcc, sanitizers", 6, lambda t: sanitized(t, GCC)),
        ("clang, sanitizers", 6, lambda t: sanitized(t, CLANG)),
        ("faults and crashes", 14, faults),
        ("fuzz targets, 10 s each", 5, lambda t: fuzz(t, 10)),
        ("real files", 0.1, corpus),
    ],
    "long": [("release", 4, release), ("long runs", 240, lambda t: run_scripts(t, "build", scripts(["long", "bench"]))),
             ("random kills", 60, lambda t: (make(t, FAULTS), run_scripts(t, "build-faults", scripts(["faults"]))))],
    "fuzz": [("fuzz targets", 600, lambda t: fuzz(t, int(os.environ.get("CHANCERY_FUZZ_SECONDS", "1800"))))],
    "corpus": [("release build", 3, lambda t: make(t, RELEASE)), ("foreign tools", 1, foreign_tools), ("real files", 120, corpus)],
}


def by_name(tally, wanted):
    if not make(tally, RELEASE):
        return
    known = [n for n, _ in meson_tests("build")]
    found = scripts(SCRIPTS + ["browser", "corpus", "faults", "long", "bench"])
    names = [n for n in known if any(w in n for w in wanted)]
    programs = [(n, p) for n, p in found if any(w in n for w in wanted)]
    if not names and not programs:
        print("No test has %s in its name. There are: %s" % (" or ".join(wanted), " ".join(known + [n for n, _ in found])))
        sys.exit(2)
    meson(tally, "build", names=set(names))
    run_scripts(tally, "build", programs)


def main():
    os.chdir(ROOT)
    arguments = sys.argv[1:]
    if arguments and arguments[0] in ("-h", "--help"):
        print(USAGE)
        return 0
    tally = Tally()
    if arguments == ["--list"]:
        make(tally, RELEASE)
        print("\n".join([n for n, _ in meson_tests("build")] + [n for n, _ in scripts(SCRIPTS + ["browser", "corpus", "faults", "long", "bench"])]))
        return 0
    table = []
    tier = arguments[0] if arguments else "default"
    os.environ["CHANCERY_TIER"] = tier
    if tier in TIERS and len(arguments) <= 1:
        for title, minutes, step in TIERS[tier]:
            print(title, flush=True)
            started = time.time()
            step(tally)
            table.append((title, minutes, (time.time() - started) / 60))
    else:
        by_name(tally, arguments)
    for name, why in tally.reasons:
        print("skipped %s: %s" % (name, why))
    for title, minutes, took in table:
        print("%-38s %6.1f of %5.1f minutes%s" % (title, took, minutes, "  over its budget" if took > minutes else ""))
    for name in tally.failures:
        print("failed: " + name)
    print("%d passed, %d failed, %d skipped" % (tally.passed, tally.failed, tally.skipped))
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
