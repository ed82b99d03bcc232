"""FER Studio. Start: ``streamlit run app.py``.

Streamlit imports this file to find the web server, ``app``. For every visit and every interaction,
it runs the file as a script.
"""

import streamlit as st

from fer_studio.ui.frame import run_app

if __name__ == "__main__":
    run_app()
else:
    # Streamlit needs the web server only when it imports this file, not when it runs the file.
    from fer_studio.server import lifespan, middleware

    app = st.App(__file__, middleware=middleware(), lifespan=lifespan)
