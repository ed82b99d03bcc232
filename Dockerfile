# FER Studio in a container; see docs/deploying.md.
FROM python:3.11-slim

# A user with a fixed number, so that folders of the host can be owned by it.
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin studio

WORKDIR /app

# Before the code, so that a change of the code does not repeat the installation. OpenCV, PyAV and the
# other packages contain their libraries.
COPY requirements.txt constraints.txt ./
RUN pip install --no-cache-dir --disable-pip-version-check -r requirements.txt

COPY . .

# An empty volume starts as a copy of the folder here, with its owner; models/ contains the shipped
# bundle. Root owns the code.
RUN mkdir -p data runs analyses imports \
    && { python -m fer_core detectors fetch || true; } \
    && chown -R studio:studio data runs analyses models \
    && python -m compileall -q app.py pages fer_studio fer_core
VOLUME ["/app/data", "/app/runs", "/app/analyses", "/app/models"]

USER studio
ENV PYTHONUNBUFFERED=1
EXPOSE 8501

HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]

# Inside a container "localhost" is the container only. The published port and the login determine
# who can reach the app.
CMD ["streamlit", "run", "app.py", "--server.headless=true", "--server.address=0.0.0.0", "--server.port=8501"]
