import numpy as np
import pytest

from rec_sys.errors import ConfigError
from rec_sys.inference.data_form import DataForm


def test_of_a_model() -> None:
    info = {
        "data": {"columns": {"user": ["customer"], "text": ["body", "comment"], "title": []}, "rating_scale": [0, 10]}
    }
    form = DataForm.of_model(info)
    assert form.columns == {"user": "customer", "text": "body"}
    assert form.rating_scale == (0, 10)


@pytest.mark.parametrize("info", [{}, {"data": {"name": "old"}}, {"data": {"columns": {}, "rating_scale": None}}])
def test_of_a_model_that_does_not_say(info: dict[str, object]) -> None:
    assert DataForm.of_model(info) == DataForm(columns={}, rating_scale=(1, 5))


def test_it_comes_back_from_its_text() -> None:
    form = DataForm(columns={"user": 'a "quoted" name'}, rating_scale=(0, 100))
    assert DataForm.of_text(form.model_dump_json()) == form
    with pytest.raises(ConfigError):
        DataForm.of_text("{")


def test_predicted_ratings_are_shown_on_the_scale() -> None:
    stars = np.array([[0, 1, 3], [5, 4.6, np.nan]], dtype=np.float32)
    np.testing.assert_allclose(DataForm(rating_scale=(1, 10)).shown(stars), [[1, 1, 5.5], [10, 9.1, np.nan]], rtol=1e-6)
    assert DataForm().shown(stars) is stars
