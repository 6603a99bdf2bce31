# Two images, started together by compose.yaml:
#   docker build --target app .       the web app, and every command of the project
#   docker build --target triton .    NVIDIA's server with what the Python models import

FROM python:3.11-slim AS app
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes --requirement requirements.lock
COPY rec_sys rec_sys
COPY triton_utils triton_utils
COPY config config
ENV PYTHONPATH=/app PYTHONUNBUFFERED=1 TOKENIZERS_PARALLELISM=false
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/health/live', timeout=4)"]
CMD ["uvicorn", "triton_utils.web_app:app", "--host", "0.0.0.0", "--port", "8080"]

# Python 3.11 or newer is needed inside, which images from 24.11 on have. numpy stays the one the image was built with.
FROM nvcr.io/nvidia/tritonserver:25.08-py3 AS triton
WORKDIR /app
RUN pip freeze | grep -i '^numpy==' > /tmp/numpy.txt \
    && pip install --no-cache-dir --constraint /tmp/numpy.txt \
        faiss-cpu onnxruntime omegaconf orjson polars pydantic tokenizers
COPY rec_sys rec_sys
COPY triton_utils triton_utils
# model.py reads PYTHONPATH; no thread of FAISS or the tokenizer shall stand in another one's way
ENV PYTHONPATH=/app OMP_NUM_THREADS=2 TOKENIZERS_PARALLELISM=false
EXPOSE 8000 8001 8002
HEALTHCHECK --interval=5s --timeout=5s --start-period=120s \
    CMD ["curl", "--fail", "--silent", "http://127.0.0.1:8000/v2/health/ready"]
CMD ["tritonserver", "--model-repository=/models", "--model-control-mode=explicit", "--load-model=*", \
     "--disable-auto-complete-config", "--exit-on-error=false", "--exit-timeout-secs=10"]
