#!/usr/bin/env python3
"""Checks what documents say against the tree: paths in backticks and relative links exist, no path of one machine."""
import os
import re
import subprocess
import sys

ROOT = os.path.join(os.path.dirname(__file__), "..")
TOP = {"src", "apps", "docs", "test", "bench", "fuzz", "examples", "tools", "ui", "cmake", "third_party"}


def problems():
    files = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for path in files:
        text = open(os.path.join(ROOT, path), encoding="utf-8").read()
        for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
            if not re.match(r"[a-z]+:", link) and not os.path.exists(os.path.join(ROOT, os.path.dirname(path), link)):
                yield f"{path}: broken link {link}"
        for name in re.findall(r"`([\w./-]+)`", text):
            if name.split("/")[0] in TOP and "/" in name and not os.path.exists(os.path.join(ROOT, name)):
                if not any(part in name for part in ("node_modules", "third_party/")):
                    yield f"{path}: names {name}, which is not there"
        for machine in re.findall(r"(?<![\w.])/(?:work|home|root|Users)/\S+", text):
            yield f"{path}: path of one machine: {machine}"


found = list(problems())
print("\n".join(found) if found else "documents agree with the tree")
sys.exit(1 if found else 0)
