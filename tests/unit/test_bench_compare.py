import json
from pathlib import Path
from typing import Any

import pytest

from tests.bench.__main__ import put_together
from tests.bench.compare import compared, main, report

MACHINE = {"cpu": "a core", "cores": 2, "python": "3.11"}


def record(name: str, **figures: Any) -> dict[str, Any]:
    return {"name": name, "machine": MACHINE, "seconds": 1.0, **figures}


def both(old: dict[str, Any], new: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    return {"speed": record("speed", **old)}, {"speed": record("speed", **new)}


@pytest.mark.parametrize(
    ("name", "old", "new", "mark"),
    [
        ("median_ms", 10.0, 12.0, "**worse**"),
        ("median_ms", 10.0, 10.9, ""),
        ("median_ms", 10.0, 8.0, "better"),
        ("parts_per_s", 10.0, 8.0, "**worse**"),
        ("rate", 10.0, 12.0, "better"),
        ("auroc", 0.99, 0.7, "**worse**"),
        ("no_verdict", 0, 1, "**worse**"),
        ("no_verdict", 0, 0, ""),
        ("pixels", 10, 30, ""),
    ],
)
def test_what_got_worse_by_more_than_noise_is_marked(name, old, new, mark):
    text, worse = report(*both({name: old}, {name: new}), noise=0.1)
    row = next(line for line in text.splitlines() if line.startswith(f"| speed.{name} |"))
    assert row.split("|")[-2].strip() == mark
    assert worse == (mark == "**worse**")


def test_figures_are_found_by_their_place_and_what_is_in_one_file_alone_is_told():
    old, new = both(
        {"whole": {"grey": {"invoke": {"median_ms": 2.0}}}, "loads": [{"rate": 5}], "gone": 1.0, "ok": True},
        {"whole": {"grey": {"invoke": {"median_ms": 1.0}}}, "loads": [{"rate": 5}], "ok": False},
    )
    found, alone = compared(old, new)
    assert [(one.name, one.ratio, one.better) for one in found] == [
        ("speed.whole.grey.invoke.median_ms", 0.5, -1),
        ("speed.loads.0.rate", 1.0, 1),
    ]
    assert alone == ["speed.gone"]
    assert "In one file alone: speed.gone." in report(old, new)[0]


def test_the_ratio_of_one_measurement_is_to_be_large_and_of_another_small():
    old = {"latency": record("latency", ratio=0.4), "cold_start": record("cold_start", ratio=4.0)}
    new = {"latency": record("latency", ratio=0.8), "cold_start": record("cold_start", ratio=8.0)}
    text, worse = report(old, new)
    assert worse == 1
    assert "| cold_start.ratio | 4 | 8 | 2.00 | **worse** |" in text


def test_another_machine_is_told():
    old, new = both({"rate": 1.0}, {"rate": 1.0})
    assert "Other machines" not in report(old, new)[0]
    new["speed"]["machine"] = {**MACHINE, "cpu": "another core"}
    assert "a core, 2, 3.11 before, another core, 2, 3.11 now" in report(old, new)[0]


def test_the_files_of_all_measurements_are_put_together_and_compared(tmp_path: Path, capsys):
    for name, rate in (("speed", 1.0), ("workers", 2.0)):
        (tmp_path / f"{name}.json").write_text(json.dumps(record(name, rate=rate)))
        (tmp_path / f"{name}.md").write_text(f"| {name} |\n")
    put_together(tmp_path)
    whole = json.loads((tmp_path / "all.json").read_text())
    assert {name: one["rate"] for name, one in whole.items()} == {"speed": 1.0, "workers": 2.0}
    text = (tmp_path / "all.md").read_text()
    assert text.index("## speed") < text.index("cpu a core, cores 2") < text.index("| workers |")
    assert main([str(tmp_path / "all.json"), str(tmp_path / "all.json")]) == 0
    (tmp_path / "speed.json").write_text(json.dumps(record("speed", rate=0.5)))
    capsys.readouterr()
    assert main([str(tmp_path / "all.json"), str(tmp_path / "speed.json")]) == 1
    assert "1 figures, 1 worse by more than 10%" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main([str(tmp_path / "none.json"), str(tmp_path / "all.json")])
