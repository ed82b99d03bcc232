"""The HTTP service: classify uploaded pictures, with limits, API keys and metrics."""
