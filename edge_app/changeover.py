"""The products that a station can change over to, as somebody recognises them: a picture, a bundle, the last time."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from datetime import datetime

import cv2
import numpy as np

from edge_app.bundle import ModelBundle, read_bundle
from edge_app.domain import UInt8Array, Verdict
from edge_app.errors import BundleError, KensaError
from edge_app.pictures import decode_picture
from edge_app.recipes import Recipes
from edge_app.store import ModelStore

_PICTURE_PX = 320


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """A kept recipe.

    Attributes:
        product: its name.
        problem: "" or one sentence why it cannot be used.
        active: whether the station runs with it.
        bundle_id: what would judge, "" where that is not known.
        picture_rgb: a good part as the bundle keeps one, uint8 (h, w, 3), small; None where there is none.
        last_utc: when the station changed over from it, None where the record does not say.
    """

    product: str
    problem: str = ""
    active: bool = False
    bundle_id: str = ""
    picture_rgb: UInt8Array | None = None
    last_utc: datetime | None = None


def offers(recipes: Recipes, running: str, connection: sqlite3.Connection | None) -> list[Offer]:
    """The kept recipes, by name. Reads every bundle, so it takes its time.

    Args:
        recipes: beside station.toml.
        running: the product that the station judges, where station.toml does not say it.
        connection: to read the station's record; None where there is none.

    Raises:
        ConfigError: the file of the settings cannot be read.
    """
    last = {} if connection is None else _last_times(connection)
    found = []
    for kept in recipes.kept(running):
        problem, bundle = kept.problem, None
        if not problem:
            try:
                bundle = _bundle_of(recipes, kept.product)
            except KensaError as error:
                problem = str(error)
        found.append(
            Offer(
                product=kept.product,
                problem=problem,
                active=kept.active,
                bundle_id="" if bundle is None else bundle.bundle_id,
                picture_rgb=None if bundle is None else _good_part(bundle),
                last_utc=last.get(kept.product),
            )
        )
    return sorted(found, key=lambda offer: offer.product)


def _bundle_of(recipes: Recipes, product: str) -> ModelBundle:
    recipe, models_dir = recipes.recipe(product), recipes.read().models_dir
    if recipe.bundle is not None:
        return read_bundle(recipe.bundle)
    if models_dir is None:
        raise BundleError(
            f"recipes/{product}.toml: there is no bundle; write bundle there or models_dir in station.toml"
        )
    store = ModelStore(models_dir, product)
    active_id = store.active_id()
    if active_id is None:
        raise BundleError(f"no bundle for {product} is in use in {models_dir}; activate one with swap-model")
    return store.load(active_id)


def _good_part(bundle: ModelBundle) -> UInt8Array | None:
    name = next((one.file for one in bundle.manifest.golden if one.verdict == Verdict.GOOD.value), None)
    if name is None:
        return None
    image_rgb = decode_picture(bundle.files[name])
    scale = _PICTURE_PX / max(image_rgb.shape[:2])
    if scale < 1:
        image_rgb = cv2.resize(image_rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8)
    return image_rgb


def _last_times(connection: sqlite3.Connection) -> dict[str, datetime]:
    """When the station last changed over from each product."""
    times = {}
    rows = connection.execute("SELECT utc, details FROM audit WHERE kind = 'recipe' ORDER BY entry_id")
    for utc, details in rows:
        product = json.loads(details).get("product", {}).get("old")
        if product is not None:
            times[product] = datetime.fromisoformat(utc)
    return times
