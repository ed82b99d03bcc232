"""Charts: pure functions from data to figures, one module per subject.

Most charts are Plotly figures. Charts that are redrawn while they are shown are ECharts options or
Vega-Lite specifications. Every chart uses the fixed color of each emotion and labels its axes with
units. Fonts and backgrounds come from the page's theme, light or dark.
"""
