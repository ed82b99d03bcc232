"""Charts: data in, Plotly figure out; pure. One module per subject.

Every figure gives an emotion the one colour that it has everywhere, labels its axes with units and
leaves fonts and backgrounds to the page's theme, light or dark.
"""
