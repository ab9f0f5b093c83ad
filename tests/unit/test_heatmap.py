"""The picture of an anomaly map over the frame."""

import numpy as np
import pytest

from edge_app.domain import AnomalyMap, Box, Region
from edge_app.heatmap import HEATMAP_MAX_SIDE_PX, overlay, shrunk, small_overlay
from edge_app.manifest import DisplayRange

RANGE = DisplayRange(low=1.0, high=5.0)


def drawn(height: int, width: int):
    """A frame with a soft pattern, a map of its right half with one hot place, and that place's region."""
    down, across = np.mgrid[0:height, 0:width] / max(height, width)
    frame = np.stack([90 + 60 * np.sin(9 * across), 90 + 60 * np.cos(7 * down), 100 + 0 * down], axis=2)
    values = np.zeros((64, 64), np.float32)
    values[20:30, 30:44] = 5.0
    roi = Box(width // 2, 0, width - width // 2, height)
    box = Box(roi.x + 30 * roi.width // 64, 20 * roi.height // 64, 14 * roi.width // 64, 10 * roi.height // 64)
    return frame.astype(np.uint8), AnomalyMap(values, roi), [Region(box, 1.0, 5.0)]


@pytest.mark.parametrize("size", [(1536, 2048), (2600, 1400), (960, 5000)])
def test_a_large_frame_drawn_small_looks_like_one_drawn_large_and_shrunk(size):
    frame, anomaly_map, regions = drawn(*size)
    before = frame.copy()
    small = small_overlay(frame, anomaly_map, RANGE, regions)
    large = shrunk(overlay(frame, anomaly_map, RANGE, regions), HEATMAP_MAX_SIDE_PX)
    assert small.shape == large.shape
    assert max(small.shape) == HEATMAP_MAX_SIDE_PX
    difference = np.abs(small.astype(int) - large)
    assert difference.mean() < 1.5
    # Only the outline's own few pixels may lie one beside the other.
    assert (difference.max(axis=2) > 40).mean() < 0.01
    assert np.array_equal(frame, before)


def test_a_small_frame_is_drawn_as_it_is():
    frame, anomaly_map, regions = drawn(480, 640)
    assert np.array_equal(
        small_overlay(frame, anomaly_map, RANGE, regions), overlay(frame, anomaly_map, RANGE, regions)
    )


def test_a_region_of_one_pixel_at_the_last_edge_can_be_drawn():
    frame, anomaly_map, _ = drawn(2999, 4001)
    found = small_overlay(frame, anomaly_map, RANGE, [Region(Box(4000, 2998, 1, 1), 1.0, 5.0)])
    assert max(found.shape) == HEATMAP_MAX_SIDE_PX
