"""Draw the demo set: synthetic faces with injected and recorded errors."""
