"""The webcam's frames, one after the other: faces followed, read, drawn and noted down."""
