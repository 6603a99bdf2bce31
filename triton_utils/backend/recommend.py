"""`recommend` in the Python backend: from raw reviews to products in one call.

It owns the vector base, the products' states and the cache of text vectors; the networks are the other models of the
same version, called within the server. Calls are worked on by a few threads that share all of it; only so many may
wait, further ones are rejected at once.
"""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils

from rec_sys.errors import DataError
from rec_sys.inference.recommend import ReviewRecommender
from rec_sys.inference.served import load_served
from rec_sys.modules.signature import recommend
from rec_sys.text.text_encoder import NoTexts, TextEncoder
from triton_utils.backend.bls import CalledEncoder, CalledGraphEncoder, CallError
from triton_utils.backend.request_arrays import arrays_of, users_of
from triton_utils.backend.settings import RecommendSettings
from triton_utils.backend.text_cache import CachedEncoder

SIGNATURE = recommend()
LAST = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL


class TritonPythonModel:
    """The recommender of one version."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load what belongs to this version, and refuse what does not fit together."""
        parameters = json.loads(args["model_config"])["parameters"]
        values = {name: parameters[name]["string_value"] for name in RecommendSettings.model_fields}
        self.settings = RecommendSettings.read(values, "recommend")
        version = int(args["model_version"])
        model = load_served(Path(args["model_repository"]) / args["model_version"])
        served = model.served
        graph = CalledGraphEncoder(version, served.text_dim, served.review_texts, served.max_history)
        self.cache: CachedEncoder | None = None
        encoder: TextEncoder = NoTexts()
        if served.text_dim:
            called = CalledEncoder(version, served.text_dim)
            encoder = self.cache = CachedEncoder(called, served.text_dim, self.settings.cached_texts)
        self.recommender = ReviewRecommender(graph, model.base, model.history, encoder, served.data_form)
        self.fingerprint = served.checkpoint
        self.pool = ThreadPoolExecutor(self.settings.workers, thread_name_prefix="recommend")
        self.open = 0  # calls worked on or waiting
        self.lock = threading.Lock()
        self._make_metrics(args)

    def execute(self, requests: list[Any]) -> None:
        """Hand the calls to the workers, which answer them later."""
        for request in requests:
            sender = request.get_response_sender()
            with self.lock:
                full = self.open >= self.settings.workers + self.settings.max_waiting
                self.open += not full
            if full:
                message = f"the queue is full: {self.settings.max_waiting} calls are waiting; ask again later"
                sender.send(_error(message, pb_utils.TritonError.UNAVAILABLE), flags=LAST)
            else:
                self.pool.submit(self._work, request, sender)

    def finalize(self) -> None:
        """Finish what is open."""
        self.pool.shutdown()

    def _work(self, request: Any, sender: Any) -> None:
        try:
            response = self._answer(request)
        except CallError as error:
            code = pb_utils.TritonError.UNAVAILABLE if error.unavailable else pb_utils.TritonError.INTERNAL
            response = _error(str(error), code)
        except Exception as error:
            pb_utils.Logger.log_error(f"recommend: {type(error).__name__}: {error}")
            response = _error(f"{type(error).__name__}: {error}", pb_utils.TritonError.INTERNAL)
        finally:
            with self.lock:
                self.open -= 1
        sender.send(response, flags=LAST)

    def _answer(self, request: Any) -> Any:
        if request.is_cancelled():
            return _error("nobody waits for this answer any more", pb_utils.TritonError.CANCELLED)
        inputs = {
            tensor.name: pb_utils.get_input_tensor_by_name(request, tensor.name).as_numpy()
            for tensor in SIGNATURE.inputs
        }
        try:
            users, rows, k = users_of(inputs, self.settings)
        except DataError as error:  # of the caller; any other is about this server's own files
            return _error(str(error), pb_utils.TritonError.INVALID_ARG)
        answer = self.recommender.answer(users, k)
        base = self.recommender.base
        outputs = arrays_of(answer, rows, base.products.ids, base.names, self.fingerprint)
        self._count()
        return pb_utils.InferenceResponse([pb_utils.Tensor(name, array) for name, array in outputs.items()])

    def _make_metrics(self, args: dict[str, str]) -> None:
        """Counters of the text cache among the server's own metrics."""
        self.counters = {}
        self.counted = {"hits": 0, "misses": 0}
        labels = {"model": args["model_name"], "version": args["model_version"]}
        for what in self.counted:
            # Kept, because a metric ends with its family.
            family = pb_utils.MetricFamily(
                name=f"rec_sys_text_cache_{what}",
                description=f"Texts whose vectors were {'remembered' if what == 'hits' else 'computed'}",
                kind=pb_utils.MetricFamily.COUNTER,
            )
            self.counters[what] = (family, family.Metric(labels=labels))

    def _count(self) -> None:
        if self.cache is None:
            return
        with self.lock:
            for what, now in (("hits", self.cache.hits), ("misses", self.cache.misses)):
                self.counters[what][1].increment(now - self.counted[what])
                self.counted[what] = now


def _error(message: str, code: Any) -> Any:
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(message, code))
