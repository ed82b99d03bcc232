"""FER Studio's engine: datasets, training, prediction and vision, without any user interface."""
