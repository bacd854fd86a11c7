#!/usr/bin/env python3
"""The far end of a live test: raw frames out of a device and back, by the kernel's AF_PACKET alone.

    peer.py DEVICE echo COUNT SIZE [WINDOW]   sends COUNT frames of SIZE bytes, at most WINDOW on their way, waits for
                                              each to come back with its addresses swapped
    peer.py DEVICE blast COUNT SIZE           sends COUNT frames as fast as it can, and waits for nothing
    peer.py genN flows COUNT SIZE FLOWS       sends COUNT datagrams of so many UDP flows to 10.N.0.1, port 9

Every frame has its number and a pattern in it, which are checked. Prints one JSON object: sent, back, wrong, errors.
"""
import json
import select
import socket
import struct
import sys
import time

ETHERTYPE = 0x88B5  # for local experiments (IEEE 802)
OURS, THEIRS = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
PACKET_OUTGOING = 4
HEAD = 18


def frame(number, size):
    body = bytes((number + i) & 0xFF for i in range(251))
    body = (body * (size // 251 + 1))[: size - HEAD]
    return THEIRS + OURS + struct.pack("!HI", ETHERTYPE, number) + body


def open_socket(device):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
    s.bind((device, ETHERTYPE))
    s.setblocking(False)
    return s


def send(s, packet, result):
    while True:
        try:
            s.send(packet)
            result["sent"] += 1
            return
        except (BlockingIOError, InterruptedError):
            select.select([], [s], [], 1)
        except OSError as error:
            if error.errno != 105:  # ENOBUFS: come again
                result["errors"].append(str(error))
                return
            time.sleep(0.0005)


def take_back(s, result, size, seen):
    while True:
        try:
            data, address = s.recvfrom(65536)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            result["errors"].append(str(error))
            return
        if address[2] == PACKET_OUTGOING:
            continue
        number = struct.unpack("!I", data[14:18])[0]
        expected = frame(number, size)
        right = data[:6] == OURS and data[6:12] == THEIRS and data[12:] == expected[12:]
        result["back"] += 1
        if not right or number in seen:
            result["wrong"] += 1
        seen.add(number)


def flows(device, count, size, number):
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(number)]
    for k in range(count):
        sockets[k % number].sendto(bytes(size), ("10.%s.0.1" % device[3:], 9))
    print(json.dumps({"sent": count}))


def main():
    device, mode, count, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    window = int(sys.argv[5]) if len(sys.argv) > 5 else 64
    if mode == "flows":
        return flows(device, count, size, window)
    s = open_socket(device)
    result, seen = {"sent": 0, "back": 0, "wrong": 0, "errors": []}, set()
    for number in range(count):
        packet = frame(number, size)
        if mode == "echo":
            until = time.monotonic() + 2
            while result["sent"] - result["back"] >= window and time.monotonic() < until:
                take_back(s, result, size, seen)
            if time.monotonic() >= until:
                break
        send(s, packet, result)
        if result["errors"]:
            break
    until = time.monotonic() + (2 if mode == "echo" else 0.2)
    while result["back"] < result["sent"] and time.monotonic() < until:
        take_back(s, result, size, seen)
    print(json.dumps(result))


main()
