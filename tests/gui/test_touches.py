"""A finger on the real station with a slow model: every touch is answered; `tests.bench.touches` has the figures."""

import pytest
from PyQt5.QtCore import QLocale

from edge_app.ui.languages import FOLDER
from tests.bench.touches import slow_station, touch_all


@pytest.mark.timeout(400)
@pytest.mark.allow_warnings  # a machine under load may keep the slow model waiting
@pytest.mark.long
def test_no_touch_waits_for_the_model(qapp, tmp_path) -> None:
    if not (FOLDER / "kensa_ja.qm").is_file():
        pytest.skip("the translations are not compiled; make does it")
    with slow_station(tmp_path, model_s=1.0) as (window, roles):
        took = touch_all(window, roles, 60)
    QLocale.setDefault(QLocale("en"))
    assert len(took) == 60
    assert len({name for name, _ in took}) > 30
    # The tenth of a second that people feel is the measurement's; here the machine may have other things to do.
    assert not [(name, round(ms)) for name, ms in took if ms > 1000]
