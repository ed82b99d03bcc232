# FER Studio in a container; docs/deploying.md tells how to run it.
FROM python:3.11-slim

# A user of its own, under a number that folders of the host can be given to.
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin studio

WORKDIR /app

# Before the code, so that a change to the code does not install everything anew. OpenCV, PyAV and
# the rest bring their libraries with them.
COPY requirements.txt constraints.txt ./
RUN pip install --no-cache-dir --disable-pip-version-check -r requirements.txt

COPY . .

# An empty volume begins as a copy of what lies here, with its owner: of models/ the bundle that the
# project ships, so that the app has a model. The code stays root's.
RUN mkdir -p data runs imports \
    && { python -m fer_core detectors fetch || true; } \
    && chown -R studio:studio data runs models \
    && python -m compileall -q app.py pages fer_studio fer_core
VOLUME ["/app/data", "/app/runs", "/app/models"]

USER studio
ENV PYTHONUNBUFFERED=1
EXPOSE 8501

HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]

# Inside a container "localhost" would be the container alone. Who can reach the app is decided by
# the port that is published, and by the login.
CMD ["streamlit", "run", "app.py", "--server.headless=true", "--server.address=0.0.0.0", "--server.port=8501"]
