"""The Streamlit app. `app.py` and `pages/` lie beside it in a checkout and inside it in a wheel."""
