"""Models in and out: networks made elsewhere become bundles, bundles become files for elsewhere.

A file is judged before anything in it is used: ``safety`` and ``keras_config`` read what it says,
``keras_files`` and ``onnx_files`` turn it into a network, ``importing`` proves and publishes it.
``exporting`` writes the other way and reads each file back before it is handed out.
"""
