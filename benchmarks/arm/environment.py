"""A directory with everything that counting needs: qemu with plugins, and CPython, NumPy and LiteRT for arm64."""

from __future__ import annotations

import dataclasses
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from mobilebert_tf import child_process
from mobilebert_tf.errors import FailedError, UsageError

HERE = Path(__file__).parent
LITERT, NUMPY = "2.3.0", ">=2,<2.5"
CORES = ("cortex-a76", "cortex-a72")
"""Emulated processors that LiteRT runs on: one with dot product and float16 arithmetic, one with neither."""

DEFAULT = "~/.cache/mobilebert_tf/arm64"

_PROGRAMS = {"gcc": "gcc", "ninja": "ninja-build", "meson": "meson", "pkg-config": "pkg-config", "make": "make",
             "apt-get": "apt", "dpkg-deb": "dpkg", "tar": "tar", "xz": "xz-utils"}  # fmt: skip
"""Programs that the set-up calls, and Debian's package for each."""

_DEBS = ("python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib", "libc6", "libcrypt1", "libstdc++6",
         "libgcc-s1", "libgomp1", "zlib1g", "libexpat1", "libffi8", "libssl3", "libbz2-1.0", "liblzma5", "libuuid1",
         "libsqlite3-0", "libtinfo6")  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Environment:
    """A directory that `prepare` filled."""

    directory: Path

    @property
    def qemu(self) -> Path:
        return self.directory / "bin/qemu-aarch64"

    @property
    def plugin(self) -> Path:
        return self.directory / "bin/libmobilebert_counter.so"

    @property
    def site(self) -> Path:
        return self.directory / "sysroot/site"

    def missing(self) -> list[str]:
        """Names of parts that do not exist yet."""
        parts = {"qemu": self.qemu, "the counter": self.plugin, "LiteRT for arm64": self.site / "ai_edge_litert",
                 "Python for arm64": self.directory / "sysroot/usr/bin/python3.11"}  # fmt: skip
        return [name for name, path in parts.items() if not path.exists()]

    @property
    def qemu_version(self) -> str | None:
        done = child_process.run([str(self.qemu), "--version"])
        match = re.search(r"version ([\d.]+)", done.stdout)
        return match[1] if match else None

    @property
    def litert_version(self) -> str | None:
        names = [path.name for path in self.site.glob("ai_edge_litert-*.dist-info")]
        return names[0].removeprefix("ai_edge_litert-").removesuffix(".dist-info") if names else None

    def command(self, core: str) -> list[str]:
        """The command to which a Python program is appended to run it on a core."""
        sysroot = self.directory / "sysroot"
        return [str(self.qemu), "-cpu", core, "-plugin", str(self.plugin), "-L", str(sysroot),
                str(sysroot / "usr/bin/python3.11")]  # fmt: skip

    def variables(self) -> dict[str, str]:
        """Environment variables that make the emulated Python import from this directory only."""
        sysroot = self.directory / "sysroot"
        return {"PYTHONPATH": str(self.site), "PYTHONHOME": str(sysroot / "usr"), "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONNOUSERSITE": "1", "PYTHONSAFEPATH": ""}  # fmt: skip

    def use(self, core: str) -> None:
        """Write the emulated /proc/cpuinfo of a core: LiteRT chooses kernels by it, and crashes if it is wrong."""
        described = HERE / "cores" / f"{core}.cpuinfo"
        if not described.is_file():
            raise UsageError(f"core {core}: choose from {', '.join(CORES)}")
        target = self.directory / "sysroot/proc/cpuinfo"
        if not target.is_file() or target.read_bytes() != described.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(described.read_bytes())


def open_environment(directory: str | None) -> Environment:
    """The environment in a directory (None: the default one). Raises UsageError: it is not complete."""
    environment = Environment(Path(directory or os.path.expanduser(DEFAULT)).absolute())
    if missing := environment.missing():
        raise UsageError(
            f"{environment.directory}: lacks {', '.join(missing)}; `mobilebert-tf benchmark instructions --setup"
            f"{f' --environment={directory}' if directory else ''}` installs it (6 minutes on 2 cores, 1.5 GB)"
        )
    return environment


def prepare(directory: str | None, say: Callable[[str], None]) -> Environment:
    """Make the missing parts of an environment.

    Raises:
      UsageError: this machine lacks a program for that; the message names Debian's packages.
      FailedError: a step failed; its output is in a log in the directory.
    """
    environment = Environment(Path(directory or os.path.expanduser(DEFAULT)).absolute())
    if not environment.missing():
        return environment
    check()
    environment.directory.mkdir(parents=True, exist_ok=True)
    if not environment.qemu.exists():
        say("building qemu 7 or later from Debian's sources, with plugins (4 minutes on 2 cores)")
        _script(environment, "qemu", _QEMU)
    if not environment.plugin.exists():
        say("building the counter")
        _script(environment, "counter", _COUNTER)
    if (
        not (environment.site / "ai_edge_litert").exists()
        or not (environment.directory / "sysroot/usr/bin/python3.11").exists()
    ):
        say("fetching CPython, NumPy and LiteRT for arm64")
        _script(environment, "sysroot", _SYSROOT)
    environment.use(CORES[0])
    if missing := environment.missing():
        raise FailedError(f"{environment.directory}: still lacks {', '.join(missing)}")
    return environment


