#!/usr/bin/env python3
"""Refuses includes against the way of the data (docs/architecture.md, "Who may include whom")."""
import os
import re
import sys

MAY = {
    "base": [],
    "telemetry": ["base"],
    "net": ["base"],
    "ingest": ["base", "net", "telemetry"],
    "normalize": ["base", "telemetry"],
    "correlate": ["base", "telemetry"],
    "store": ["base", "telemetry"],
    "reconstruct": ["base", "correlate", "telemetry"],
    "diagnose": ["base", "correlate", "telemetry"],
    "validate": ["base", "reconstruct/state_model.h", "telemetry"],
    "publish": ["base", "net", "telemetry", "store/store.h"],
    "simulate": ["base", "net", "telemetry"],
    "engine": ["base", "telemetry", "net", "ingest", "normalize", "correlate", "store", "reconstruct", "diagnose", "validate", "publish"],
}
MAY["evaluate"] = MAY["engine"] + ["engine", "simulate"]
MAY["apps"] = MAY["evaluate"] + ["evaluate"]
BANNED_NAMES = re.compile(r"(^|[_/])(utils?|common|helpers?|misc|manager)([_./]|$)")


def problems(root):
    for top in ("src", "apps"):
        for folder, _, files in os.walk(os.path.join(root, top)):
            for name in files:
                path = os.path.relpath(os.path.join(folder, name), root)
                if BANNED_NAMES.search(path):
                    yield f"{path}: a name that says nothing"
                if not name.endswith((".h", ".cc")):
                    continue
                module = path.split("/")[1] if top == "src" else "apps"
                allowed = MAY.get(module)
                if allowed is None:
                    yield f"{path}: folder src/{module} is not in the map of tools/check_includes.py"
                    continue
                text = open(os.path.join(root, path), encoding="utf-8").read()
                if name.endswith(".h") and "#pragma once" not in text:
                    yield f"{path}: no #pragma once"
                for include in re.findall(r'^#include "([^"]+)"', text, re.M):
                    target = include.split("/")[0]
                    if "/" not in include or target == module:
                        continue
                    if target not in allowed and include not in allowed:
                        yield f"{path}: includes {include}, which {module} must not know"


if __name__ == "__main__":
    found = list(problems(os.path.join(os.path.dirname(__file__), "..")))
    print("\n".join(found) if found else "includes follow the way of the data")
    sys.exit(1 if found else 0)
