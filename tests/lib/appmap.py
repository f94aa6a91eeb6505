# SPDX-License-Identifier: Apache-2.0
"""Reads an app package or bundle by itself and says what its block map and manifest get wrong.

    appmap.problems(BYTES) is [] for a package that Windows would unpack.
"""
import base64
import hashlib
import io
import struct
import urllib.parse
import zipfile
import zlib
from xml.etree import ElementTree

BLOCK = 65536
METHODS = {"http://www.w3.org/2001/04/xmlenc#sha256": hashlib.sha256,
           "http://www.w3.org/2001/04/xmldsig-more#sha384": hashlib.sha384,
           "http://www.w3.org/2001/04/xmlenc#sha512": hashlib.sha512}
UNLISTED = {"appxblockmap.xml", "[content_types].xml", "appxsignature.p7x", "appxmetadata/codeintegrity.cat"}


def local(tag):
    return tag.rsplit("}", 1)[-1]


def header_length(data, info):
    name, extra = struct.unpack_from("<HH", data, info.header_offset + 26)
    return 30 + name + extra


def file_problems(data, info, element, method):
    name, said = info.filename, []
    blocks = [b for b in element if local(b.tag) == "Block"]
    at = info.header_offset + header_length(data, info)
    packed = data[at:at + info.compress_size]
    content = b""
    if int(element.get("LfhSize")) != header_length(data, info):
        said.append("%s: LfhSize" % name)
    if int(element.get("Size")) != info.file_size:
        said.append("%s: Size" % name)
    for block in blocks:
        if info.compress_type == zipfile.ZIP_STORED:
            plain = packed[len(content):len(content) + BLOCK]
            if block.get("Size") is not None:
                said.append("%s: Size of a stored block" % name)
        else:
            piece, packed = packed[:int(block.get("Size"))], packed[int(block.get("Size")):]
            try:  # each block alone, as a reader does that begins in the middle
                plain = zlib.decompressobj(-15).decompress(piece)
            except zlib.error as bad:
                return said + ["%s: %s" % (name, bad)]
        if base64.b64encode(method(plain).digest()).decode() != block.get("Hash"):
            said.append("%s: Hash of block %d" % (name, len(content) // BLOCK))
        content += plain
    if len(content) != info.file_size or zlib.crc32(content) != info.CRC:
        said.append("%s: blocks are not the content" % name)
    if info.compress_type == zipfile.ZIP_DEFLATED and len(packed) > 2:
        said.append("%s: %d bytes behind the blocks" % (name, len(packed)))
    for one in element:
        if local(one.tag) == "FileHash" and one.get("Hash") != base64.b64encode(method(content).digest()).decode():
            said.append("%s: FileHash" % name)
    return said


def bundle_problems(data, z, names):
    said = []
    for package in ElementTree.fromstring(z.read("AppxMetadata/AppxBundleManifest.xml")).iter():
        if local(package.tag) != "Package" or package.get("FileName") not in names:
            continue
        info = names[package.get("FileName")]
        if int(package.get("Offset")) != info.header_offset + header_length(data, info):
            said.append("%s: Offset" % info.filename)
        if int(package.get("Size")) != info.file_size or info.compress_type != zipfile.ZIP_STORED:
            said.append("%s: Size" % info.filename)
    return said


def problems(data):
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        names = {urllib.parse.unquote(i.filename): i for i in z.infolist()}
        root = ElementTree.fromstring(z.read("AppxBlockMap.xml"))
        method, listed, said = METHODS[root.get("HashMethod")], set(), []
        for element in root:
            if local(element.tag) != "File":
                continue
            name = element.get("Name").replace("\\", "/")
            listed.add(name)
            said += file_problems(data, names[name], element, method) if name in names else [name + ": no such file"]
        bundle = "AppxMetadata/AppxBundleManifest.xml" in names
        for name in names:
            nested = bundle and name.lower().endswith((".appx", ".msix"))
            if name not in listed and name.lower() not in UNLISTED and not nested:
                said.append(name + ": not in the block map")
        return said + (bundle_problems(data, z, names) if bundle else [])
