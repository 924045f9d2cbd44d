#!/usr/bin/env python3
"""Has libnetfilter_conntrack read messages and write what it has understood.

A netlink message in hex on each line of the input; for each, a line of the output: the attributes of the request that
would make the same flow, or nothing if it was not understood. Needs the shared library and nothing else.
"""

import ctypes
import sys

# struct nlmsghdr, struct nfgenmsg
HEADERS = 20

library = ctypes.CDLL("libnetfilter_conntrack.so.3")
library.nfct_new.restype = ctypes.c_void_p
library.nfct_destroy.argtypes = [ctypes.c_void_p]
library.nfct_nlmsg_parse.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
library.nfct_nlmsg_build.argtypes = [ctypes.c_void_p, ctypes.c_void_p]

for line in sys.stdin:
    message = bytes.fromhex(line)
    flow = library.nfct_new()
    written = b""
    if library.nfct_nlmsg_parse(ctypes.create_string_buffer(message, len(message)), flow) >= 0:
        buffer = ctypes.create_string_buffer(HEADERS.to_bytes(4, sys.byteorder), 4096)
        if library.nfct_nlmsg_build(buffer, flow) >= 0:
            length = int.from_bytes(buffer.raw[:4], sys.byteorder)
            written = buffer.raw[HEADERS:length]
    library.nfct_destroy(flow)
    print(written.hex())
