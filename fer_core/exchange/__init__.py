"""Import and export of models.

An untrusted file is checked before its content is used: ``safety`` and ``keras_config`` check the
file, ``keras_files`` and ``onnx_files`` turn it into a network, ``onnx_trial`` runs the network
with limits, and ``importing`` verifies and publishes the network. ``exporting`` writes a bundle to
files in other formats, and reads each file back to verify it.
"""
