"""The shared Streamlit code of the pages."""
