"""What a throwaway process may still do, and what not, once it is confined; in real processes."""

import subprocess
import sys
from pathlib import Path

import flatbuffers
import pytest
from ai_edge_litert import schema_py_generated as schema
from bundles import remade
from delegate_library import FINDING

from edge_app.bundle import read_bundle
from edge_app.errors import BundleError
from edge_app.graph_ops import check_operators, operators
from edge_app.manifest import EDGE_TPU_MODEL, MODEL

FORBIDDEN = {
    "network": "import socket; socket.socket()",
    "own socket": "import socket; socket.socket(socket.AF_UNIX)",
    "program": "import os; os.execv('/bin/true', ['true'])",
    "child": "import os; os.fork() or os._exit(0)",
    "signal": "import os, signal; os.kill(os.getppid(), 0)",
    "new file": "open('made', 'wb')",
    "changed file": "open('there', 'r+b')",
    "emptied file": "import os; os.open('there', os.O_RDONLY | os.O_TRUNC)",
    "removed file": "import os; os.unlink('there')",
    "renamed file": "import os; os.rename('there', 'made')",
    "link": "import os; os.symlink('there', 'made')",
    "folder": "import os; os.mkdir('made')",
    "mode": "import os; os.chmod('there', 0o777)",
}


def confined(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "there").write_text("content")
    start = "from edge_app.sandbox import confine\nassert confine() == '', 'not here'\n"
    root = str(Path(__file__).resolve().parents[2])
    return subprocess.run(
        [sys.executable, "-c", start + code], cwd=folder, env={"PYTHONPATH": root, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip


@pytest.mark.parametrize("what", FORBIDDEN)
def test_it_may_not(what: str, tmp_path: Path) -> None:
    done = confined(FORBIDDEN[what], tmp_path)
    assert done.returncode == 1
    if "not here" in done.stderr:
        pytest.skip("this kernel has no seccomp")
    assert "PermissionError" in done.stderr, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    assert (tmp_path / "there").read_text() == "content"


def test_it_may_read_compute_and_start_threads(tmp_path: Path) -> None:
    code = (
        "import threading, numpy\nfound = []\n"
        "thread = threading.Thread(target=lambda: found.append(open('there').read())); thread.start(); thread.join()\n"
        "print(found, numpy.ones((200, 200)).dot(numpy.ones((200, 200))).sum())"
    )
    done = confined(code, tmp_path)
    if "not here" in done.stderr:
        pytest.skip("this kernel has no seccomp")
    assert done.stdout == "['content'] 8000000.0\n", done.stderr


def test_operators_of_the_shipped_bundle_are_taken(demo_bundle_path: Path) -> None:
    bundle = read_bundle(demo_bundle_path)
    assert "CONV_2D" in operators(bundle.model)
    check_operators(bundle)


@pytest.mark.parametrize("data", [b"", b"TFL3", bytes(100), b"\xff" * 1000])
def test_what_is_no_graph_is_refused(data: bytes) -> None:
    with pytest.raises(BundleError, match=r"not a readable graph|graphs in one file"):
        operators(data)


@pytest.mark.parametrize(
    ("code", "file", "said"),
    [
        (b"evil", MODEL, "custom: evil"),
        (b"edgetpu-custom-op", MODEL, "custom: edgetpu-custom-op"),
        (b"edgetpu-custom-op", EDGE_TPU_MODEL, ""),
        (b"evil", EDGE_TPU_MODEL, "custom: evil"),
        (schema.BuiltinOperator.CALL_ONCE, MODEL, "CALL_ONCE"),
        (schema.BuiltinOperator.READ_VARIABLE, MODEL, "READ_VARIABLE"),
    ],
)
def test_an_operator_that_no_detector_needs_is_refused(
    demo_bundle_path: Path, code: bytes | int, file: str, said: str
) -> None:
    bundle = read_bundle(demo_bundle_path)
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bundle.model, 0))
    changed = model.operatorCodes[0]
    changed.customCode = code if isinstance(code, bytes) else None
    changed.builtinCode = schema.BuiltinOperator.CUSTOM if isinstance(code, bytes) else code
    changed.deprecatedBuiltinCode = min(changed.builtinCode, 127)
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    delegates = {"coral": FINDING} if file == EDGE_TPU_MODEL else {}
    strange = remade(bundle, {file: bytes(builder.Output())}, delegates=delegates)
    if not said:
        check_operators(strange)
        return
    with pytest.raises(BundleError, match=rf"{file} uses operators that are not taken here \({said}\)"):
        check_operators(strange)
