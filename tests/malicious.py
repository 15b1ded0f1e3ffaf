"""Files that mean harm, written for real: each function takes a folder, writes there, and returns what a reader gets.

A pickle or a program among them would write the file `CANARY` into the working folder.
"""

import base64
import gzip
import io
import json
import marshal
import os
import pickle
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from studies.storage import paths

CANARY = "canary"
NETWORK = paths.PROJECT / "outputs" / "featurizers" / "small-norb-resnet20" / "small-norb-resnet20.keras"
NORB = "smallnorb-5x46789x9x18x6x2x96x96-training"
CIFAR10 = "cifar-10-binary.tar.gz"
MEBIBYTE = 2**20


class Harm:
    """Written by pickle, it makes the canary when it is read."""

    def __reduce__(self):
        return Path.touch, (Path(CANARY),)


def npy(array, **claims):
    """An .npy file of an array, of which the header may claim another shape or type."""
    buffer = io.BytesIO()
    header = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape} | claims
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue() + array.tobytes()


def zeros(n, start=b""):
    """A raw deflate stream of `start` and n MiB of zeros, a kilobyte for each: made by repeating a part of it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    part = packer.compress(bytes(MEBIBYTE)) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + n * part + packer.flush()


def deflated(content):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


def zipped(path, *members):
    """A zip archive of (name, bytes as packed, bytes unpacked, method, flags, checksum), as they are given."""
    body, index = b"", b""
    for name, packed, size, method, flags, checksum in members:
        about = struct.pack("<HHHHHIIIHH", 20, flags, method, 0, 33, checksum, len(packed), size, len(name), 0)
        index += b"PK\1\2" + struct.pack("<H", 20) + about + struct.pack("<HHHII", 0, 0, 0, 0, len(body))
        index += name.encode()
        body += b"PK\3\4" + about + name.encode() + packed
    n = len(members)
    path.write_bytes(body + index + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, n, n, len(index), len(body), 0))
    return (path,)


def member(name, content, method=8, flags=0, size=None):
    packed = deflated(content) if method == 8 else content
    return name, packed, len(content) if size is None else size, method, flags, zlib.crc32(content)


def plain():
    """The members of a valid data set."""
    images, labels = np.arange(96, dtype=np.uint8).reshape(6, 4, 4), np.array([0, 1, 0, 1, 0, 1])
    arrays = {"x_train": images, "y_train": labels, "x_test": images, "y_test": labels}
    return {f"{name}.npy": npy(array) for name, array in arrays.items()}


def data_set(path, **changes):
    """A data set of which some members are others."""
    members = {name: member(name, content) for name, content in plain().items()}
    return zipped(path, *(members | {each[0]: each for each in changes.values()}).values())


# Arrays: (folder) -> arguments of `data.load`.


def pickled_labels(folder):
    np.savez(folder / "a.npz", **{name[:-4]: np.zeros((2, 4, 4)) for name in plain()}, y_extra=np.array([Harm()]))
    np.savez(folder / "b.npz", x_train=np.array([Harm()], dtype=object), y_train=0, x_test=0, y_test=0)
    return (folder / "b.npz",)


def pickle_named_npz(folder):
    (folder / "a.npz").write_bytes(pickle.dumps(Harm()))
    return (folder / "a.npz",)


def a_million_million_elements(folder):
    content = npy(np.zeros(4, np.uint8), shape=(10**12,))
    return data_set(folder / "a.npz", x=member("x_train.npy", content))


def a_negative_shape(folder):
    return data_set(folder / "a.npz", x=member("x_train.npy", npy(np.zeros(4, np.uint8), shape=(-4, -1))))


def elements_of_no_bytes(folder):
    content = npy(np.zeros(1, "S0"), descr="|S0", shape=(10**12,))
    return data_set(folder / "a.npz", x=member("x_train.npy", content))


def a_nested_header(folder):
    content = npy(np.zeros(4, np.uint8)).replace(b"'shape': (4,), ", b"'shape': " + b"(" * 60)
    return data_set(folder / "a.npz", x=member("x_train.npy", content))


def one_array_that_claims_terabytes(folder):
    (folder / "a.npz").write_bytes(npy(np.zeros(4, np.uint8), shape=(10**12,)))
    return (folder / "a.npz",)


def an_array_that_ends_as_an_archive(folder):
    (path,) = data_set(folder / "a.npz")
    path.write_bytes(npy(np.zeros(4, np.uint8), shape=(10**12,)) + path.read_bytes())
    return (path,)


def an_archive_of_gigabytes(folder):
    header = npy(np.zeros(0, np.uint8), shape=(3 * 1024, 1024, 1024))
    size = len(header) + 3 * 1024 * MEBIBYTE
    return data_set(folder / "a.npz", x=("x_train.npy", zeros(3 * 1024, header), size, 8, 0, 0))


def a_member_larger_than_it_says(folder):
    content = npy(np.zeros(4, np.uint8))
    return data_set(folder / "a.npz", x=("x_train.npy", zeros(2048, content), len(content), 8, 0, 0))


def a_member_smaller_than_it_says(folder):
    content = npy(np.zeros(4, np.uint8), shape=(10**8,))
    return data_set(folder / "a.npz", x=member("x_train.npy", content, size=10**8 + len(content)))


def a_member_outside(folder):
    return data_set(folder / "a.npz", x=member(f"../../{CANARY}", b"x"))


def a_member_at_the_root(folder):
    return data_set(folder / "a.npz", x=member(f"/tmp/{CANARY}", b"x"))


def a_member_twice(folder):
    members = [member(name, content) for name, content in plain().items()]
    return zipped(folder / "a.npz", *members, member("x_train.npy", npy(np.zeros(4, np.uint8))))


def a_member_with_a_password(folder):
    return data_set(folder / "a.npz", x=member("x_train.npy", plain()["x_train.npy"], flags=1))


def a_member_packed_by_lzma(folder):
    return data_set(folder / "a.npz", x=member("x_train.npy", b"\x09\x04\x05\x00\x5d\xff\xff\xff\xff" + bytes(99), 14))


def a_member_that_is_text(folder):
    return data_set(folder / "a.npz", x=member("x_train.npy", b"__import__('os')"))


# Small NORB.


def norb(folder, head, body=b"", kind="dat", packed=False):
    content = struct.pack(f"<{len(head)}i", *head) + body
    path = folder / f"{NORB}-{kind}.mat{'.gz' if packed else ''}"
    path.write_bytes(gzip.compress(content) if packed else content)
    for other in ("training-dat", "training-cat", "testing-dat", "testing-cat"):
        name = f"smallnorb-5x{'46789' if 'tr' in other else '01235'}x9x18x6x2x96x96-{other}.mat"
        if not list(folder.glob(f"{name}*")):
            (folder / name).write_bytes(struct.pack("<5i", 0x1E3D4C54, 1, 1, 1, 1) + bytes(4))
    return "small-norb", folder


def dimensions_below_zero(folder):
    return norb(folder, (0x1E3D4C55, 4, -2, 2, -2, 96), bytes(768))


def dimensions_that_overflow(folder):
    return norb(folder, (0x1E3D4C55, 4, 2**31 - 1, 2, 2**31 - 1, 2**31 - 1), bytes(768))


def dimensions_of_terabytes(folder):
    return norb(folder, (0x1E3D4C55, 4, 10**6, 2, 1000, 1000), bytes(768), packed=True)


def more_dimensions_than_memory(folder):
    return norb(folder, (0x1E3D4C55, 2**31 - 1, 1, 2, 1, 1), bytes(768))


def a_gzip_file_of_gigabytes(folder):
    arguments = norb(folder, (0x1E3D4C55, 4, 1, 2, 1, 1), packed=True)
    head = struct.pack("<6i", 0x1E3D4C55, 4, 1, 2, 1, 1)
    path = folder / f"{NORB}-dat.mat.gz"
    path.write_bytes(b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + zeros(3 * 1024, head) + bytes(8))
    return arguments


# CIFAR-10.


def tar(folder, *members, start=b""):
    """A gzipped tar archive of (header, content)."""
    content = start + b"".join(header.tobuf(tarfile.GNU_FORMAT) + body for header, body in members)
    (folder / CIFAR10).write_bytes(gzip.compress(content + bytes(1024)))
    return "cifar10", folder


def header(name="cifar-10-batches-bin/data_batch_1.bin", **attributes):
    made = tarfile.TarInfo(name)
    for key, value in attributes.items():
        setattr(made, key, value)
    return made


def a_link_out(folder):
    return tar(folder, (header(type=tarfile.SYMTYPE, linkname="/etc/passwd"), b""))


def a_hard_link_out(folder):
    return tar(folder, (header(type=tarfile.LNKTYPE, linkname="../../etc/passwd"), b""))


def a_device(folder):
    return tar(folder, (header(type=tarfile.CHRTYPE, devmajor=1, devminor=5), b""))


def names_outside(folder):
    content = b"x" * 512
    names = (f"../../{CANARY}", f"/tmp/{CANARY}", CANARY)
    return tar(folder, *((header(name, size=512), content) for name in names))


def a_member_of_terabytes(folder):
    return tar(folder, (header(size=3073 * 10**9), b""))


def a_skipped_member_of_terabytes(folder):
    return tar(folder, (header("notes.txt", size=10**13), b""))


def a_member_of_less_than_nothing(folder):
    return tar(folder, (header("notes.txt", size=-1024), b""))


def long_names_of_gigabytes(folder):
    return tar(folder, (header("././@LongLink", type=tarfile.GNUTYPE_LONGNAME, size=2 * 10**9), b""))


def ten_thousand_extended_headers(folder):
    extended = header("x", type=tarfile.XHDTYPE, size=512), b"11 path=abc".ljust(512, b"\0")
    return tar(folder, *[extended] * 10_000)


def a_sparse_member(folder):
    return tar(folder, (header(type=tarfile.GNUTYPE_SPARSE, size=3073), bytes(3584)))


def an_archive_of_zeros(folder):
    head = header("notes.txt", size=3 * 1024 * MEBIBYTE).tobuf(tarfile.GNU_FORMAT)
    (folder / CIFAR10).write_bytes(b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + zeros(3 * 1024, head) + bytes(8))
    return "cifar10", folder


# Images.


def pictures(folder, content=None, name="0.png", n=3):
    for label in ("ant", "bee"):
        (folder / "images" / label).mkdir(parents=True)
        for i in range(n):
            Image.fromarray(np.full((4, 5), i, np.uint8)).save(folder / "images" / label / f"{i}.png")
    if content is not None:
        (folder / "images" / "ant" / name).write_bytes(content)
    return (folder / "images",)


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width, height, data, *chunks):
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def a_decompression_bomb(folder):
    return pictures(folder, png(60_000, 60_000, zlib.compress(bytes(MEBIBYTE))))


def a_hundred_pictures_just_below_the_limit(folder):
    (root,) = pictures(folder)
    content = png(9000, 9000, zlib.compress(bytes(9001 * 9000), 9))
    for label in ("ant", "bee"):
        for i in range(50):
            (root / label / f"{i}.png").write_bytes(content)
    return (root,)


def a_truncated_picture(folder):
    picture = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 90), np.uint8)).save(picture, "png")
    return pictures(folder, picture.getvalue()[:4000])


def packed(n):
    """A zlib stream of n MiB of zeros."""
    return b"\x78\xda" + zeros(n) + bytes(4)


def a_colour_profile_of_gigabytes(folder):
    profile = chunk(b"iCCP", b"a\0\0" + packed(3 * 1024))
    return pictures(folder, png(5, 4, zlib.compress(bytes(24)), profile))


def a_text_of_gigabytes(folder):
    text = chunk(b"zTXt", b"a\0\0" + packed(3 * 1024))
    return pictures(folder, png(5, 4, zlib.compress(bytes(24)), text))


def an_animation(folder):
    frames = [Image.fromarray(np.full((4, 5), i, np.uint8)) for i in range(3)]
    picture = io.BytesIO()
    frames[0].save(picture, "png", save_all=True, append_images=frames[1:])
    return pictures(folder, picture.getvalue())


def a_drawing_named_png(folder):
    return pictures(folder, b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>")


def a_pickle_named_png(folder):
    return pictures(folder, pickle.dumps(Harm()))


def a_program_named_png(folder):
    """PostScript, which Pillow would give to Ghostscript."""
    program = f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 5 4\n({CANARY}) (w) file closefile\n"
    return pictures(folder, program.encode())


def a_link_to_a_file_outside(folder):
    (root,) = pictures(folder)
    Image.fromarray(np.zeros((4, 5), np.uint8)).save(folder / "secret.png")
    (root / "ant" / "9.png").symlink_to(folder / "secret.png")
    return (root,)


def a_link_to_a_folder_outside(folder):
    (root,) = pictures(folder)
    (folder / "secret").mkdir()
    Image.fromarray(np.zeros((4, 5), np.uint8)).save(folder / "secret" / "0.png")
    (root / "cow").symlink_to(folder / "secret")
    return (root,)


def a_pipe_named_png(folder):
    (root,) = pictures(folder)
    os.mkfifo(root / "ant" / "9.png")
    return (root,)


# Networks: (folder) -> arguments of `KerasFeaturizer.load`.


def network(folder, config=None, weights=None, *more):
    """A valid network, of which functions have changed the description, or the weights, or with more members."""
    with zipfile.ZipFile(NETWORK) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    if config is not None:
        described = json.loads(content["config.json"])
        config(described["config"]["layers"])
        content["config.json"] = json.dumps(described).encode()
    if weights is not None:
        (folder / "a.h5").write_bytes(content["model.weights.h5"])
        with h5py.File(folder / "a.h5", "a") as file:
            weights(file)
        content["model.weights.h5"] = (folder / "a.h5").read_bytes()
        (folder / "a.h5").unlink()
    members = {name: member(name, each, 0) for name, each in content.items()}
    return zipped(folder / "a.keras", *(members | {each[0]: each for each in more}).values())


def with_layer(folder, module, name, config, **more):
    """A network of which the second layer is described so."""

    def change(layers):
        layers[1] |= {"module": module, "class_name": name, "registered_name": None, "config": config} | more

    return network(folder, change)


def with_activation(folder, module, name, **more):
    """A network with an activation that is described so."""
    function = {"module": module, "class_name": "function", "config": name, "registered_name": name} | more

    def change(layers):
        next(layer for layer in layers if layer["class_name"] == "Conv2D")["config"]["activation"] = function

    return network(folder, change)


def a_lambda_layer(folder):
    code = (lambda x: Path.touch(Path(CANARY)) or x).__code__
    body = {"code": base64.b64encode(marshal.dumps(code)).decode(), "defaults": None, "closure": None}
    return with_layer(
        folder, "keras.layers", "Lambda", {"name": "l", "function": {"class_name": "__lambda__", "config": body}}
    )


def a_bare_lambda(folder):
    code = base64.b64encode(marshal.dumps((lambda x: x).__code__)).decode()
    return with_activation(folder, None, {"code": code, "defaults": None, "closure": None}, class_name="__lambda__")


def a_class_of_the_operating_system(folder):
    return with_layer(folder, "os", "system", {"command": f"touch {CANARY}"})


def a_function_of_the_operating_system(folder):
    return with_activation(folder, "os", "system")


def a_function_of_subprocess(folder):
    return with_activation(folder, "subprocess", "run", registered_name="run")


def a_registered_name_over_another_module(folder):
    return with_layer(folder, "os", "system", {"command": f"touch {CANARY}"}, registered_name="influaug>system")


def a_function_that_downloads(folder):
    return with_activation(folder, "keras.utils", "get_file")


def a_function_that_ends_the_safe_mode(folder):
    return with_activation(folder, "keras.config", "enable_unsafe_deserialization")


def a_network_in_another_file(folder):
    return with_activation(folder, "keras.saving", "load_model")


def a_vocabulary_from_a_file(folder):
    return with_layer(folder, "keras.layers", "StringLookup", {"vocabulary": "/etc/passwd"})


def a_module_of_torch(folder):
    return with_layer(
        folder, "keras.layers", "TorchModuleWrapper", {"module": base64.b64encode(pickle.dumps(Harm())).decode()}
    )


def a_saved_model_elsewhere(folder):
    return with_layer(folder, "keras.layers", "TFSMLayer", {"filepath": "/tmp/model"})


def a_description_of_endless_depth(folder):
    return network(folder, None, None, member("config.json", b"[" * 100_000))


def a_description_of_gigabytes(folder):
    return network(folder, None, None, ("config.json", zeros(3 * 1024), 3 * 1024 * MEBIBYTE, 8, 0, 0))


def a_layer_of_terabytes(folder):
    def change(layers):
        next(layer for layer in layers if layer["class_name"] == "Dense")["config"]["units"] = 10**10

    return network(folder, change)


def a_layer_of_gigabytes(folder):
    def change(layers):
        [layer for layer in layers if layer["class_name"] == "Dense"][-1]["config"]["units"] = 4_000_000

    return network(folder, change)


def a_resizing_to_gigabytes(folder):
    return with_layer(folder, "keras.layers", "Resizing", {"name": "r", "height": 60_000, "width": 60_000})


def an_upsampling_to_gigabytes(folder):
    return with_layer(folder, "keras.layers", "UpSampling2D", {"name": "u", "size": [600, 600]})


def a_padding_to_gigabytes(folder):
    return with_layer(folder, "keras.layers", "ZeroPadding2D", {"name": "p", "padding": [[30_000, 0], [0, 30_000]]})


def an_embedding_of_gigabytes(folder):
    return with_layer(folder, "keras.layers", "Embedding", {"name": "e", "input_dim": 10**9, "output_dim": 9})


def a_recurrent_layer_of_gigabytes(folder):
    config = {"name": "l", "filters": 20_000, "kernel_size": 3, "padding": "same"}
    cell = {"module": "keras.layers", "class_name": "SeparableConv2D", "config": config, "registered_name": None}
    return with_layer(folder, "keras.layers", "TimeDistributed", {"name": "t", "layer": cell})


def a_picture_of_gigabytes_asked_for(folder):
    def change(layers):
        layers[0]["config"]["batch_shape"] = [None, 90_000, 90_000, 1]

    return network(folder, change)


def a_table_of_sounds_of_gigabytes(folder):
    config = {"name": "m", "fft_length": 2**20, "num_mel_bins": 2**20}
    return with_layer(folder, "keras.layers", "MelSpectrogram", config)


def a_network_of_networks_of_networks(folder):
    inner = {"class_name": "Sequential", "module": "keras", "registered_name": None, "config": {"layers": []}}
    for _ in range(200):
        inner = {**inner, "config": {"name": "s", "layers": [inner]}}
    return network(folder, None, None, member("config.json", json.dumps(inner).encode()))


def a_hundred_thousand_layers(folder):
    def change(layers):
        layers += [{**layers[1], "name": f"again-{k}"} for k in range(100_000)]

    return network(folder, change)


def a_network_in_it_compiled_with_code(folder):
    compiled = {"optimizer": {"module": "os", "class_name": "system", "config": {"command": f"touch {CANARY}"}}}

    def change(layers):
        layers[1] |= {"compile_config": compiled}

    return network(folder, change)


def a_network_compiled_with_code_in_place_of_a_layer(folder):
    """Optimizers are passed over where Keras does not look at them, not where it makes layers of them."""
    return with_layer(folder, "keras.optimizers", "Adam", {"name": "adam"})


def weights_of_another_file(folder):
    def change(file):
        del file["layers"]
        file["layers"] = h5py.ExternalLink("/etc/passwd", "/")

    return network(folder, None, change)


def some_weights(file):
    """Path and shape of the first array of weights."""
    found = []
    file.visititems(lambda name, item: found.append((name, item.shape)) if isinstance(item, h5py.Dataset) else None)
    return found[0]


def weights_in_a_file_of_bytes(folder):
    def change(file):
        name, shape = some_weights(file)
        del file[name]
        file.create_dataset(name, shape, "u1", external=[("/etc/passwd", 0, int(np.prod(shape)))])

    return network(folder, None, change)


def weights_put_together_from_other_files(folder):
    def change(file):
        name, shape = some_weights(file)
        layout = h5py.VirtualLayout(shape, "f4")
        layout[...] = h5py.VirtualSource("/etc/passwd", "x", shape)
        del file[name]
        file.create_virtual_dataset(name, layout)

    return network(folder, None, change)


def weights_that_lead_round_in_a_circle(folder):
    def change(file):
        file["layers/again"] = h5py.SoftLink("/layers")

    return network(folder, None, change)


def weights_of_terabytes(folder):
    def change(file):
        name, _ = some_weights(file)
        del file[name]
        file.create_dataset(name, (10**12,), "f4", chunks=(1024,), fillvalue=1)

    return network(folder, None, change)


def weights_of_gigabytes_packed(folder):
    return network(folder, None, None, ("model.weights.h5", zeros(3 * 1024), 3 * 1024 * MEBIBYTE, 8, 0, 0))


def weights_cut_off(folder):
    with zipfile.ZipFile(NETWORK) as archive:
        content = archive.read("model.weights.h5")
    return network(folder, None, None, member("model.weights.h5", content[: len(content) // 2]))


def a_network_with_a_member_outside(folder):
    return network(folder, None, None, member(f"../../{CANARY}", b"x"))


def a_network_with_assets(folder):
    return network(folder, None, None, member(CANARY, b"x"))


def a_history_that_is_none(folder):
    return network(folder, None, None, member("influaug.json", b'{"params": {"epochs": {}, "path": 1}}'))


ARRAYS = (
    pickled_labels,
    pickle_named_npz,
    a_million_million_elements,
    a_negative_shape,
    elements_of_no_bytes,
    a_nested_header,
    one_array_that_claims_terabytes,
    an_array_that_ends_as_an_archive,
    an_archive_of_gigabytes,
    a_member_larger_than_it_says,
    a_member_smaller_than_it_says,
    a_member_outside,
    a_member_at_the_root,
    a_member_twice,
    a_member_with_a_password,
    a_member_packed_by_lzma,
    a_member_that_is_text,
)
NORB_FILES = (
    dimensions_below_zero,
    dimensions_that_overflow,
    dimensions_of_terabytes,
    more_dimensions_than_memory,
    a_gzip_file_of_gigabytes,
)
ARCHIVES = (
    a_link_out,
    a_hard_link_out,
    a_device,
    names_outside,
    a_member_of_terabytes,
    a_skipped_member_of_terabytes,
    a_member_of_less_than_nothing,
    long_names_of_gigabytes,
    ten_thousand_extended_headers,
    a_sparse_member,
    an_archive_of_zeros,
)
PICTURES = (
    a_decompression_bomb,
    a_hundred_pictures_just_below_the_limit,
    a_truncated_picture,
    a_colour_profile_of_gigabytes,
    a_text_of_gigabytes,
    an_animation,
    a_drawing_named_png,
    a_pickle_named_png,
    a_program_named_png,
    a_link_to_a_file_outside,
    a_link_to_a_folder_outside,
    a_pipe_named_png,
)
DATA = ARRAYS + NORB_FILES + ARCHIVES + PICTURES
NETWORKS = (
    a_lambda_layer,
    a_bare_lambda,
    a_class_of_the_operating_system,
    a_function_of_the_operating_system,
    a_function_of_subprocess,
    a_registered_name_over_another_module,
    a_function_that_downloads,
    a_function_that_ends_the_safe_mode,
    a_network_in_another_file,
    a_vocabulary_from_a_file,
    a_module_of_torch,
    a_saved_model_elsewhere,
    a_description_of_endless_depth,
    a_description_of_gigabytes,
    a_layer_of_terabytes,
    a_layer_of_gigabytes,
    a_resizing_to_gigabytes,
    an_upsampling_to_gigabytes,
    a_padding_to_gigabytes,
    an_embedding_of_gigabytes,
    a_recurrent_layer_of_gigabytes,
    a_picture_of_gigabytes_asked_for,
    a_table_of_sounds_of_gigabytes,
    a_network_of_networks_of_networks,
    a_hundred_thousand_layers,
    a_network_in_it_compiled_with_code,
    a_network_compiled_with_code_in_place_of_a_layer,
    weights_of_another_file,
    weights_in_a_file_of_bytes,
    weights_put_together_from_other_files,
    weights_that_lead_round_in_a_circle,
    weights_of_terabytes,
    weights_of_gigabytes_packed,
    weights_cut_off,
    a_network_with_a_member_outside,
    a_network_with_assets,
    a_history_that_is_none,
)
