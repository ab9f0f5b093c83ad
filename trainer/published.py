"""The figures published with MVTec AD, to stand beside ours.

Source: Paul Bergmann, Michael Fauser, David Sattlegger, Carsten Steger, "MVTec AD - A Comprehensive Real-World Dataset
for Unsupervised Anomaly Detection", CVPR 2019: of the normal and of the anomalous test pictures of a category, the
share that was classified correctly.
"""

from __future__ import annotations

from dataclasses import dataclass

SOURCE = 'Bergmann, Fauser, Sattlegger & Steger, "MVTec AD", CVPR 2019'
COLUMNS = ("AE-SSIM", "AE-L2", "AnoGAN", "CNN feature dictionary", "texture inspection", "variation model")
TEXTURES = frozenset({"carpet", "grid", "leather", "tile", "wood"})

# normal/anomalous, in the order of COLUMNS; "-": not published; "?": the figure is not certain and is left out.
_TABLE = """
carpet      .43/.90   .57/.42   .82/.16  .89/.36  .57/.61  -
grid        .38/1.00  .57/.98   .90/.12  .57/.33  1.00/.05 -
leather     .00/.92   .06/.82   .91/.12  .63/.71  .00/.99  -
tile        1.00/.04  1.00/.54  .97/.05  .97/.44  1.00/.43 -
wood        .84/.82   1.00/.47  .89/.47  .79/.88  .42/1.00 -
bottle      .85/.90   .70/.89   .95/.43  1.00/.06 -        1.00/?
cable       .74/.48   .93/.18   .98/.07  .97/.24  -        -
capsule     .78/.43   1.00/.24  .96/.20  .78/.03  -        ?/.03
hazelnut    1.00/.07  .93/.84   .83/.16  .90/.07  -        -
metal_nut   1.00/.08  .68/.77   .86/.13  .55/.74  -        .32/?
pill        .92/.28   1.00/.23  1.00/.24 .85/.06  -        1.00/?
screw       .95/.06   .98/.39   .41/.28  .73/.13  -        1.00/?
toothbrush  .75/.73   1.00/.97  1.00/.13 1.00/.03 -        ?/.60
transistor  1.00/.03  .97/.45   .98/.35  1.00/.15 -        -
zipper      1.00/.60  .97/.63   .78/.40  .78/.29  -        -
"""

_COLUMN_OF = {
    "cae:ssim": "AE-SSIM",
    "ssim_ae": "AE-SSIM",
    "ssim_ae:ssim": "AE-SSIM",
    "cae": "AE-L2",
    "cae:l2": "AE-L2",
    "ssim_ae:l2": "AE-L2",
    "anogan": "AnoGAN",
    "feature_dictionary": "CNN feature dictionary",
    "texture_gmm": "texture inspection",
    "variation_model": "variation model",
}


@dataclass(frozen=True, slots=True)
class Published:
    """One published pair of shares, 0..1; None where the figure is not certain."""

    normal: float | None
    anomalous: float | None

    @property
    def mean(self) -> float | None:
        """Mean of the two shares, None unless both are certain."""
        return None if self.normal is None or self.anomalous is None else (self.normal + self.anomalous) / 2

    def __str__(self) -> str:
        """As "0.43 / 0.90"; "?" for what is not certain."""
        return " / ".join("?" if value is None else f"{value:.2f}" for value in (self.normal, self.anomalous))


def _parsed() -> dict[str, dict[str, Published]]:
    table = {}
    for line in _TABLE.split("\n")[1:-1]:
        category, *pairs = line.split()
        table[category] = {
            column: Published(*(None if figure == "?" else float(figure) for figure in pair.split("/")))
            for column, pair in zip(COLUMNS, pairs, strict=True)
            if pair != "-"
        }
    return table


FIGURES = _parsed()


def mvtec_name(category: str) -> str:
    """A category's name without the "mvtec_" before and the "_mini" after it."""
    return category.removeprefix("mvtec_").removesuffix("_mini")


def figures_of(category: str) -> dict[str, Published]:
    """What is published for a category, by column; empty for a category that the paper does not have."""
    return FIGURES.get(mvtec_name(category), {})


def column_of(word: str) -> str | None:
    """The published column that a detector word such as "cae:ssim" belongs beside, None when there is none."""
    return _COLUMN_OF.get(word)


def is_texture(category: str) -> bool:
    """Whether a category is one of the paper's five textures."""
    return mvtec_name(category) in TEXTURES


def best_of(category: str) -> list[tuple[str, Published]]:
    """The published columns with the highest mean of the two shares, more than one when they tie."""
    certain = [(name, pair, pair.mean) for name, pair in figures_of(category).items() if pair.mean is not None]
    highest = max((mean for _, _, mean in certain), default=0.0)
    return [(name, pair) for name, pair, mean in certain if abs(mean - highest) < 1e-9]
