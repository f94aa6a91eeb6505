# SPDX-License-Identifier: Apache-2.0
"""On PYTHONPATH while ./test runs: every skipped unittest says why, in a form that ./test reads."""
import unittest


def _say_why(result, test, reason, _add=unittest.TextTestResult.addSkip):
    _add(result, test, reason)
    print("SKIPPED %s: %s" % (test, reason), flush=True)


unittest.TextTestResult.addSkip = _say_why
