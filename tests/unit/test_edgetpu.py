import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from graphs import FLOAT32, Graph
from shared_data import shared_path

from edge_app.bundle import read_bundle
from edge_app.errors import DataError
from trainer import cli, edgetpu
from trainer.edgetpu import ON_CHIP_BYTES, check, outside

PAIRS = ("deeplabv3_mnv2_dm05_pascal_quant", "keras_lstm_mnist_ptq", "mobilenet_v1_0.25_128_quant", "split_concat")
MAP, SMALL = (1, 8, 8, 4), (1, 4, 4, 4)


@pytest.mark.parametrize("name", PAIRS)
def test_it_leaves_what_the_real_compiler_left(name: str) -> None:
    finding = check(shared_path("coral_pairs", f"{name}.tflite").read_bytes())
    stayed = outside(shared_path("coral_pairs", f"{name}_edgetpu.tflite").read_bytes())
    assert [one.name for one in finding.operations if one.why] == stayed
    assert finding.mapped == len(finding.operations) - len(stayed)


def why(graph: Graph) -> str | None:
    return check(graph.to_bytes()).operations[-1].why


def conv(graph: Graph, version: int = 3, out: tuple[int, ...] = MAP) -> Graph:
    return graph.add("CONV_2D", version, out, graph.weights(4, 3, 3, 4), graph.numbers(0, 0, 0, 0))


Build = Callable[[], Graph]


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: conv(Graph(MAP)), None),
        (lambda: conv(Graph(MAP), 6), "version 6, and 3 is the newest that maps"),
        (lambda: conv(Graph(MAP, FLOAT32)), "works on float32.*export in int8"),
        (lambda: conv(Graph(MAP, open_batch=True)), "a shape is not fixed"),
        (lambda: conv(Graph((2, 8, 8, 4))), "only the three inner dimensions"),
        (lambda: Graph(MAP).add("LEAKY_RELU", 2, MAP), "no such operation on the Edge TPU: use ReLU"),
        (lambda: Graph(MAP).add("TILE", 2, MAP), "no such operation.*concatenate"),
        (lambda: _transposed(2), None),
        (lambda: _transposed(4), "version 4.*upsample, then a plain convolution"),
        (lambda: _resized("RESIZE_NEAREST_NEIGHBOR", 2, 64), None),
        (lambda: _resized("RESIZE_NEAREST_NEIGHBOR", 3, 64), "version 3.*NearestUpsampling"),
        (lambda: _resized("RESIZE_NEAREST_NEIGHBOR", 2, 128), "gives 256 x 256"),
        (lambda: _resized("RESIZE_BILINEAR", 3, 24), None),
        (lambda: _mean(1, 2), None),
        (lambda: _mean(3), "averages over other axes"),
        (lambda: _padded(1), None),
        (lambda: _padded(3), "pads other axes"),
        (lambda: Graph((1, 10)).add("SOFTMAX", 2, (1, 10)), None),
        (lambda: Graph((1, 20_000)).add("SOFTMAX", 2, (1, 20_000)), "not one row"),
        (lambda: Graph(MAP).add("MAX_POOL_2D", 2, SMALL, options=("Pool2DOptions", {"fusedActivationFunction": 1})),
         "has an activation of its own"),
        (lambda: _dense((1, 16)), None),
        (lambda: _dense((3, 16)), "more than one row"),
    ],
)  # fmt: skip
def test_each_rule_of_the_documents(build: Build, says: str | None) -> None:
    found = why(build())
    if says is None:
        assert found is None
    else:
        assert re.search(says, str(found)), found


def _transposed(version: int) -> Graph:
    graph = Graph(SMALL)
    weights = graph.weights(4, 2, 2, 4)
    data, graph.last = graph.last, weights
    return graph.add("TRANSPOSE_CONV", version, MAP, data, first=graph.numbers(1, 8, 8, 4))


def _resized(name: str, version: int, side: int) -> Graph:
    graph = Graph((1, side, side, 4))
    return graph.add(name, version, (1, 2 * side, 2 * side, 4), graph.numbers(2 * side, 2 * side))


def _mean(*axes: int) -> Graph:
    graph = Graph(MAP)
    return graph.add("MEAN", 2, (1, 4) if axes == (1, 2) else (1, 8, 8), graph.numbers(*axes))


def _padded(axis: int) -> Graph:
    graph, amounts, shape = Graph(MAP), np.zeros((4, 2), int), list(MAP)
    amounts[axis], shape[axis] = 1, MAP[axis] + 2
    return graph.add("PAD", 2, tuple(shape), graph.numbers(*amounts.ravel(), shape=(4, 2)))


def _dense(shape: tuple[int, int]) -> Graph:
    graph = Graph(shape)
    return graph.add("FULLY_CONNECTED", 4, (shape[0], 8), graph.weights(8, 16), graph.numbers(*[0] * 8))


def test_nothing_is_mapped_behind_the_first_that_is_not() -> None:
    finding = check(conv(conv(Graph(MAP)).add("LEAKY_RELU", 2, MAP)).to_bytes())
    assert [one.why is None for one in finding.operations] == [True, False, False]
    assert finding.mapped == 1
    assert "after LEAKY_RELU" in str(finding.operations[2].why)
    assert finding.parameter_bytes == 4 * 3 * 3 * 4 + 4 * 4, "of the mapped operation alone"
    assert finding.manifest()["left"][0]["op"] == "LEAKY_RELU"


def test_parameters_beyond_the_chip_are_counted() -> None:
    graph = Graph((1, 3000))
    for _ in range(2):
        graph.add("FULLY_CONNECTED", 4, (1, 3000), graph.weights(3000, 3000))
    finding = check(graph.to_bytes())
    assert finding.parameter_bytes == 18_000_000
    assert finding.streamed_bytes == 18_000_000 - ON_CHIP_BYTES
    assert "do not fit and are sent with every picture" in edgetpu.summary(finding)


@pytest.mark.parametrize("content", [b"", b"no model", b"\x00" * 4 + b"TFL3" + b"\xff" * 64])
def test_what_is_no_model_is_refused_in_one_line(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"not a TFLite model \(.*give a \.tflite file or a bundle"):
        check(content)
    (tmp_path / "x.tflite").write_bytes(content)
    assert cli.main(["check-coral", str(tmp_path / "x.tflite")]) == 4


def test_the_command_prints_one_line_an_operation(
    demo_bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check-coral", str(demo_bundle_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    finding = check(read_bundle(demo_bundle_path).model)
    assert len(lines) == len(finding.operations) + 2
    assert "RESIZE_NEAREST_NEIGHBOR" in lines[9]
    assert "gives 256 x 256" in lines[9]
    assert lines[-1].startswith(f"predicted: {finding.mapped} of {len(finding.operations)} operations")
    (tmp_path / "model.tflite").write_bytes(read_bundle(demo_bundle_path).model)
    assert cli.main(["check-coral", str(tmp_path / "model.tflite")]) == 0
    assert capsys.readouterr().out.splitlines() == lines
