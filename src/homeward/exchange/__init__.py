"""What Homeward knows, in the words of standards: MUD files, OCSF findings with ATT&CK, Prometheus metrics.

Everything here is a pure function of plain values. Nothing here opens a file or a socket.
"""
