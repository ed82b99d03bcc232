"""Import and export of models.

An untrusted file is checked before its content is used: ``safety`` and ``keras_config`` check it,
``keras_files`` and ``onnx_files`` turn it into a network, ``onnx_trial`` runs it with limits, and
``importing`` verifies and publishes it. ``exporting`` writes a bundle to other formats, and reads
each file back before it returns it.
"""
