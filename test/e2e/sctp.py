"""sctp.py ADDRESS PORT... sends the first packet of an association (RFC 9260, INIT) to each port, by a raw socket.
sctp.py hold ADDRESS PORT binds the port, says "held" or the error, and ends. "unknown" where the kernel has no SCTP."""
import socket
import struct
import sys

SCTP = 132


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def init(port):
    # Ports, no tag yet; then the chunk: type 1, its length, own tag, window, streams out and in, first number.
    chunk = struct.pack('!BBHIIHHI', 1, 0, 20, 0x12345678, 65536, 10, 10, 1)
    head = struct.pack('!HHI', 40000, port, 0)
    return head + struct.pack('<I', crc32c(head + bytes(4) + chunk)) + chunk


if sys.argv[1] == 'hold':
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM, SCTP) as held:
            held.bind((sys.argv[2], int(sys.argv[3])))
            print('held')
    except OSError as error:
        print('unknown' if error.errno == 93 else error.strerror)
else:
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, SCTP) as raw:
        for port in sys.argv[2:]:
            raw.sendto(init(int(port)), (sys.argv[1], 0))
