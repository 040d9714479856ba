"""Simulated boards: the part of /sys that a host with that board has, as the kernel lays it out.

`write_tree()` writes real directories and the kernel's own relative links:

    sys/devices     pci0000:00/...  (the functions, their `config` and DRM nodes)  and  virtual/kfd/kfd/topology
    sys/bus         pci/devices and pci/drivers
    sys/class       kfd and drm
    sys/module      amdgpu
    proc/sys/kernel/osrelease

A lab host overlays `/sys/devices`, `/sys/bus`, `/sys/class` and `/sys/module` with those of the four that the tree has
(`OVERLAID`; a host without a driver has no sys/class and no sys/module), since the links lead from one to another. The
unit tests gather facts from the tree as their root, with Python 3.9 too. Sources: kfd_topology.c, amdgpu_drv.c,
pci_regs.h of Debian's kernels 5.10, 6.1 and 6.12; sizes and clocks from public logs; numbers marked so are
placeholders.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

OVERLAID = ("sys/bus", "sys/class", "sys/devices", "sys/module")

# What Debian 11, 12 and 13 run.
KERNELS = {"5.10": "5.10.0-46-amd64", "6.1": "6.1.0-56-amd64", "6.12": "6.12.107+deb13-amd64"}

DRM_MAJOR = 226
# KFD's number is given at run time. This one is in the range for local use (devices.txt), which no driver registers, so
# that a lab host's /dev/kfd never reaches a board of the machine below.
KFD_MAJOR = 120

_AMD, _AMD_CPU = 0x1002, 0x1022
_MIB = 1 << 20
_HOST_MEMORY = 16755728384  # bytes
_CPU_THREADS = 12
_CPU_MHZ = 3600


@dataclass(frozen=True)
class DeviceNode:
    """A character device that the host has beside the tree. `mode` is octal as for mknod -m, `group` a name."""

    path: str
    major: int
    minor: int
    mode: str
    group: str


@dataclass(frozen=True)
class Chip:
    """A GPU as the driver describes it. What differs by kernel has a kernel's [major.minor] as key."""

    name: str  # as KFD's node
    target: int  # gfx_target_version
    simd_per_cu: int
    engines: int  # shader engines
    arrays: int  # in an engine
    cus_per_array: int
    wave: int
    waves: int  # per SIMD
    mec: Mapping[str, int]  # microcode of Debian's firmware; its keys are the kernels whose amdgpu knows the chip
    sdma: Mapping[str, int]
    sdma_queues: int = 8
    switch: bool = True  # an on-board PCIe switch, 1478 and 1479
    integrated: bool = False


NAVI14 = Chip(
    "navi14", 100102, simd_per_cu=2, engines=1, arrays=2, cus_per_array=12, wave=32, waves=20,
    mec={"5.10": 137, "6.1": 146, "6.12": 146}, sdma={"5.10": 36, "6.1": 41, "6.12": 41},
)  # fmt: skip
NAVI10 = Chip(
    "navi10", 100100, simd_per_cu=2, engines=2, arrays=2, cus_per_array=10, wave=32, waves=20,
    mec={"5.10": 137, "6.1": 146, "6.12": 151}, sdma={"5.10": 30, "6.1": 35, "6.12": 35},
)  # fmt: skip
NAVI23 = Chip(
    "dimgrey_cavefish", 100302, simd_per_cu=2, engines=2, arrays=2, cus_per_array=8, wave=32, waves=16,
    mec={"6.1": 102, "6.12": 115}, sdma={"6.1": 76, "6.12": 80},  # placeholders; 5.10 does not know the chip
)  # fmt: skip
POLARIS10 = Chip(
    "polaris10", 80003, simd_per_cu=4, engines=4, arrays=1, cus_per_array=9, wave=64, waves=10, sdma_queues=2,
    mec=dict.fromkeys(KERNELS, 730), sdma=dict.fromkeys(KERNELS, 58), switch=False,  # placeholders
)  # fmt: skip
RENOIR = Chip(
    "renoir", 90012, simd_per_cu=4, engines=1, arrays=1, cus_per_array=8, wave=64, waves=10, sdma_queues=2,
    mec=dict.fromkeys(KERNELS, 464), sdma=dict.fromkeys(KERNELS, 40), switch=False, integrated=True,  # placeholders
)  # fmt: skip


