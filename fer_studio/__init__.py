"""The Streamlit app; `app.py` and `pages/` are next to this package, or inside it in a wheel."""
