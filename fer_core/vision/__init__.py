"""From a picture's bytes to the faces in it and their emotions.

``decode`` turns bytes into pixels, ``detect`` finds the faces, ``crop`` cuts the network's input,
``analyzer`` puts them together for photo, video and webcam alike, ``draw`` shows the result.
"""