@dataclass(frozen=True)
class Product:
    """What is sold: the chip, how it is cut, its memory."""

    chip: Chip
    device: int
    revision: int
    subsystem: tuple[int, int]
    cus: int
    vram: int  # bytes, as the driver counts: a little less than on the box
    bus_width: int  # bits
    memory_mhz: int
    engine_mhz: int


_8G, _6G, _4G = 8573157376, 6425673728, 4278190080
RX5500XT_8G = Product(NAVI14, 0x7340, 0xC5, (0x1043, 0x04E6), 22, _8G, 128, 875, 1900)
RX5500XT_4G = Product(NAVI14, 0x7340, 0xC5, (0x1462, 0x3822), 22, _4G, 128, 875, 1900)
RX5600XT = Product(NAVI10, 0x731F, 0xCA, (0x1DA2, 0xE411), 36, _6G, 192, 750, 1780)
RX5700XT = Product(NAVI10, 0x731F, 0xC1, (0x1DA2, 0xE410), 40, _8G, 256, 875, 2100)
RX580 = Product(POLARIS10, 0x67DF, 0xE7, (0x1DA2, 0xE366), 36, 8192 * _MIB, 256, 2000, 1366)
RX6600 = Product(NAVI23, 0x73FF, 0xC7, (0x1EAE, 0x6505), 28, _8G, 128, 875, 2750)
RENOIR_IGPU = Product(RENOIR, 0x1636, 0xC6, (0x1043, 0x8809), 7, 512 * _MIB, 128, 1600, 1900)


@dataclass(frozen=True)
class Slot:
    """Where a board sits: root port, then pairs of chipset switch ports, then the first bus below them."""

    root_port: str
    bus: int  # of the board's first function or switch
    chipset: tuple[str, ...] = ()


CPU_SLOT = Slot("00:03.1", 0x08)
SECOND_SLOT = Slot("00:03.2", 0x0B)
CHIPSET_SLOT = Slot("00:01.2", 0x05, ("02:00.0", "03:04.0"))  # a switch that does not route AtomicOps
INSIDE_CPU = Slot("00:08.1", 0x04)


@dataclass(frozen=True)
class Host:
    """A named machine. `bound` is false where amdgpu is not loaded; `mec` is an older microcode than Debian's."""

    boards: tuple[tuple[Product, Slot], ...] = ()
    bound: bool = True
    mec: int | None = None
    tells: str = ""


BOARDS: dict[str, Host] = {
    "rx5500xt-8g": Host(((RX5500XT_8G, CPU_SLOT),), tells="Radeon RX 5500 XT with 8 GB"),
    "rx5500xt-4g": Host(((RX5500XT_4G, CPU_SLOT),), tells="Radeon RX 5500 XT with 4 GB"),
    "rx5600xt": Host(((RX5600XT, CPU_SLOT),), tells="Radeon RX 5600 XT with 6 GB"),
    "rx5700xt": Host(((RX5700XT, CPU_SLOT),), tells="Radeon RX 5700 XT with 8 GB"),
    "two-boards": Host(((RX5700XT, CPU_SLOT), (RX5500XT_8G, SECOND_SLOT)), tells="RX 5700 XT and RX 5500 XT"),
    "igpu-and-board": Host(((RENOIR_IGPU, INSIDE_CPU), (RX5500XT_8G, CPU_SLOT)), tells="RX 5500 XT beside an iGPU"),
    "no-atomics": Host(((RX5500XT_8G, CHIPSET_SLOT),), mec=137, tells="RX 5500 XT in a slot without PCIe atomics"),
    "no-board": Host(bound=False, tells="no AMD board"),
    "rx580": Host(((RX580, CPU_SLOT),), tells="Radeon RX 580, which no profile covers"),
    "rx6600": Host(((RX6600, CPU_SLOT),), tells="Radeon RX 6600, which no profile covers"),
    "unbound": Host(((RX5500XT_8G, CPU_SLOT),), bound=False, tells="RX 5500 XT without a driver"),
}


# -- PCI ---------------------------------------------------------------------------------------------------------------

_ENDPOINT, _ROOT_PORT, _UPSTREAM, _DOWNSTREAM = 0x0, 0x4, 0x5, 0x6
_ROUTE, _COMPLETE = 0x40, 0x180  # DEVCAP2: AtomicOp routing; 32 and 64-bit completion
_VGA, _AUDIO, _BRIDGE, _ETHERNET = 0x030000, 0x040300, 0x060400, 0x020000


