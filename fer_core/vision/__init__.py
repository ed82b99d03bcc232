"""Find the faces in the bytes of a picture, and predict their emotions.

``decode`` turns bytes into pixels, ``detect`` finds the faces, ``crop`` produces the network's
input, and ``draw`` annotates the picture. ``analyzer`` combines detection, crop and prediction for
photo, video and webcam. ``face`` and ``boxes`` define the types that all these modules use.

A picture is upright if the rotation in its file's metadata has been applied.
"""
