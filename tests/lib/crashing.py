# SPDX-License-Identifier: Apache-2.0
"""What tests that kill processes share: stubborn submitters and the keeper of journal files."""
import json
import os
import shutil
import time
import urllib.error

GONE = (urllib.error.URLError, ConnectionError, TimeoutError, OSError)


def submit_stubbornly(service, data, key, seconds=60):
    """As a build job does: the same Idempotency-Key until a 201 comes."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            status, _, body = service.submit_once("a.zip", data, key)
            if status == 201:
                return json.loads(body)["signingRequestId"]
            if status not in (429, 502, 503, 504):
                raise AssertionError("%d %s" % (status, body))
        except GONE:
            pass
        time.sleep(0.1)
    raise AssertionError("no 201:\n" + service.log()[-3000:])


class Kept:
    """All journal files that ever were: the key process begins a new one at every start."""

    def __init__(self, service):
        self.service, self.folder = service, os.path.join(service.root, "journals")
        os.mkdir(self.folder)

    def keep(self):
        for path in self.service.journals():
            shutil.copy(path, self.folder)

    def paths(self):
        self.keep()
        return sorted(os.path.join(self.folder, n) for n in os.listdir(self.folder))
