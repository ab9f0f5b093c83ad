"""A detector that a test can reckon with: the difference from the mean of the good parts."""

import keras
import numpy as np

from edge_app.inspector import Inspector
from trainer.export import DRAFT, Graphs, Layout, Normal, assemble, to_tflite
from trainer.place import Placement


def difference_inspector(placement: Placement, least_side_px: int) -> Inspector:
    """Its anomaly map is the difference from the mean of the good parts in place; regions have this side at least."""
    size = placement.pictures.shape[1]
    picture = keras.Input((size, size, 3))
    mean = placement.pictures.mean(axis=0).astype(np.float32) / 255
    difference = keras.ops.max(keras.ops.abs(picture - mean), axis=-1, keepdims=True)
    graphs = Graphs(to_tflite(keras.Model(picture, difference), "float32", None))
    limits = {**DRAFT["thresholds"], "image": 0.45, "pixel": 0.45}
    layout = Layout(size, "anomaly_map", template=placement.template, align=placement.align)
    return Inspector(assemble(graphs, layout, {"min_defect_side_px": least_side_px}, Normal(), {}, thresholds=limits))
