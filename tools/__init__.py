"""Scripts that produce files the project ships. The app itself does not use them."""
