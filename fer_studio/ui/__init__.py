"""The Streamlit code of the pages: shared modules, and a package for each page."""
