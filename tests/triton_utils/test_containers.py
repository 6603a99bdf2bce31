"""Dockerfile and compose.yaml, as far as they can be held against the project without a container engine."""

from __future__ import annotations

import importlib
import re
import tomllib
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import text_format  # type: ignore[import-untyped]
from tritonclient.grpc import model_config_pb2

from rec_sys.modules.signature import MODELS
from tests.support.deployed_states import SHAPE, state
from triton_utils.repository.versions import Repository
from triton_utils.web.settings import settings_of

PROJECT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((PROJECT / "compose.yaml").read_text())
DOCKERFILE = (PROJECT / "Dockerfile").read_text()
NAMES = re.findall(r"^FROM .* AS (\w+)$", DOCKERFILE, re.MULTILINE)
STAGES = dict(zip(NAMES, re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:], strict=True))


def test_services_are_built_here_and_watched() -> None:
    assert set(COMPOSE["services"]) == {"triton", "web"}
    for service in COMPOSE["services"].values():
        assert service["build"]["target"] in STAGES
        assert service["healthcheck"]["test"][0] == "CMD"
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), "nothing open to other machines"
    assert COMPOSE["services"]["web"]["depends_on"]["triton"]["condition"] == "service_healthy"
    assert all("HEALTHCHECK" in stage for stage in STAGES.values())


def test_the_web_app_understands_its_environment_and_finds_triton() -> None:
    web = COMPOSE["services"]["web"]
    settings = settings_of(web["environment"])
    assert (settings.triton, settings.triton_metrics) == ("triton:8001", "triton:8002")
    assert [volume.split(":")[1] for volume in web["volumes"]] == [str(settings.model_repository)]
    assert "--model-repository=/models" in STAGES["triton"]
    module, name = re.search(r'CMD \["uvicorn", "([\w.]+):(\w+)"', STAGES["app"]).groups()  # type: ignore[union-attr]
    assert hasattr(importlib.import_module(module), name)


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    ignored = (PROJECT / ".dockerignore").read_text().splitlines()
    copied = set(re.findall(r"^COPY (\S+) ", DOCKERFILE, re.MULTILINE))
    assert copied == {"requirements.lock", "rec_sys", "triton_utils", "config"}
    for source in copied:
        assert (PROJECT / source).exists()
        assert f"!{source}" in ignored


def test_triton_has_what_the_models_import_in_both_places() -> None:
    """The image and the environment of the embedded server install the same packages, numpy and Triton aside."""
    script = (PROJECT / "triton_utils/server/tritonserver_environment.py").read_text()
    head = "\n".join(line[2:] for line in script.partition("# ///\n")[0].splitlines()[1:])
    embedded = {re.split(r"[<>=]", name)[0] for name in tomllib.loads(head)["dependencies"]}
    installed = re.search(r"--constraint /tmp/numpy\.txt \\\n\s+(.*)\n", STAGES["triton"])
    assert installed is not None
    assert set(installed[1].split()) == embedded - {"numpy", "nvidia-pytriton"}


def test_configs_for_the_container_are_read_by_tritons_own_reader(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.write_state(state(SHAPE, SHAPE, target="container"))
    for name in MODELS:
        config = text_format.Parse((tmp_path / name / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())
        assert config.name == name
        assert config.backend == ("onnxruntime" if name in ("graph_model", "new_products") else "python")
        assert list(config.version_policy.specific.versions) == ([2] if name == "recommend" else [1, 2])
