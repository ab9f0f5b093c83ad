"""Drawn tables: parts with numbers that go together, words, gaps, and columns that are no inputs."""

import csv
from pathlib import Path

import numpy as np

HEADER = ("", "serial", "shift", "temperature", "torque", "speed", "site", "state")
INPUTS = ("shift", "temperature", "torque", "speed")


def drawn_rows(count: int, seed: int = 0, anomalous_every: int = 0) -> list[list[str]]:
    """Rows in the order of `HEADER`; torque follows temperature, but not on an anomalous row."""
    rng = np.random.default_rng(seed)
    rows = []
    for index in range(count):
        is_bad = anomalous_every > 0 and index % anomalous_every == anomalous_every - 1
        temperature = rng.normal(60, 5)
        torque = 0.5 * temperature + rng.normal(0, 0.3) + (rng.choice([-1, 1]) * rng.uniform(20, 40) if is_bad else 0)
        speed = "" if rng.random() < 0.1 else f"{rng.normal(1500, 80):.1f}"
        rows.append(
            [
                str(index),
                f"P-{seed}-{index:06d}",
                str(rng.choice(["early", "late", "night"], p=[0.5, 0.3, 0.2])),
                f"{temperature:.3f}",
                f"{torque:.3f}",
                speed,
                "Kassel",
                "bad" if is_bad else "ok",
            ]
        )
    return rows


def write_csv(path: Path, rows: list[list[str]], header: tuple[str, ...] = HEADER, delimiter: str = ",") -> Path:
    """The rows as a file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    return path
