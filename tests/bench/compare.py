"""Two files of measurements held against each other: figure by figure, and what got worse by more than noise.

What is better, more or less, the figure's name says: times, memory and errors are to be small, rates and areas large. A
figure whose name says neither is told and never marked. Figures of other machines are compared too, with a warning.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.cells import table

NOISE = 0.10
_SMALL = re.compile(
    r"(_ms|_s|_us|_mib|_mb|_bytes|seconds)$|^(ratio|bare|slower|median|p99|longest|difference|overkill|escape|dropped)"
    r"|no_verdict|longest|error|latency"
)
_LARGE = re.compile(r"(per_s|_of_bare|auroc|aupro|caught|recall)$|^(rate|of_bare|of_here|parts_per_s|pro)|auroc|aupro")
# Where large is good in one measurement and bad in another, its name comes first.
_SPECIAL = {"latency.ratio": True, "speed.ssim.ratio": True}
_NOT_FIGURES = {"machine", "name", "bounds", "seconds", "given", "seed", "draw", "n"}
_MACHINE = ("cpu", "cores", "python")


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure of both files.

    Attributes:
        name: its place, "speed.whole.grey SSIM.ratio".
        old: its value before.
        new: its value now.
        better: 1 where more is better, -1 where less is, 0 where nobody can say.
    """

    name: str
    old: float
    new: float
    better: int

    @property
    def ratio(self) -> float:
        """New to old; NaN where the old one is 0 and the new one is not."""
        if self.old == self.new:
            return 1.0
        return self.new / self.old if self.old else math.nan

    def is_worse(self, noise: float) -> bool:
        """Whether it got worse by more than the noise, a share of the old value."""
        return self.better * (self.new - self.old) < -noise * abs(self.old)

    def is_better(self, noise: float) -> bool:
        """Likewise, better."""
        return self.better * (self.new - self.old) > noise * abs(self.old)


def compared(old: dict[str, Any], new: dict[str, Any]) -> tuple[list[Compared], list[str]]:
    """The figures of both, in the old one's order, and the names of those that only one has."""
    before, now = dict(_figures(old)), dict(_figures(new))
    both = [Compared(name, before[name], now[name], _better(name)) for name in before if name in now]
    return both, sorted(before.keys() ^ now.keys())


def report(old: dict[str, Any], new: dict[str, Any], noise: float = NOISE) -> tuple[str, int]:
    """A Markdown table of what there is in both, the worst first, and how many figures got worse."""
    found, alone = compared(old, new)
    worse = sum(one.is_worse(noise) for one in found)
    rows = []
    for one in sorted(found, key=lambda one: (not one.is_worse(noise), not one.is_better(noise))):
        mark = "**worse**" if one.is_worse(noise) else "better" if one.is_better(noise) else ""
        rows.append([one.name, f"{one.old:.4g}", f"{one.new:.4g}", f"{one.ratio:.2f}", mark])
    lines = [*_machines(old, new), *table(("figure", "old", "new", "new / old", ""), rows), ""]
    lines.append(f"{len(found)} figures, {worse} worse by more than {noise:.0%}.")
    if alone:
        lines.append(f"In one file alone: {', '.join(alone[:20])}{' ...' if len(alone) > 20 else ''}.")
    return "\n".join(lines), worse


def main(argv: list[str]) -> int:
    """Print the comparison; 1 where something got worse."""
    parser = argparse.ArgumentParser(prog="tests.bench compare", description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--noise", type=float, default=NOISE, help=f"share that is no change (default {NOISE})")
    arguments = parser.parse_args(argv)
    read = []
    for path in (arguments.old, arguments.new):
        try:
            record = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            parser.error(f"{path}: {error}")
        # One measurement's own file is the same as a file of that one alone.
        read.append({record["name"]: record} if "name" in record else record)
    text, worse = report(*read, noise=arguments.noise)
    print(text)
    return 1 if worse else 0


def _figures(value: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in _NOT_FIGURES:
                yield from _figures(inner, (*place, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _figures(inner, (*place, str(number)))
    elif isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        yield ".".join(place), float(value)


def _better(name: str) -> int:
    """1 where more is better, -1 where less is; the last word that says so counts."""
    if name in _SPECIAL:
        return 1
    for word in reversed(name.split(".")):
        if _LARGE.search(word):
            return 1
        if _SMALL.search(word):
            return -1
    return 0


def _machines(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    told = [{tuple(one["machine"].get(key) for key in _MACHINE) for one in file.values()} for file in (old, new)]
    if told[0] == told[1]:
        return []
    before, now = ("; ".join(", ".join(map(str, one)) for one in sorted(each, key=str)) for each in told)
    return [f"Other machines, so times say little: {before} before, {now} now.", ""]
