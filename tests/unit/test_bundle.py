import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundles import content_of, remade

from edge_app.bundle import (
    MANIFEST,
    ModelBundle,
    build_bundle,
    bundle_bytes,
    canonical_manifest,
    identify,
    read_bundle,
    verify_bundle,
)
from edge_app.errors import BundleError


@pytest.fixture(scope="module")
def bundle(demo_bundle_path: Path) -> ModelBundle:
    """Not signed, so that what is tested is not the signature."""
    return remade(read_bundle(demo_bundle_path))


def _reidentified(bundle: ModelBundle, change: Callable[[dict[str, Any]], object]) -> bytes:
    """A manifest with a change and an id that fits it, as somebody who knows the format would write it."""
    content = json.loads(bundle.manifest_bytes)
    change(content)
    content["bundle_id"] = identify(content)
    return canonical_manifest(content)


def _zip_with(bundle: ModelBundle, path: Path, add: Callable[[zipfile.ZipFile], object]) -> Path:
    path.write_bytes(bundle_bytes(bundle))
    with zipfile.ZipFile(path, "a") as archive:
        add(archive)
    return path


def test_it_comes_back_as_it_was_written(bundle: ModelBundle, tmp_path: Path) -> None:
    path = tmp_path / "a.bundle"
    path.write_bytes(bundle_bytes(bundle))
    again = read_bundle(path)
    assert again.manifest == bundle.manifest
    assert again.files == bundle.files
    assert bundle_bytes(again) == bundle_bytes(bundle)


def test_same_content_same_bytes_whatever_the_order(bundle: ModelBundle) -> None:
    turned = build_bundle(dict(reversed(content_of(bundle).items())), dict(reversed(bundle.files.items())))
    assert bundle_bytes(turned) == bundle_bytes(build_bundle(content_of(bundle), bundle.files))


def test_a_changed_setting_changes_the_id(bundle: ModelBundle) -> None:
    other = remade(bundle, thresholds={**content_of(bundle)["thresholds"], "image": 0.123})
    assert other.bundle_id != bundle.bundle_id


def test_it_reads_from_a_folder(bundle: ModelBundle, tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(bundle_bytes(bundle))) as archive:
        archive.extractall(tmp_path / "b")
    assert read_bundle(tmp_path / "b").bundle_id == bundle.bundle_id
    (tmp_path / "b" / "more.txt").write_text("x")
    with pytest.raises(BundleError, match=r"disagree about more\.txt"):
        read_bundle(tmp_path / "b")
    (tmp_path / "b" / "more.txt").unlink()
    (tmp_path / "b" / "link.txt").symlink_to("/etc/hostname")
    with pytest.raises(BundleError, match="not a plain file"):
        read_bundle(tmp_path / "b")


def test_a_flipped_byte_is_refused_wherever_it_is(bundle: ModelBundle, tmp_path: Path) -> None:
    whole = bundle_bytes(bundle)
    path = tmp_path / "flipped.bundle"
    every = max(1, len(whole) // 400)
    for place in range(0, len(whole), every):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :])
        with pytest.raises(BundleError):
            read_bundle(path)