def check() -> None:
    """Raise UsageError, with the reason, if the set-up cannot work on this machine."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        raise UsageError("--setup: works only on Linux for x86-64; give a program of your own as --counter")
    lacking = [package for program, package in _PROGRAMS.items() if shutil.which(program) is None]
    if shutil.which("pkg-config") and child_process.run(["pkg-config", "--exists", "glib-2.0"]).returncode:
        lacking.append("libglib2.0-dev")
    if lacking:
        raise UsageError(f"--setup: needs {', '.join(lacking)}: apt-get install {' '.join(lacking)}")
    if not Path("/etc/apt/sources.list.d/debian.sources").is_file():
        raise UsageError(
            "--setup: reads Debian 12's /etc/apt/sources.list.d/debian.sources, which is missing; "
            "give a program of your own as --counter"
        )


def _script(made: Environment, name: str, text: str) -> None:
    log = made.directory / f"{name}.log"
    values = {
        **os.environ, "DIR": str(made.directory), "HERE": str(HERE), "PLUGIN": str(made.plugin),
        "PYTHON": sys.executable, "LITERT": LITERT, "NUMPY": NUMPY, "DEBS": " ".join(_DEBS),
    }  # fmt: skip
    with log.open("wb") as file:
        words = child_process.tied(["bash", "-euo", "pipefail", "-c", text])
        done = subprocess.run(words, stdout=file, stderr=subprocess.STDOUT, env=values, check=False)
    if done.returncode:
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        raise FailedError(f"{log}: making {name} failed: {(lines or ['no message'])[-1][:200]}")


_QEMU = r"""
cd "$DIR"; mkdir -p src state/lists/partial cache/archives/partial bin; touch status
sed 's/^Types:.*/Types: deb-src/' /etc/apt/sources.list.d/debian.sources > src.sources
apt=(apt-get -o Dir::Etc::sourcelist="$DIR/src.sources" -o Dir::Etc::sourceparts=-
     -o Dir::State::lists="$DIR/state/lists" -o APT::Sandbox::User=root)
"${apt[@]}" update -qq
cd src; "${apt[@]}" source -qq --download-only qemu; tar xf qemu_*.orig.tar.xz
cd qemu-*/; sed -i "s/^subdir('pc-bios')/#&/" meson.build; mkdir -p build; cd build
../configure --target-list=aarch64-linux-user --enable-plugins --disable-docs --disable-tools --disable-system \
  --disable-bsd-user --disable-capstone --disable-werror --meson="$(command -v meson)"
ninja qemu-aarch64
cp qemu-aarch64 "$DIR/bin/"
"""

_COUNTER = r"""
include=$(dirname "$(find -L "$DIR/src" -maxdepth 5 -name qemu-plugin.h | head -1)")
gcc -O2 -shared -fPIC -I"$include" $(pkg-config --cflags glib-2.0) "$HERE/counter.c" -o "$PLUGIN.part" \
  $(pkg-config --libs glib-2.0)
mv "$PLUGIN.part" "$PLUGIN"
"""

_SYSROOT = r"""
cd "$DIR"; mkdir -p arm/state/lists/partial arm/cache/archives/partial arm/debs sysroot/site wheels; : > arm/status
apt=(apt-get -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o Dir::State="$DIR/arm/state"
     -o Dir::Cache="$DIR/arm/cache" -o Dir::State::status="$DIR/arm/status" -o APT::Sandbox::User=root)
"${apt[@]}" update -qq
(cd arm/debs; "${apt[@]}" download -qq $DEBS)
for deb in arm/debs/*.deb; do dpkg-deb -x "$deb" sysroot; done
"$PYTHON" -m pip download -q --no-deps --python-version 3.11 --platform manylinux_2_27_aarch64 \
  --platform manylinux_2_28_aarch64 --only-binary=:all: -d wheels "ai-edge-litert==$LITERT" "numpy$NUMPY"
for wheel in wheels/*.whl; do "$PYTHON" -m zipfile -e "$wheel" sysroot/site; done
cpu=sysroot/sys/devices/system/cpu; mkdir -p sysroot/proc $cpu/cpu0/topology
for f in present possible online kernel_max; do echo 0 > $cpu/$f; done
for f in thread_siblings_list core_cpus_list cluster_id package_cpus_list cluster_cpus_list core_id die_cpus_list \
  core_siblings_list physical_package_id; do echo 0 > $cpu/cpu0/topology/$f; done
for f in core_siblings thread_siblings core_cpus package_cpus cluster_cpus die_cpus; do
  echo 1 > $cpu/cpu0/topology/$f
done
"""
