from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_app.errors import DataError
from trainer.data import digest, load_pictures, open_data_set, read_mask


def picture(path: Path, level: int = 100, size: tuple[int, int] = (40, 30)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (level, level, level)).save(path)
    return path


def test_plain_folder_is_all_good(tmp_path: Path) -> None:
    for name in ("b.png", "a.jpg", "deep/c.bmp"):
        picture(tmp_path / name)
    (tmp_path / "notes.txt").write_text("x")
    found = open_data_set(tmp_path)
    assert [path.name for path in found.train_good] == ["a.jpg", "b.png", "c.bmp"]
    assert found.test == ()


def test_mvtec_layout_with_masks(tmp_path: Path) -> None:
    picture(tmp_path / "train/good/0.png")
    picture(tmp_path / "test/good/0.png")
    for name in ("0", "1", "2"):
        picture(tmp_path / f"test/crack/{name}.png")
    picture(tmp_path / "ground_truth/crack/0_mask.png", 255)
    picture(tmp_path / "ground_truth/crack/1.png", 255)
    found = open_data_set(tmp_path)
    assert [(part.path.parent.name, part.defect) for part in found.test] == [("crack", "crack")] * 3 + [("good", None)]
    assert [part.mask_path is not None for part in found.test] == [True, True, False, False]
    assert read_mask(found.test[0].mask_path, 60, 80).shape == (60, 80)


@pytest.mark.parametrize(("layout", "says"), [((), "no pictures"), (("test/good/0.png",), "no train/good")])
def test_unusable_folders_are_refused(tmp_path: Path, layout: tuple[str, ...], says: str) -> None:
    for name in layout:
        picture(tmp_path / name)
    with pytest.raises(DataError, match=says):
        open_data_set(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        open_data_set(tmp_path / "nowhere")


def test_one_bad_picture_is_named_and_skipped_on_request(tmp_path: Path) -> None:
    good = picture(tmp_path / "0.png")
    bad = tmp_path / "1.png"
    bad.write_bytes(good.read_bytes()[:60])
    with pytest.raises(DataError, match=r"1\.png.*--skip-bad"):
        load_pictures([good, bad], 32)
    pictures, used, skipped = load_pictures([good, bad], 32, skip_bad=True)
    assert pictures.shape == (1, 32, 32, 3)
    assert used == [good]
    assert "1.png" in skipped[0]
    with pytest.raises(DataError, match="none of the pictures"):
        load_pictures([bad], 32, skip_bad=True)


def test_digest_follows_names_and_contents(tmp_path: Path) -> None:
    paths = [picture(tmp_path / "a.png"), picture(tmp_path / "b.png", 50)]
    first = digest(paths, tmp_path)
    assert first == digest(paths, tmp_path)
    picture(tmp_path / "b.png", 51)
    assert digest(paths, tmp_path) != first


def test_pictures_come_as_the_edge_sees_them(tmp_path: Path) -> None:
    from edge_app.manifest import InputSpec
    from edge_app.pictures import read_picture
    from edge_app.preprocess import Preprocessor

    path = tmp_path / "x.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 200, 3), np.uint8)).save(path)
    seen = Preprocessor(InputSpec(dtype="uint8", scale=1 / 255, height=32, width=32)).picture(read_picture(path))
    assert np.array_equal(load_pictures([path], 32)[0][0], seen)


@pytest.mark.parametrize(
    ("folder", "asked", "name"),
    [
        ("M6 flange (left)", None, "M6-flange-left"),
        ("検査", None, "検査"),
        ("x", "flange", "flange"),
        ("x", "a/b", None),
    ],
)
def test_product_names_can_be_folders_everywhere(tmp_path: Path, folder: str, asked: str | None, name: str) -> None:
    from trainer.options import Options, product_name

    options = Options(data=tmp_path / folder, out=tmp_path / "x.bundle", product=asked)
    if name is None:
        with pytest.raises(DataError, match="--product 'a/b'"):
            product_name(options)
    else:
        assert product_name(options) == name