@dataclass(frozen=True)
class _Function:
    """One PCI function. `path` is below sys/devices, `port` the PCIe port type."""

    path: str
    vendor: int
    device: int
    kind: int  # class
    port: int
    devcap2: int
    revision: int = 0
    subsystem: tuple[int, int] = (0, 0)
    driver: str | None = None

    @property
    def bdf(self) -> str:
        return self.path.rpartition("/")[2]

    def config(self) -> bytes:
        """Configuration space: a header, power management at 0x50, PCI Express version 2 at 0x64."""
        data = bytearray(256)
        struct.pack_into("<HHHH", data, 0x00, self.vendor, self.device, 0x0006, 0x0010)
        struct.pack_into("<I", data, 0x08, self.kind << 8 | self.revision)
        data[0x0E] = 1 if self.kind == _BRIDGE else 0
        if self.kind != _BRIDGE:
            struct.pack_into("<HH", data, 0x2C, *self.subsystem)
        data[0x34] = 0x50
        struct.pack_into("<BBH", data, 0x50, 0x01, 0x64, 0x0003)
        struct.pack_into("<BBH", data, 0x64, 0x10, 0x00, self.port << 4 | 2)
        struct.pack_into("<I", data, 0x64 + 0x24, self.devcap2)
        return bytes(data)


def _functions(product: Product, slot: Slot, driver: str | None) -> list[_Function]:
    """The bridges from the root port down, then the GPU, then its audio function."""
    steps = [(slot.root_port, _AMD_CPU, 0x1483, _ROOT_PORT, _ROUTE | _COMPLETE)]
    for address, (device, port) in zip(slot.chipset, ((0x57AD, _UPSTREAM), (0x57A3, _DOWNSTREAM))):
        steps.append((address, _AMD_CPU, device, port, 0))
    bus = slot.bus
    if product.chip.switch:
        steps.append((f"{bus:02x}:00.0", _AMD, 0x1478, _UPSTREAM, _ROUTE))
        steps.append((f"{bus + 1:02x}:00.0", _AMD, 0x1479, _DOWNSTREAM, _ROUTE))
        bus += 2
    path, bridges = "pci0000:00", []
    for address, vendor, device, port, devcap2 in steps:
        path += f"/0000:{address}"
        bridges.append(_Function(path, vendor, device, _BRIDGE, port, devcap2, driver="pcieport"))
    gpu = _Function(
        f"{path}/0000:{bus:02x}:00.0", _AMD, product.device, _VGA, _ENDPOINT, _COMPLETE,
        product.revision, product.subsystem, driver,
    )  # fmt: skip
    audio = _Function(f"{path}/0000:{bus:02x}:00.1", _AMD, 0xAB38, _AUDIO, _ENDPOINT, 0, 0, product.subsystem)
    return [*bridges, gpu, audio]


# -- files -------------------------------------------------------------------------------------------------------------


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", encoding="ascii")


