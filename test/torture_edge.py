#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What strangers may do to a gateway on the network: floods of HTTP/2, messages that are read in two ways, clients that leave and runtimes that die
by the thousand, and the judgement of h2spec and testssl.sh. `make torture` runs it, on the release.

    test/torture_edge.py [--seconds 10] [--p99 2] [--mutants 100000] [--breaks 10000] [floods] [framing] [breaks] [h2spec] [testssl]

Prints one JSON object per part; docs/reliability.md has what they were once. A quick selection of it is in test/e2e/test_torture_edge.py.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import harness
import torture_breaks
import torture_floods
import torture_framing
from harness import ROOT, Processes
from secure import Authority, secure_gate

H2SPEC = pathlib.Path(os.environ.get("HOSTLER_H2SPEC", ROOT / "build/deps/h2spec"))
TESTSSL = shutil.which("testssl") or shutil.which("testssl.sh")
# A private CA has no list of what it has revoked.
EXPECTED = {"cert_revocation", "cert_crlDistributionPoints", "cert_ocspURL"}


def h2spec(processes):
    """All cases of h2spec in strict mode, over TLS; how many pass."""
    authority = Authority(processes.folder / "tls")
    gate = secure_gate(processes, processes.mock(), authority)
    done = subprocess.run([H2SPEC, "--strict", "-t", "-k", "-h", "127.0.0.1", "-p", str(gate.secure), "-P", "/livez", "-o", "5"],
                          capture_output=True, text=True, timeout=600)
    total, passed, skipped, failed = map(int, re.search(r"(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed", done.stdout).groups())
    assert total >= 146 and passed == total, f"{skipped} skipped, {failed} failed:\n{done.stdout[-3000:]}"
    return {"passed": passed, "of": total}


def testssl(processes):
    """testssl.sh finds nothing of MEDIUM or above but what a private CA lacks."""
    authority = Authority(processes.folder / "tls")
    gate = secure_gate(processes, processes.mock(), authority)
    report = processes.folder / "testssl.json"
    subprocess.run([TESTSSL, "--quiet", "--color", "0", "--warnings", "off", "--add-ca", authority.ca, "--jsonfile", report, "--nodns", "min",
                    f"127.0.0.1:{gate.secure}"], capture_output=True, text=True, timeout=1200)
    found = json.loads(report.read_text())
    assert len(found) > 50, "it has not looked"
    grave = [f for f in found if f["severity"] in ("MEDIUM", "HIGH", "CRITICAL", "FATAL")]
    others = [f for f in grave if f["id"].split(" ")[0] not in EXPECTED]
    assert not others, others
    return {"findings": len(found), "expected": [f["id"] for f in grave]}


PARTS = {
    "floods": lambda processes, args: torture_floods.run(processes, args.seconds, args.p99),
    "framing": lambda processes, args: torture_framing.run(processes, args.mutants),
    "breaks": lambda processes, args: torture_breaks.run(processes, args.breaks),
    "h2spec": lambda processes, args: h2spec(processes),
    "testssl": lambda processes, args: testssl(processes),
}
MISSING = {"h2spec": not H2SPEC.exists(), "testssl": not TESTSSL}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10, help="of each flood")
    parser.add_argument("--p99", type=float, default=2, help="how many times slower others may get; 0: not judged, on a machine that does other things")
    parser.add_argument("--mutants", type=int, default=100_000)
    parser.add_argument("--breaks", type=int, default=10_000)
    parser.add_argument("parts", nargs="*", help=" ".join(PARTS) + " (default: all)")
    args = parser.parse_args()
    harness.HOSTLER = os.environ.get("HOSTLER_BIN", str(ROOT / "build/hostler"))
    failed = False
    for part in args.parts or PARTS:
        if MISSING.get(part):
            print(f"torture: edge: {part} is not installed (scripts/setup --for bench)", flush=True)
            continue
        processes = Processes()
        try:
            result = PARTS[part](processes, args)
            processes.stop()
            print(f"torture: edge: {part}: {json.dumps(result)}", flush=True)
        except Exception as error:
            failed = True
            print(f"torture: edge: {part} failed: {type(error).__name__}: {error}\nlogs: {processes.folder}", flush=True)
            for program in processes.programs:
                program.child.kill()
    return failed


if __name__ == "__main__":
    sys.exit(main())
