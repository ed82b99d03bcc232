"""The Streamlit app. A checkout has `app.py` and `pages/` next to it, a wheel inside it."""