def test_a_flipped_byte_of_any_file_is_refused(bundle: ModelBundle) -> None:
    for name, data in bundle.files.items():
        for place in {0, len(data) // 2, len(data) - 1}:
            damaged = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
            with pytest.raises(BundleError, match="is not what the manifest says"):
                verify_bundle(bundle.manifest_bytes, {**bundle.files, name: damaged})


def test_a_truncated_file_is_refused(bundle: ModelBundle, tmp_path: Path) -> None:
    whole = bundle_bytes(bundle)
    for share in range(0, 100, 5):
        (tmp_path / "cut.bundle").write_bytes(whole[: len(whole) * share // 100])
        with pytest.raises(BundleError):
            read_bundle(tmp_path / "cut.bundle")


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../b", "a/b/c", "..", "a\\b", "a b", "golden/.hidden", "x\n"])
def test_an_entry_outside_is_refused(bundle: ModelBundle, tmp_path: Path, name: str) -> None:
    path = _zip_with(bundle, tmp_path / "b", lambda archive: archive.writestr(zipfile.ZipInfo(name), b"x"))
    with pytest.raises(BundleError, match=r"not a plain file name|disagree"):
        read_bundle(path)
    content = json.loads(bundle.manifest_bytes)
    content["files"][name] = {"sha256": "0", "bytes": 1}
    content["bundle_id"] = identify(content)
    with pytest.raises(BundleError, match="not a plain file name"):
        verify_bundle(canonical_manifest(content), {**bundle.files, name: b"x"})


@pytest.mark.parametrize("data", [b"", b"PK", b"not a zip at all" * 100])
def test_what_is_no_bundle_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "b").write_bytes(data)
    with pytest.raises(BundleError, match="not a readable bundle"):
        read_bundle(tmp_path / "b")
    with pytest.raises(BundleError, match="check the path"):
        read_bundle(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BundleError, match="not a model bundle"):
        read_bundle(tmp_path / "empty")


def _set(*path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        for step in path[:-1]:
            content = content[step]
        content[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_set("schema_version", value=2), "schema version 2 is not known"),
        (lambda content: content.pop("schema_version"), "schema version None"),
        (lambda content: content.pop("thresholds"), "thresholds"),
        (lambda content: content["thresholds"].pop("image"), r"thresholds\.image"),
        (_set("thresholds", "image", value=None), r"thresholds\.image"),
        (_set("thresholds", "image", value="NaN"), r"thresholds\.image"),
        (_set("thresholds", "pixel", value="Infinity"), r"thresholds\.pixel"),
        (_set("display_range", "high", value=-1e9), "display_range"),
        (_set("golden", value=[]), "golden"),
        (_set("output", "kind", value="pickle"), r"output\.kind"),
        (_set("input", "scale", value=0), r"input\.scale"),
        (_set("min_app_version", value="99.0"), "update the station first"),
        (_set("product", value="../up"), "product"),
        (_set("golden", 0, "file", value="golden/absent.png"), "not in the bundle"),  # type: ignore[arg-type]
        (_set("scoring", "normal_statistics", value="absent.npy"), "not in the bundle"),
    ],
)
def test_a_manifest_that_does_not_say_enough_is_refused(
    bundle: ModelBundle, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    with pytest.raises(BundleError, match=said):
        verify_bundle(_reidentified(bundle, change), bundle.files)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_a_threshold_that_is_no_number_is_refused_as_json_too(bundle: ModelBundle, number: str) -> None:
    threshold = json.loads(bundle.manifest_bytes)["thresholds"]["image"]
    text = bundle.manifest_bytes.decode().replace(f'"image": {threshold!r}', f'"image": {number}')
    assert number in text
    with pytest.raises(BundleError, match=r"thresholds\.image"):
        verify_bundle(text.encode(), bundle.files)


@pytest.mark.parametrize("manifest", [b"", b"{", b"[]", b"1", b"\xff\xfe", b'{"schema_version": 1}', b"[" * 100_000])
def test_rubbish_for_a_manifest_is_refused(bundle: ModelBundle, manifest: bytes) -> None:
    with pytest.raises(BundleError):
        verify_bundle(manifest, bundle.files)


def test_a_changed_manifest_is_refused(bundle: ModelBundle) -> None:
    content = json.loads(bundle.manifest_bytes)
    content["thresholds"]["image"] *= 2
    with pytest.raises(BundleError, match="changed after it was written"):
        verify_bundle(canonical_manifest(content), bundle.files)


def test_an_unknown_field_is_kept(bundle: ModelBundle) -> None:
    newer = _reidentified(bundle, _set("thresholds", "of_tomorrow", value={"a": 1}))
    found = verify_bundle(newer, bundle.files)
    assert found.manifest.thresholds.model_extra == {"of_tomorrow": {"a": 1}}
    assert b"of_tomorrow" in bundle_bytes(found)


def test_a_missing_or_unlisted_file_is_refused(bundle: ModelBundle) -> None:
    fewer = {name: data for name, data in bundle.files.items() if name != "model.tflite"}
    with pytest.raises(BundleError, match=r"disagree about model\.tflite"):
        verify_bundle(bundle.manifest_bytes, fewer)
    with pytest.raises(BundleError, match="disagree about extra"):
        verify_bundle(bundle.manifest_bytes, {**bundle.files, "extra": b""})


def _npy(array: Any, allow_pickle: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=allow_pickle)
    return file.getvalue()


def _with_statistics(bundle: ModelBundle, data: bytes) -> ModelBundle:
    scoring = {**content_of(bundle)["scoring"], "normal_statistics": "stats.npy"}
    return remade(bundle, {"stats.npy": data}, scoring=scoring)


def test_normal_statistics(bundle: ModelBundle) -> None:
    size = (bundle.manifest.input.height, bundle.manifest.input.width)
    assert _with_statistics(bundle, _npy(np.ones((2, *size), np.float32))).normal_statistics() is not None
    not_a_number = np.ones((2, *size), np.float32)
    not_a_number[0, 0, 0] = np.nan
    for bad in (
        b"",
        b"rubbish",
        _npy(np.ones((2, 3, 3), np.float32)),
        _npy(np.zeros((2, *size), np.float32)),
        _npy(not_a_number),
        _npy(np.array([{"a": 1}], dtype=object), allow_pickle=True),
    ):
        with pytest.raises(BundleError, match=r"stats\.npy"):
            _with_statistics(bundle, bad).normal_statistics()


def test_the_manifest_is_canonical(bundle: ModelBundle) -> None:
    assert canonical_manifest(json.loads(bundle.manifest_bytes)) == bundle.manifest_bytes
    with zipfile.ZipFile(io.BytesIO(bundle_bytes(bundle))) as archive:
        assert archive.namelist()[0] == MANIFEST
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
