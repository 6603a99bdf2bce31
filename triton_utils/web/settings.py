"""Settings of the web app: environment variables, REC_SYS_ and the name in capitals (REC_SYS_MAX_REVIEWS=500).

uvicorn takes no settings for the app it starts, so this is the one place where the environment is read.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from rec_sys.errors import ConfigError
from rec_sys.settings import Settings
from triton_utils.repository.versions import DEFAULT_FOLDER

PREFIX = "REC_SYS_"


class WebSettings(Settings):
    """Addresses and limits; every limit has an answer of its own, see `errors.py`."""

    triton: str = Field("127.0.0.1:8001", description="HOST:PORT of Triton's gRPC service")
    triton_metrics: str = Field("127.0.0.1:8002", description="HOST:PORT of its metrics, shown with ours; empty: none")
    model_repository: Path = Field(DEFAULT_FOLDER, description="where deploy puts the models; its vector base is read")
    deadline: float = Field(10, gt=0, le=600, description="seconds that Triton has for one request")
    tries: int = Field(3, ge=1, le=10, description="times Triton is asked while it is unavailable")
    backoff: float = Field(0.05, ge=0, le=5, description="seconds before the second try; doubled for each further one")

    max_body: int = Field(4_194_304, ge=1_000, description="bytes of a request")
    body_seconds: float = Field(10, gt=0, description="that a request may take to arrive")
    max_reviews: int = Field(2_000, ge=1, le=20_000, description="reviews in one request")
    max_people: int = Field(500, ge=1, le=1_000, description="people in one request")
    max_text: int = Field(50_000, ge=100, le=100_000, description="characters of one field of a review")
    max_k: int = Field(1_000, ge=1, description="products per person")
    max_answers: int = Field(20_000, ge=1, description="people times products in one answer")

    running: int = Field(16, ge=1, description="requests worked on at once")
    waiting: int = Field(64, ge=0, description="requests that may wait for a slot; the next one is rejected")
    wait_seconds: float = Field(15, gt=0, description="that a request may wait for a slot")
    rate: float = Field(1_000, ge=0, description="requests per second of one client address; 0: no limit")

    check_seconds: float = Field(1, gt=0, description="between two looks for a newly deployed version")


def settings_of(environment: Mapping[str, str] | None = None) -> WebSettings:
    """The settings of an environment.

    Args:
        environment: None: the process's own.

    Raises:
        ConfigError: a value is out of its limits, or a variable is nearly the name of a setting.
    """
    environment = os.environ if environment is None else environment
    values = {
        name.removeprefix(PREFIX).lower(): value for name, value in environment.items() if name.startswith(PREFIX)
    }
    known = WebSettings.model_fields
    for name in values.keys() - known.keys():  # others may have variables of this prefix too: only a slip is refused
        if close := difflib.get_close_matches(name, known, n=1, cutoff=0.75):
            raise ConfigError(
                f"unknown environment variable {PREFIX}{name.upper()}; did you mean {PREFIX}{close[0].upper()}?"
            )
    return WebSettings.read({name: value for name, value in values.items() if name in known}, "environment")
