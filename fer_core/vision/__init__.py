"""From the bytes of a picture to its faces and their emotions.

``decode`` turns bytes into pixels, ``detect`` finds the faces, ``crop`` produces the network's
input, ``analyzer`` combines them for photo, video and webcam, ``draw`` annotates the picture.
``face`` and ``boxes`` define the types that all of them use.
"""
