"""What NVIDIA's bindings of one version have of some classes and enumerations: members, arguments, values.

`python -m tests.tensorrt_api.surface` writes `tests/simulated_nvidia/surfaces.json` anew from every version's bindings.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from tests.tensorrt_api.bindings import WHEELS, run_with

# Runs beside the bindings: prints, for each class, its members with the argument names of every overload.
_LOOK = r"""
import json, re, sys
import tensorrt

def overloads(text):
    # One line of each docstring is a signature, "name(self: …, flags: int = 0) -> …"; overloads are numbered.
    found = []
    for line in text.splitlines():
        match = re.match(r"\s*(?:\d+\. )?\w+\((.*)\) -> ", line)
        if match:
            depth, names, start = 0, [], 0
            parts, current = [], ""
            for letter in match[1]:
                depth += letter in "[({<"
                depth -= letter in "])}>"
                if letter == "," and depth == 0:
                    parts.append(current)
                    current = ""
                else:
                    current += letter
            parts.append(current)
            names = [part.split(":")[0].split("=")[0].strip() for part in parts if part.strip()]
            found.append([name for name in names if name != "self"])
    return found

classes, enums = json.loads(sys.argv[1])
answer = {}
for name, members in classes.items():
    real = getattr(tensorrt, name, None)
    if real is not None:
        answer[name] = {
            member: overloads(getattr(real, member).__doc__ or "") if callable(getattr(real, member)) else None
            for member in members if hasattr(real, member)
        }
for name in enums:
    real = getattr(tensorrt, name, None)
    if real is not None:
        answer[name] = {member: int(value) for member, value in real.__members__.items()}
print(json.dumps(answer))
"""


def real_surface(version: str) -> dict[str, dict[str, Any]]:
    """Members and values in NVIDIA's bindings of a version, of all that is simulated."""
    from tests.simulated_nvidia.values import ENUMS
    from tests.simulated_nvidia.versions import CLASSES, members

    wanted = {name: members(simulated) for name, simulated in CLASSES.items()}
    found: dict[str, dict[str, Any]] = json.loads(run_with(version, _LOOK, json.dumps([wanted, ENUMS])))
    return found


def main() -> None:
    """Write the file anew."""
    from tests.simulated_nvidia.versions import SURFACES

    surfaces = {version.removesuffix(".post1"): real_surface(version) for version in WHEELS}
    SURFACES.write_text(json.dumps(surfaces, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    sys.stdout.write(f"wrote {SURFACES}\n")


if __name__ == "__main__":
    main()