def _link(path: Path, target: Path) -> None:
    """A relative link, as sysfs has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_symlink():  # bridges are shared by what hangs below them
        path.symlink_to(os.path.relpath(target, path.parent))


def _properties(path: Path, pairs: Mapping[str, int]) -> None:
    _write(path, "\n".join(f"{key} {value}" for key, value in pairs.items()))


def _write_function(root: Path, function: _Function) -> Path:
    """One PCI function with what lspci reads; its folder."""
    folder = root / "sys/devices" / function.path
    for name, number, width in (
        ("vendor", function.vendor, 4),
        ("device", function.device, 4),
        ("subsystem_vendor", function.subsystem[0], 4),
        ("subsystem_device", function.subsystem[1], 4),
        ("revision", function.revision, 2),
        ("class", function.kind, 6),
    ):
        _write(folder / name, f"0x{number:0{width}x}")
    (folder / "config").write_bytes(function.config())
    _write(folder / "irq", "0")
    _write(folder / "resource", "\n".join(["0x0000000000000000 0x0000000000000000 0x0000000000000000"] * 7))
    uevent = [f"DRIVER={function.driver}"] if function.driver else []
    ids = "{:04X}:{:04X}"
    uevent += [f"PCI_CLASS={function.kind:X}", "PCI_ID=" + ids.format(function.vendor, function.device)]
    uevent += ["PCI_SUBSYS_ID=" + ids.format(*function.subsystem), f"PCI_SLOT_NAME={function.bdf}"]
    _write(folder / "uevent", "\n".join(uevent))
    bus = root / "sys/bus/pci"
    _link(folder / "subsystem", bus)
    _link(bus / "devices" / function.bdf, folder)
    if function.driver:
        _link(folder / "driver", bus / "drivers" / function.driver)
        _link(bus / "drivers" / function.driver / function.bdf, folder)
    return folder


def _write_drm(root: Path, gpu: Path, index: int) -> list[DeviceNode]:
    """The card and the render node of a bound GPU, and a connector without a screen."""
    nodes = []
    for name, minor, group in ((f"card{index}", index, "video"), (f"renderD{128 + index}", 128 + index, "render")):
        folder = gpu / "drm" / name
        _write(folder / "dev", f"{DRM_MAJOR}:{minor}")
        _write(folder / "uevent", f"MAJOR={DRM_MAJOR}\nMINOR={minor}\nDEVNAME=dri/{name}\nDEVTYPE=drm_minor")
        _link(folder / "device", gpu)
        _link(folder / "subsystem", root / "sys/class/drm")
        _link(root / "sys/class/drm" / name, folder)
        nodes.append(DeviceNode(f"/dev/dri/{name}", DRM_MAJOR, minor, "0660", group))
    connector = gpu / "drm" / f"card{index}" / f"card{index}-DP-1"
    _write(connector / "status", "disconnected")
    _link(root / "sys/class/drm" / connector.name, connector)
    _write(root / "sys/class/drm/version", "drm 1.1.0 20060810")
    return nodes


def _write_hwmon(root: Path, gpu: Path, index: int, product: Product) -> None:
    """What the driver measures, of a board that idles; numbers are placeholders."""
    folder = gpu / "hwmon" / f"hwmon{index}"
    _write(folder / "name", "amdgpu")
    for number, (sensor, celsius) in enumerate({"edge": 41, "junction": 43, "mem": 46}.items(), start=1):
        _write(folder / f"temp{number}_input", str(celsius * 1000))
        _write(folder / f"temp{number}_label", sensor)
    for number, (clock, mhz) in enumerate({"sclk": 300, "mclk": product.memory_mhz}.items(), start=1):
        _write(folder / f"freq{number}_input", str(mhz * 1000000))
        _write(folder / f"freq{number}_label", clock)
    _write(folder / "power1_average", "9000000")
    _write(folder / "fan1_input", "1040")
    _link(folder / "device", gpu)
    _link(folder / "subsystem", root / "sys/class/hwmon")
    _link(root / "sys/class/hwmon" / folder.name, folder)
    _write(gpu / "gpu_busy_percent", "3")
    _write(gpu / "power/runtime_status", "active")


# -- KFD ---------------------------------------------------------------------------------------------------------------

_LINK_ENABLED, _LINK_NONCOHERENT, _LINK_NO_ATOMICS = 0x1, 0x2, 0xC
_SYSTEM, _PUBLIC, _PRIVATE = 0, 1, 2  # heap types


@dataclass(frozen=True)
class _Gpu:
    """A GPU that KFD took."""

    product: Product
    bdf: str
    index: int  # of its DRM nodes
    atomics: bool
    mec: int


def _node_properties(kernel: str, gpu: _Gpu | None, links: int, simd_base: int) -> dict[str, int]:
    """The keys that a kernel prints for a node, in its order; `gpu` is None for the processor."""
    newer = kernel != "5.10"
    chip = gpu.product.chip if gpu else None
    simds = gpu.product.cus * gpu.product.chip.simd_per_cu if gpu else 0
    location = 0
    if gpu:
        bus, slot, function = re.findall(r"[0-9a-f]+", gpu.bdf)[1:]
        location = int(bus, 16) << 8 | int(slot, 16) << 3 | int(function)
    pairs: dict[str, int | None] = {
        "cpu_cores_count": 0 if gpu else _CPU_THREADS,
        "simd_count": simds,
        "mem_banks_count": 1,
        "caches_count": 0,  # placeholder
        "io_links_count": links,
        "p2p_links_count": 0 if newer else None,
        "cpu_core_id_base": 0,
        "simd_id_base": simd_base if gpu else 0,
        "max_waves_per_simd": chip.waves if chip else 0,
        "lds_size_in_kb": 64 if gpu else 0,
        "gds_size_in_kb": 0,
        "num_gws": 0,
        "wave_front_size": chip.wave if chip else 0,
        "array_count": chip.engines * chip.arrays if chip else 0,
        "simd_arrays_per_engine": chip.arrays if chip else 0,
        "cu_per_simd_array": chip.cus_per_array if chip else 0,
        "simd_per_cu": chip.simd_per_cu if chip else 0,
        "max_slots_scratch_cu": 32 if gpu else 0,
        "gfx_target_version": (chip.target if chip else 0) if newer else None,
        "vendor_id": _AMD if gpu else 0,
        "device_id": gpu.product.device if gpu else 0,
        "location_id": location,
        "domain": 0,
        "drm_render_minor": 128 + gpu.index if gpu else 0,
        "hive_id": 0,
        "num_sdma_engines": 2 if gpu else 0,
        "num_sdma_xgmi_engines": 0,
        "num_sdma_queues_per_engine": chip.sdma_queues if chip else 0,
        "num_cp_queues": 8 if gpu else 0,  # placeholder
        "unique_id": None if newer else 0,
        "cwsr_size": 0 if kernel == "6.12" else None,  # placeholder
        "ctl_stack_size": 0 if kernel == "6.12" else None,  # placeholder
    }
    if gpu and chip:
        pairs |= {
            "max_engine_clk_fcompute": gpu.product.engine_mhz,
            "local_mem_size": 0,  # always
            "fw_version": gpu.mec,
            "capability": 0,  # placeholder
            "debug_prop": 0 if kernel == "6.12" else None,  # placeholder
            "sdma_fw_version": chip.sdma[kernel],
        }
        if newer:  # moved here from the part above
            del pairs["unique_id"]
            pairs |= {"unique_id": 0, "num_xcc": 1 if kernel == "6.12" else None}
    pairs["max_engine_clk_ccompute"] = _CPU_MHZ
    return {key: value for key, value in pairs.items() if value is not None}


def _write_node(
    folder: Path, gpu_id: int, name: str, properties: Mapping[str, int], bank: tuple[int, int, int, int]
) -> None:
    """A node with one memory bank: heap type, bytes, bus width in bits, clock in MHz."""
    heap, size, width, clock = bank
    _write(folder / "gpu_id", str(gpu_id))
    _write(folder / "name", name)
    _properties(folder / "properties", properties)
    pairs = {"heap_type": heap, "size_in_bytes": size, "flags": 0, "width": width, "mem_clk_max": clock}
    _properties(folder / "mem_banks/0/properties", pairs)
    (folder / "caches").mkdir()
    if "p2p_links_count" in properties:
        (folder / "p2p_links").mkdir()


def _write_link(folder: Path, kernel: str, number: int, ends: tuple[int, int], flags: int) -> None:
    pairs = {"type": 2, "version_major": 0, "version_minor": 0, "node_from": ends[0], "node_to": ends[1], "weight": 20}
    for key in ("min_latency", "max_latency", "min_bandwidth", "max_bandwidth", "recommended_transfer_size"):
        pairs[key] = 0
    if kernel == "6.12":
        pairs["recommended_sdma_engine_id_mask"] = 0
    _properties(folder / "io_links" / str(number) / "properties", {**pairs, "flags": flags})


def _write_topology(root: Path, kernel: str, gpus: list[_Gpu]) -> DeviceNode:
    device = root / "sys/devices/virtual/kfd/kfd"
    _write(device / "dev", f"{KFD_MAJOR}:0")
    _write(device / "uevent", f"MAJOR={KFD_MAJOR}\nMINOR=0\nDEVNAME=kfd")
    _link(device / "subsystem", root / "sys/class/kfd")
    _link(root / "sys/class/kfd/kfd", device)
    topology = device / "topology"
    _write(topology / "generation_id", str(1 + len(gpus)))
    _properties(topology / "system_properties", {"platform_oem": 0, "platform_id": 0, "platform_rev": 0})
    processor = topology / "nodes/0"
    properties = _node_properties(kernel, None, len(gpus), 0)
    _write_node(processor, 0, "", properties, (_SYSTEM, _HOST_MEMORY, 64, 1600))
    simd_base = 0x80001000
    for number, gpu in enumerate(gpus, start=1):
        product, folder = gpu.product, topology / "nodes" / str(number)
        properties = _node_properties(kernel, gpu, 1, simd_base)
        simd_base += properties["simd_count"]
        bank = (_PRIVATE, product.vram, product.bus_width, product.memory_mhz)
        if product.chip.integrated and kernel == "6.12":  # an APU's bank is then half of the host's memory
            bank = (_PUBLIC, _HOST_MEMORY // 2, product.bus_width, product.memory_mhz)
        _write_node(folder, 0x1233 + number, product.chip.name, properties, bank)  # gpu_id: placeholder
        _write_link(folder, kernel, 0, (number, 0), _LINK_ENABLED | (0 if gpu.atomics else _LINK_NO_ATOMICS))
        flags = _LINK_ENABLED | (0 if kernel == "5.10" else _LINK_NONCOHERENT)
        _write_link(processor, kernel, number - 1, (0, number), flags)
    return DeviceNode("/dev/kfd", KFD_MAJOR, 0, "0660", "render")


# -- a host ------------------------------------------------------------------------------------------------------------


def _series(kernel: str) -> str:
    """`6.1` for `6.1` and for `6.1.0-56-amd64`. Raises ValueError for a kernel that no layout here describes."""
    match = re.match(r"\d+\.\d+", kernel)
    if match is None or match[0] not in KERNELS:
        raise ValueError(f"kernel {kernel!r}: known are {', '.join(KERNELS)}")
    return match[0]


def kfd_accepts(kernel: str, mec: int, chip: Chip, atomics: bool) -> bool:
    """kgd2kfd_device_init(): whether KFD takes a board in a slot with or without PCIe atomics.

    5.10 asks no Navi for them, later kernels only where the microcode is old; Polaris always needs them.
    """
    if atomics or chip.integrated:
        return True
    if chip is POLARIS10:
        return False
    return kernel == "5.10" or mec >= (145 if chip in (NAVI10, NAVI14) else 92)


def firmware(board: str) -> str:
    """A file below amdgpu/ that a host's first board can't start without."""
    return f"{BOARDS[board].boards[0][0].chip.name}_mec.bin"


def write_tree(root: Path, board: str, kernel: str, *, firmware: bool = True) -> list[DeviceNode]:
    """Write the tree of a host of BOARDS below `root`, and return the device nodes that belong to it.

    `kernel` is a series of KERNELS or a release of one (`6.1.0-56-amd64`). The node list has /dev/kfd first, if any.
    Without firmware the driver has not bound the boards.
    Raises KeyError for an unknown board, ValueError for an unknown kernel.
    """
    host, series = BOARDS[board], _series(kernel)
    _write(root / "proc/sys/kernel/osrelease", KERNELS.get(kernel, kernel))
    nodes: list[DeviceNode] = []
    gpus: list[_Gpu] = []
    for product, slot in host.boards:
        chip = product.chip
        bound = host.bound and series in chip.mec and firmware
        *others, gpu, audio = _functions(product, slot, "amdgpu" if bound else None)
        for function in (*others, audio):
            _write_function(root, function)
        folder = _write_function(root, gpu)
        if not bound:
            continue
        mec = host.mec or chip.mec[series]
        atomics = not slot.chipset
        for name in ("total", "used"):
            _write(folder / f"mem_info_vram_{name}", str(product.vram if name == "total" else 16 * _MIB))
        _write(folder / "mem_info_vis_vram_total", str(256 * _MIB))  # a small BAR, hence the private heap
        _write(folder / "fw_version/mec_fw_version", f"0x{mec:08x}")
        index = sum(node.group == "video" for node in nodes)
        nodes += _write_drm(root, folder, index)
        _write_hwmon(root, folder, index, product)
        if kfd_accepts(series, mec, chip, atomics):
            gpus.append(_Gpu(product, gpu.bdf, index, atomics, mec))
    if not host.boards:
        network = _Function("pci0000:00/0000:00:1f.6", 0x8086, 0x15BC, _ETHERNET, _ENDPOINT, 0, driver="e1000e")
        _write_function(root, network)
    if not host.bound or not nodes:  # udev loads amdgpu for a board that it knows
        return []
    # The driver makes /dev/kfd when it starts, before it has seen any board.
    _write(root / "sys/module/amdgpu/initstate", "live")
    _write(root / "sys/module/amdgpu/taint", "")
    _write(root / "sys/module/amdgpu/refcnt", "0")
    return [_write_topology(root, series, gpus), *nodes]
