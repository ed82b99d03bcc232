"""The analyzer over HTTP: classify uploaded pictures, with limits, API keys and metrics."""
