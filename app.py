"""FER Studio: page configuration and navigation, nothing else. Start: ``streamlit run app.py``."""

from fer_studio.ui.frame import run_app

run_app()
